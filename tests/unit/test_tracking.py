"""The MLflow mirror on a real SQLite store, and the journal that feeds it."""

import json
import math
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from gavel import cli, tracking, tracking_store, tracking_unsent
from gavel.errors import InputError
from gavel.journal import Journal
from gavel.tracking import Tracker, create_store, ui_address

SCRIPTS = Path(tracking.__file__).parents[1]


@pytest.fixture(scope="session")
def made_store(tmp_path_factory):
    """An SQLite store; its first migration takes seconds, so tests share it and differ in their keys."""
    folder = tmp_path_factory.mktemp("results")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return uri, create_store(uri, "gavel", folder / "mlartifacts")


@pytest.fixture
def store(made_store, request):
    """(uri, key of this test's own study)."""
    return made_store[0], request.node.name


def runs(uri: str, key: str, view=ViewType.ACTIVE_ONLY) -> list:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("gavel").experiment_id
    return client.search_runs([experiment], f"tags.`gavel.key` = '{key}'", run_view_type=view)


def steps(uri: str, run_id: str, metric: str) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in MlflowClient(uri).get_metric_history(run_id, metric))


def child(store, run="rl/grpo", **more) -> Tracker:
    uri, study = store
    options = {"tags": {"rule": "rl", "lambda": 0.5, "none": None}, "params": {"lr": 1e-4}} | more
    return Tracker(uri, "gavel", f"{study}/{run}", "grpo", parent_key=study, **options)


def test_create_store_is_idempotent_and_places_artifacts(made_store):
    uri, experiment = made_store
    assert create_store(uri, "gavel") == experiment
    found = MlflowClient(uri).get_experiment(experiment)
    assert found.artifact_location == Path(uri.removeprefix("sqlite:///")).with_name("mlartifacts").as_uri()


def test_a_job_that_was_not_the_first_to_make_the_experiment_takes_it(made_store, monkeypatch):
    uri, experiment = made_store
    find, asked = MlflowClient.get_experiment_by_name, []

    def late(self, name):
        asked.append(name)
        return find(self, name) if len(asked) > 1 else None

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", late)
    assert create_store(uri, "gavel") == experiment and len(asked) == 2


