"""The MLflow mirror while the store is down, slow, or something else; and what is sent later."""

import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from gavel.cli import main
from gavel.common.journal import Journal
from gavel.tracking import exporter, study, tracker
from gavel.tracking.exporter import Unavailable, export_unsent
from gavel.tracking.job_record import JobRecord, count_unsent, record_lock
from helpers.mirrored import child, killed, runs, steps


def test_an_unreachable_server_costs_one_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = []
    uri = "http://127.0.0.1:9"
    with child((uri, "s"), tmp_path, log=said.append) as job:
        job.mirror([{"step": 0, "metrics": {"x": 1.0}}])
        job.artifact(tmp_path)
    assert len(said) == 1 and uri in said[0] and "continuing without it" in said[0] and "\n" not in said[0]


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "{}"), (200, "<html>"), (302, ""), (401, ""), (403, "<html>"), (404, ""), (429, ""), (502, "<html>")],
)
def test_whatever_answers_in_the_servers_place_stops_no_job(tmp_path, status, body):
    """A proxy without a server behind it, a log-in page, another service on the port."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            for header in {"Location": "/login", "Content-Length": str(len(body))}.items():
                self.send_header(*header)
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *arguments):
            pass

    said = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with child((f"http://127.0.0.1:{server.server_port}", "s"), tmp_path, log=said.append) as job:
            job.mirror([{"step": 0, "metrics": {"x": 1.0}}])
        server.shutdown()
    assert len(said) == 1 and "continuing without it" in said[0]


def down(*arguments, **more):
    raise MlflowException("down")


def test_after_an_outage_the_run_is_filled_up(store, tmp_path, monkeypatch):
    said = []
    job = child(store, tmp_path, log=said.append)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", down)
        job.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    job.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert steps(store[0], job.exporter.run_id, "x") == [], "within the pause nothing is sent"
    job._retry_at = 0
    job.mirror([{"step": 1, "metrics": {"x": 2.0}}])
    assert steps(store[0], job.exporter.run_id, "x") == [(0, 1.0), (1, 2.0)] and len(said) == 1


def test_what_an_outage_leaves_is_recorded_and_sent_later(store, tmp_path, monkeypatch):
    """Curves are in the ended job's record itself, files are named; times are those of the job, not of the sending."""
    uri, study = store
    folder, journal, said = tmp_path / "records", Journal(tmp_path / "journal.jsonl"), []
    (tmp_path / "note.txt").write_text("note")
    (tmp_path / "lost.txt").write_text("lost")
    with child(store, folder, digest="a", log=said.append) as job:
        journal.append(1, {"x": 1.0})
        job.mirror(journal)
        monkeypatch.setattr(MlflowClient, "log_batch", down)
        journal.append(2, {"x": 2.0, "y": math.nan})
        job.mirror(journal)
        job.mirror([{"step": 0, "metrics": {"z": 5.0, "none": None, "infinite": math.inf}}])
        job.artifact(tmp_path / "note.txt", "notes")
        job.artifact(tmp_path / "lost.txt")
    ended = time.time() * 1000
    journal.path.unlink()
    (tmp_path / "lost.txt").unlink()
    assert count_unsent(folder) == 1 and len(said) == 1
    with pytest.raises(Unavailable, match="down"):
        list(export_unsent(folder, said.append))
    assert count_unsent(folder) == 1
    monkeypatch.undo()
    assert [record.key for record in export_unsent(folder, said.append)] == [f"{study}/rl/grpo"]
    assert count_unsent(folder) == 0 and list(export_unsent(folder)) == []
    assert said[1:] == [f"{tmp_path / 'lost.txt'} is gone and will be missing in the MLflow run {study}/rl/grpo"] * 2
    (run,) = runs(uri, f"{study}/rl/grpo")
    assert steps(uri, run.info.run_id, "x") == [(1, 1.0), (2, 2.0)]
    assert steps(uri, run.info.run_id, "z") == [(0, 5.0)] and run.data.metrics.keys() == {"x", "z"}
    assert run.info.status == "FINISHED" and run.info.end_time <= ended
    assert [item.path for item in MlflowClient(uri).list_artifacts(run.info.run_id, "notes")] == ["notes/note.txt"]


def test_what_waited_is_sent_at_the_end_without_being_asked_again(store, tmp_path, monkeypatch):
    said = []
    with child(store, tmp_path, log=said.append) as job, monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", down)
        job.mirror([{"step": 0, "metrics": {"x": 1.0}}])
        job.mirror([{"step": 0, "metrics": {"y": 2.0}}])
    assert len(said) == 1 and count_unsent(tmp_path) == 0
    for metric, value in (("x", 1.0), ("y", 2.0)):
        assert steps(store[0], job.exporter.run_id, metric) == [(0, value)]


