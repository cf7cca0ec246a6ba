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
from gavel.tracking import mlflow, unsent
from gavel.tracking import store as tracking_store
from gavel.tracking.mlflow import Tracker
from gavel.tracking.store import create_store
from helpers.mirrored import child, runs, steps


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
    assert [sent for _, sent in unsent.send(kept.parent, said.append)] == [False]
    assert kept.exists()
    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    assert [sent for _, sent in unsent.send(kept.parent)] == [True]
    assert not kept.exists() and list(unsent.send(kept.parent)) == []
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
        patch.setattr(mlflow, "client", lambda uri: (_ for _ in ()).throw(OSError("down")))
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
    assert quick <= mlflow._PAUSE_S < 20 < slow
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
    assert main.main(["track", str(tmp_path)]) == 2
    assert "no study's results" in capsys.readouterr().err
    (tmp_path / "logs").mkdir()
    assert main.main(["track", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: MLflow has everything\n"
    assert main.main(["track", str(tmp_path / "missing")]) == 2
    assert "no such folder" in capsys.readouterr().err