def test_a_database_cut_off_while_it_is_made_is_made_anew(tmp_path, monkeypatch):
    """MLflow fails for good on a file whose migrations ended half-way."""
    uri, other = (f"sqlite:///{tmp_path / name}.db" for name in ("a", "b"))
    create_store(other, "x")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("alembic.command.upgrade", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        create_store(uri, "x")
    assert not (tmp_path / "a.db").exists()
    (tmp_path / ".a.db.0.partial").write_bytes((tmp_path / "b.db").read_bytes()[:8192])
    assert create_store(uri, "x") == create_store(other, "x")
    assert not list(tmp_path.glob(".a.db*"))


def test_a_run_has_its_parent_tags_params_and_artifacts(store, tmp_path):
    (tmp_path / "plot.svg").write_text("<svg/>")
    with child(store, digest="a", params={f"p{i}": "x" * 7000 for i in range(150)}) as tracker:
        tracker.artifact(tmp_path / "plot.svg", "plots")
        with pytest.raises(FileNotFoundError):
            tracker.artifact(tmp_path / "missing")
    (run,) = runs(store[0], f"{store[1]}/rl/grpo")
    (parent,) = runs(store[0], store[1])
    assert run.info.status == "FINISHED" and run.info.end_time and len(run.data.params) == 150
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (run.data.tags["lambda"], run.data.tags["gavel.digest"]) == ("0.5", "a")
    assert "none" not in run.data.tags
    listed = MlflowClient(store[0]).list_artifacts(run.info.run_id, "plots")
    assert [item.path for item in listed] == ["plots/plot.svg"]
    assert Path(run.info.artifact_uri.removeprefix("file://"), "plots/plot.svg").exists()
    with Tracker(store[0], "gavel", store[1], "study"):
        assert runs(store[0], store[1])[0].info.run_id == parent.info.run_id


@pytest.mark.parametrize(
    "raised, status", [(ValueError, "FAILED"), (SystemExit, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_status_after_an_exception(store, raised, status):
    with pytest.raises(raised), child(store, run=status):
        raise raised
    assert runs(store[0], f"{store[1]}/{status}")[0].info.status == status


def test_the_same_job_continues_without_duplicate_steps(store, tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    for step in range(6):
        journal.append(step, {"reward": step / 10, "kl": math.nan if step == 3 else 0.5})
    first = child(store, digest="a")
    first.mirror(journal, up_to_step=3)
    # Killed here: the status stays RUNNING; the training goes on from its checkpoint at step 3.
    assert journal.truncate(3) == 2
    for step in range(4, 8):
        journal.append(step, {"reward": step / 5})
    with child(store, digest="a", params={"lr": 1e-4, "new": 1}) as second:
        second.mirror(journal, up_to_step=3)
        second.mirror(journal, up_to_step=5)
        second.mirror(journal)
    assert second.run_id == first.run_id
    (run,) = runs(store[0], second.key)
    assert run.info.status == "FINISHED" and run.data.params == {"lr": "0.0001", "new": "1"}
    expected = [(step, step / 10 if step <= 3 else step / 5) for step in range(8)]
    assert steps(store[0], run.info.run_id, "reward") == expected
    assert [step for step, _ in steps(store[0], run.info.run_id, "kl")] == [0, 1, 2]


def test_a_kill_between_batches_is_filled_up(store, tmp_path, monkeypatch):
    journal = Journal(tmp_path / "journal.jsonl")
    for step in range(5):
        journal.append(step, {"a": step, "b": -step})
    monkeypatch.setattr(tracking, "_BATCH", 3)
    log_batch, calls = MlflowClient.log_batch, []

    def killed(self, run_id, metrics=(), **more):
        if metrics:
            calls.append(len(metrics))
            if len(calls) == 3:
                raise SystemError("kill")
        return log_batch(self, run_id, metrics=metrics, **more)

    monkeypatch.setattr(MlflowClient, "log_batch", killed)
    with pytest.raises(SystemError):
        child(store).mirror(journal)
    tracker = child(store)
    tracker.mirror(journal)
    assert calls == [3, 3, 3, 3, 1]
    assert steps(store[0], tracker.run_id, "a") == [(step, step) for step in range(5)]
    assert steps(store[0], tracker.run_id, "b") == [(step, -step) for step in range(5)]


def test_changed_inputs_replace_the_run(store):
    with child(store, digest="a") as old:
        old.mirror([{"step": 0, "metrics": {"accuracy": 0.1}}])
    with child(store, digest="b", params={"lr": 1}) as new:
        new.mirror([{"step": 0, "metrics": {"accuracy": 0.2}}])
    (active,) = runs(store[0], new.key)
    (deleted,) = runs(store[0], new.key, ViewType.DELETED_ONLY)
    assert (active.info.run_id, deleted.info.run_id) == (new.run_id, old.run_id)
    assert active.data.params == {"lr": "1"}


def test_a_history_that_contradicts_the_journal_is_replaced(store):
    """The checkpoints were deleted and the training, begun again, came out differently."""
    child(store, digest="a").mirror([{"step": 1, "metrics": {"x": 1.0}}, {"step": 2, "metrics": {"x": 2.0}}])
    tracker = child(store, digest="a")
    tracker.mirror([{"step": 1, "metrics": {"x": 1.5}}])
    tracker.mirror([{"step": 1, "metrics": {"x": 1.5}}, {"step": 2, "metrics": {"x": 2.5}}])
    (active,) = runs(store[0], tracker.key)
    assert active.info.run_id == tracker.run_id
    assert steps(store[0], tracker.run_id, "x") == [(1, 1.5), (2, 2.5)]


JOB = f"""
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
from gavel.tracking import Tracker
uri, number = sys.argv[1:]
with Tracker(uri, "race", f"study/rl/{{number}}", "cell", parent_key="study") as tracker:
    tracker.mirror([{{"step": step, "metrics": {{"x": step}}}} for step in range(20)])
"""


@pytest.mark.timeout(240)
def test_parallel_jobs_agree_on_one_parent_even_on_a_missing_store(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", JOB, uri, str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in (1, 1, 2)
    ]
    output = [job.communicate()[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], output
    # Nothing about migrations, telemetry or where to view the run.
    assert output == ["", "", ""]
    client = MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name("race").experiment_id])
    assert sorted(run.data.tags["gavel.key"] for run in found) == ["study", "study/rl/1", "study/rl/2"]


def test_an_unreachable_server_costs_one_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = []
    uri = "http://127.0.0.1:9"
    assert create_store(uri, "gavel", say=said.append) is None
    assert len(said) == 1 and "going on without" in said.pop()
    with Tracker(uri, "gavel", "s/rl/x", "x", lock=tmp_path / "lock", say=said.append) as tracker:
        tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
        tracker.artifact(tmp_path)
    assert len(said) == 1 and uri in said[0] and "\n" not in said[0]


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
        uri = f"http://127.0.0.1:{server.server_port}"
        with Tracker(uri, "e", "s/rl/x", "x", lock=tmp_path / "lock", say=said.append) as tracker:
            tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
        server.shutdown()
    assert len(said) == 1 and "going on without" in said[0]


def test_after_an_outage_the_run_is_filled_up(store, monkeypatch):
    said = []
    tracker = child(store, say=said.append)
    log_batch = MlflowClient.log_batch

    def down(self, *arguments, **more):
        raise MlflowException("down")

    monkeypatch.setattr(MlflowClient, "log_batch", down)
    tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert steps(store[0], tracker.run_id, "x") == [], "within the pause nothing is sent"
    tracker._retry_at = 0
    tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert steps(store[0], tracker.run_id, "x") == [(0, 1.0)] and len(said) == 1


def test_what_an_outage_leaves_is_kept_and_sent_later(store, tmp_path, monkeypatch):
    """Curves are in the kept file itself, attached files are named; times are those of the job, not of the sending."""
    uri, study = store
    kept, journal, said = tmp_path / "unsent" / "rl.json", Journal(tmp_path / "journal.jsonl"), []
    (tmp_path / "note.txt").write_text("note")
    log_batch, down = MlflowClient.log_batch, lambda *arguments, **more: (_ for _ in ()).throw(MlflowException("down"))
    with child(store, digest="a", unsent=kept, say=said.append) as tracker:
        journal.append(1, {"x": 1.0})
        tracker.mirror(journal)
        monkeypatch.setattr(MlflowClient, "log_batch", down)
        journal.append(2, {"x": 2.0, "y": math.nan})
        tracker.mirror(journal)
        tracker.mirror([{"step": 0, "metrics": {"z": 5.0}}])
        tracker.artifact(tmp_path / "note.txt", "notes")
    ended = time.time() * 1000
    journal.path.unlink()
    assert kept.exists() and len(said) == 1
    assert [sent for _, sent in tracking_unsent.send(kept.parent, said.append)] == [False]
    assert kept.exists()
    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    assert [sent for _, sent in tracking_unsent.send(kept.parent)] == [True]
    assert not kept.exists() and list(tracking_unsent.send(kept.parent)) == []
    (run,) = runs(uri, f"{study}/rl/grpo")
    assert steps(uri, run.info.run_id, "x") == [(1, 1.0), (2, 2.0)]
    assert steps(uri, run.info.run_id, "z") == [(0, 5.0)] and "y" not in run.data.metrics
    assert run.info.status == "FINISHED" and run.info.end_time <= ended
    assert [item.path for item in MlflowClient(uri).list_artifacts(run.info.run_id, "notes")] == ["notes/note.txt"]


def test_what_waited_is_sent_at_the_end_without_being_asked_again(store, tmp_path, monkeypatch):
    kept, said = tmp_path / "unsent" / "rl.json", []
    with child(store, unsent=kept, say=said.append) as tracker, monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", lambda *arguments, **more: (_ for _ in ()).throw(OSError("down")))
        tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
        tracker.mirror([{"step": 0, "metrics": {"y": 2.0}}])
    assert len(said) == 1 and not kept.exists()
    assert steps(store[0], tracker.run_id, "x") == [(0, 1.0)] and steps(store[0], tracker.run_id, "y") == [(0, 2.0)]


def test_a_job_that_runs_again_takes_over_what_it_left(store, tmp_path, monkeypatch):
    kept = tmp_path / "unsent" / "rl.json"
    with monkeypatch.context() as patch:
        patch.setattr(tracking, "client", lambda uri: (_ for _ in ()).throw(OSError("down")))
        with child(store, digest="a", unsent=kept, say=str) as tracker:
            tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert kept.exists()
    with child(store, digest="b", unsent=kept) as tracker:
        assert not kept.exists()
        tracker.mirror([{"step": 0, "metrics": {"x": 2.0}}])
    assert not kept.exists()
    assert steps(store[0], tracker.run_id, "x") == [(0, 2.0)]


def test_a_store_that_hangs_is_asked_less_often_than_one_that_refuses(store, monkeypatch):
    tracker, asked = child(store), []

    def fails(seconds):
        def action():
            asked.append(seconds)
            time.sleep(seconds)
            raise OSError("down")

        return action

    tracker._attempt(fails(0))
    quick = tracker._retry_at - time.monotonic()
    tracker._retry_at = 0
    tracker._attempt(fails(1.2))
    slow = tracker._retry_at - time.monotonic()
    assert quick <= tracking._PAUSE_S < 20 < slow
    assert not tracker.finish() and asked == [0, 1.2], "at the end, what hangs is not asked again"
    tracker._cost_s = 0.0
    assert tracker.finish()


def test_a_lock_that_is_never_freed_is_an_outage(store, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking_store, "_PATIENCE_S", 0.2)
    said = []
    with tracking_store.exclusive(tmp_path / "lock"), child(store, lock=tmp_path / "lock", say=said.append) as tracker:
        tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert len(said) == 1 and "locked by another process" in said[0]


def test_gavel_track_on_a_folder_without_anything_kept(tmp_path, capsys):
    assert cli.main(["track", str(tmp_path)]) == 2
    assert "no study's results" in capsys.readouterr().err
    (tmp_path / "logs").mkdir()
    assert cli.main(["track", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: MLflow has everything\n"
    assert cli.main(["track", str(tmp_path / "missing")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_run_deleted_in_the_ui_does_not_stop_the_job(store):
    said = []
    tracker = child(store, say=said.append)
    MlflowClient(store[0]).delete_run(tracker.run_id)
    tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert len(said) == 1 and "deleted" in said[0]
    tracker.finish()
    assert [run.info.status for run in runs(store[0], tracker.key)] == ["FINISHED"]


def test_wrong_use_is_not_hidden(store):
    with pytest.raises(MlflowException, match="Invalid value|invalid|Invalid"):
        child(store).mirror([{"step": 0, "metrics": {"bad|name?": 1.0}}])
    with pytest.raises(KeyError):
        child(store).mirror([{"metrics": {"x": 1.0}}])


def test_a_deleted_experiment_is_restored(tmp_path, made_store):
    uri = made_store[0]
    experiment = create_store(uri, "other")
    MlflowClient(uri).delete_experiment(experiment)
    assert create_store(uri, "other") == experiment
    assert MlflowClient(uri).get_experiment(experiment).lifecycle_stage == "active"


def test_ui_address(made_store):
    uri, experiment = made_store
    page = ui_address(uri, "gavel", "127.0.0.1", 5000)
    assert page == f"http://127.0.0.1:5000/#/experiments/{experiment}?workflowType=machine_learning"
    with pytest.raises(InputError, match="it holds: .*gavel"):
        ui_address(uri, "missing", "127.0.0.1", 5000)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_ui_script_says_what_is_missing(tmp_path, made_store):
    script = [sys.executable, SCRIPTS / "ui.py"]
    done = subprocess.run([*script, "--results", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no such file yet" in done.stderr and done.stderr.count("\n") == 1
    results = Path(made_store[0].removeprefix("sqlite:///")).parent
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*script, "--results", results, "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and f"port {port} is taken" in done.stderr


@pytest.mark.timeout(120)
def test_ui_script_serves_the_store_and_ends_on_ctrl_c(made_store):
    results, port = Path(made_store[0].removeprefix("sqlite:///")).parent, free_port()
    command = [
        sys.executable,
        SCRIPTS / "ui.py",
        "--results",
        results,
        "--experiment",
        "gavel",
        "--port",
        str(port),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert f"http://127.0.0.1:{port}/#/experiments/{made_store[1]}?" in server.stdout.readline()
        end = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert time.monotonic() < end and server.poll() is None
                time.sleep(0.3)
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
    finally:
        server.kill() if server.poll() is None else None
        server.stdout.close()


def test_lock_lies_beside_the_database():
    assert tracking_store.lock_path("sqlite:////a/mlflow.db") == Path("/a/mlflow.db.lock")


class TestJournal:
    def test_rows_come_back_in_order_with_null_for_what_is_not_finite(self, tmp_path):
        journal = Journal(tmp_path / "deep/journal.jsonl")
        assert list(journal.rows()) == [] and journal.truncate(3) == 0
        journal.append(1, {"a": 0.1, "b": math.inf})
        journal.append(2, {"a": math.nan, "c": None})
        assert [(row["step"], row["metrics"]) for row in journal.rows()] == [
            (1, {"a": 0.1, "b": None}),
            (2, {"a": None, "c": None}),
        ]
        assert abs(next(journal.rows())["time"] / 1000 - time.time()) < 60

    @pytest.mark.parametrize("cut", range(1, 60, 7))
    def test_a_torn_last_line_is_dropped(self, tmp_path, cut):
        journal = Journal(tmp_path / "journal.jsonl")
        journal.append(1, {"a": 1.0})
        whole = journal.path.read_bytes()
        journal.append(2, {"a": 2.0})
        journal.path.write_bytes(journal.path.read_bytes()[:-cut])
        assert [row["step"] for row in journal.rows()] == [1]
        journal.append(3, {"a": 3.0})
        assert [row["step"] for row in journal.rows()] == [1, 3]
        assert journal.path.read_bytes().startswith(whole)

    def test_truncate_drops_later_steps_only(self, tmp_path):
        journal = Journal(tmp_path / "journal.jsonl")
        for step in (10, 20, 20, 30, 40):
            journal.append(step, {"a": step})
        with open(journal.path, "a") as handle:
            handle.write('{"step": 50')
        assert journal.truncate(20) == 2
        assert [json.loads(line)["step"] for line in journal.path.read_text().splitlines()] == [10, 20, 20]

    def test_a_broken_line_inside_is_an_error_with_its_number(self, tmp_path):
        journal = Journal(tmp_path / "journal.jsonl")
        journal.path.write_text('{"step": 1, "metrics": {}}\nnonsense\n')
        with pytest.raises(InputError, match="journal.jsonl:2"):
            list(journal.rows())