def test_a_job_that_runs_again_takes_over_what_it_left(store, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(exporter, "client", down)
        with child(store, tmp_path, digest="a", log=str) as job:
            job.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert count_unsent(tmp_path) == 1
    with child(store, tmp_path, digest="b") as job:
        assert list(export_unsent(tmp_path)) == [], "the job sends its run itself"
        job.mirror([{"step": 0, "metrics": {"x": 2.0}}])
    assert count_unsent(tmp_path) == 0
    assert steps(store[0], job.exporter.run_id, "x") == [(0, 2.0)]


def test_what_a_killed_job_could_not_send_is_sent_and_the_job_goes_on(store, tmp_path, monkeypatch):
    """Up to its last checkpoint, from which the same job goes on in the same run; until then its status stays."""
    uri, study = store
    folder, journal = tmp_path / "records", Journal(tmp_path / "journal.jsonl")
    first = child(store, folder, digest="a", log=str)
    for step in range(5):
        journal.append(step, {"x": step})
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", down)
        first.mirror(journal, 3)
    assert list(export_unsent(folder)) == [], "it is still alive"
    killed(first)
    assert len(list(export_unsent(folder))) == 1 and count_unsent(folder) == 0
    (run,) = runs(uri, f"{study}/rl/grpo")
    assert run.info.status == "RUNNING" and [step for step, _ in steps(uri, run.info.run_id, "x")] == [0, 1, 2, 3]
    with child(store, folder, digest="a") as second:
        second.mirror(journal)
    assert second.exporter.run_id == run.info.run_id
    assert [step for step, _ in steps(uri, run.info.run_id, "x")] == [0, 1, 2, 3, 4]


def test_a_store_that_hangs_is_asked_less_often_than_one_that_refuses(store, tmp_path, monkeypatch):
    job, asked = child(store, tmp_path, log=str), []
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")

    def fails(seconds):
        def log_batch(*arguments, **more):
            asked.append(seconds)
            time.sleep(seconds)
            raise OSError("down")

        monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
        job.mirror([{"step": 0, "metrics": {"x": 1.0}}])

    fails(0)
    quick = job._retry_at - time.monotonic()
    job._retry_at = 0
    fails(1.2)
    slow = job._retry_at - time.monotonic()
    assert quick <= tracker._PAUSE_S < 20 < slow
    assert not job.finish() and asked == [0, 1.2], "at the end, what hangs is not asked again"
    monkeypatch.undo()
    job._cost_s = 0.0
    assert job.finish()


def test_a_lock_that_is_never_freed_is_an_outage(store, tmp_path, monkeypatch):
    monkeypatch.setattr(tracker, "LOCK_TIMEOUT_S", 0.2)
    said = []
    with record_lock(tmp_path / "rl-grpo.json"), child(store, tmp_path, log=said.append) as job:
        job.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert len(said) == 1 and "could not be acquired" in said[0] and "continuing without it" in said[0]


def test_a_record_that_cannot_be_written_stops_no_job(store, tmp_path, monkeypatch):
    said = []
    job = child(store, tmp_path, log=said.append)

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(JobRecord, "save", full)
    with job:
        job.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert len(said) == 1 and "No space left" in said[0]
    assert steps(store[0], job.exporter.run_id, "x") == [(0, 1.0)]


def test_gavel_track_sends_what_mlflow_lacks_of_a_study(tmp_path, capsys, monkeypatch):
    said, records = [], study.records(tmp_path)
    config = {"results_dir": str(tmp_path), "study": "s", "tracking": {"uri": None}}
    with monkeypatch.context() as patch:
        patch.setattr(exporter, "client", down)
        for run in ("a", "b", "c"):
            with study.job_run(config, "rl", run, digest="a", params={}, log=str) as job:
                job.mirror([{"step": 0, "metrics": {"x": 1.0}}])
        assert main.main(["sync", str(tmp_path)]) == 2
        assert f"{tmp_path}: MLflow at sqlite:" in (told := capsys.readouterr().err) and "down" in told
        study.send_unsent(config, said.append)
    assert "cannot be used for s/rl/a" in said.pop() and not said
    assert study.unsent_message(config) == (
        f"MLflow: 3 runs are incomplete; once it answers, run .venv/bin/gavel sync {tmp_path}"
    )
    with record_lock(records / "rl-b.json"), record_lock(records / "rl-c.json"):
        assert main.main(["sync", str(tmp_path)]) == 0
    assert (
        capsys.readouterr().out
        == f"{tmp_path}: 1 runs sent\n{tmp_path}: 2 runs are left to jobs that are still running\n"
    )
    with record_lock(records / "rl-c.json"):
        study.send_unsent(config, said.append)
    assert said == ["MLflow: rl-b is complete now"]
    assert main.main(["sync", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: 1 runs sent\n"
    assert study.unsent_message(config) is None
    assert main.main(["sync", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: MLflow has everything\n"


def test_gavel_track_on_a_folder_without_anything_kept(tmp_path, capsys):
    assert main.main(["sync", str(tmp_path)]) == 2
    assert "not a results folder" in capsys.readouterr().err
    (tmp_path / "logs").mkdir()
    assert main.main(["sync", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: MLflow has everything\n"
    assert main.main(["sync", str(tmp_path / "missing")]) == 2
    assert "no such folder" in capsys.readouterr().err
