"""The MLflow mirror on a real SQLite store."""

import math
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from gavel.common.journal import Journal
from gavel.tracking import exporter
from gavel.tracking.job_record import JobRecord
from gavel.tracking.store import experiment_id, store_lock
from gavel.tracking.tracker import Tracker
from helpers.mirrored import child, killed, runs, steps


def create(uri: str, experiment: str) -> str:
    return experiment_id(uri, experiment, store_lock(uri, "not used by an SQLite file"))


def test_creating_a_store_is_idempotent_and_places_artifacts(made_store):
    uri, experiment = made_store
    assert create(uri, "gavel") == experiment
    found = MlflowClient(uri).get_experiment(experiment)
    assert found.artifact_location == Path(uri.removeprefix("sqlite:///")).with_name("mlartifacts").as_uri()


def test_a_job_that_was_not_the_first_to_make_the_experiment_takes_it(made_store, monkeypatch):
    uri, experiment = made_store
    find, asked = MlflowClient.get_experiment_by_name, []

    def late(self, name):
        asked.append(name)
        return find(self, name) if len(asked) > 1 else None

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", late)
    assert create(uri, "gavel") == experiment and len(asked) == 2


def test_a_database_cut_off_while_it_is_made_is_made_anew(tmp_path, monkeypatch):
    """MLflow fails for good on a file whose migrations ended half-way."""
    uri, other = (f"sqlite:///{tmp_path / name}.db" for name in ("a", "b"))
    create(other, "x")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("alembic.command.upgrade", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        create(uri, "x")
    assert not (tmp_path / "a.db").exists()
    (tmp_path / ".a.db.0.partial").write_bytes((tmp_path / "b.db").read_bytes()[:8192])
    assert create(uri, "x") == create(other, "x")
    assert not list(tmp_path.glob(".a.db*"))


def test_a_run_has_its_parent_tags_params_and_artifacts(store, tmp_path):
    (tmp_path / "plot.svg").write_text("<svg/>")
    with child(store, tmp_path, digest="a", params={f"p{i}": "x" * 7000 for i in range(150)}) as tracker:
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
    with Tracker(JobRecord.create(tmp_path / "study.json", store[0], "gavel", store[1], "study"), store[0]):
        assert runs(store[0], store[1])[0].info.run_id == parent.info.run_id


@pytest.mark.parametrize(
    "raised, status", [(ValueError, "FAILED"), (SystemExit, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_status_after_an_exception(store, tmp_path, raised, status):
    with pytest.raises(raised), child(store, tmp_path, run=status):
        raise raised
    assert runs(store[0], f"{store[1]}/{status}")[0].info.status == status


def test_the_same_job_continues_without_duplicate_steps(store, tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    for step in range(6):
        journal.append(step, {"reward": step / 10, "kl": math.nan if step == 3 else 0.5})
    first = child(store, tmp_path, digest="a")
    first.mirror(journal, up_to_step=3)
    killed(first)
    # The status stays RUNNING; the training goes on from its checkpoint at step 3.
    assert journal.truncate(3) == 2
    for step in range(4, 8):
        journal.append(step, {"reward": step / 5})
    with child(store, tmp_path, digest="a", params={"lr": 1e-4, "new": 1}) as second:
        second.mirror(journal, up_to_step=3)
        second.mirror(journal, up_to_step=5)
        second.mirror(journal)
    assert second.exporter.run_id == first.exporter.run_id
    (run,) = runs(store[0], second.record.key)
    assert run.info.status == "FINISHED" and run.data.params == {"lr": "0.0001", "new": "1"}
    expected = [(step, step / 10 if step <= 3 else step / 5) for step in range(8)]
    assert steps(store[0], run.info.run_id, "reward") == expected
    assert [step for step, _ in steps(store[0], run.info.run_id, "kl")] == [0, 1, 2]


def test_a_kill_between_batches_is_filled_up(store, tmp_path, monkeypatch):
    journal = Journal(tmp_path / "journal.jsonl")
    for step in range(5):
        journal.append(step, {"a": step, "b": -step})
    monkeypatch.setattr(exporter, "_BATCH", 3)
    log_batch, calls = MlflowClient.log_batch, []

    def cut_off(self, run_id, metrics=(), **more):
        if metrics:
            calls.append(len(metrics))
            if len(calls) == 3:
                raise SystemError("kill")
        return log_batch(self, run_id, metrics=metrics, **more)

    monkeypatch.setattr(MlflowClient, "log_batch", cut_off)
    first = child(store, tmp_path)
    with pytest.raises(SystemError):
        first.mirror(journal)
    killed(first)
    tracker = child(store, tmp_path)
    tracker.mirror(journal)
    assert calls == [3, 3, 3, 3, 1]
    assert steps(store[0], tracker.exporter.run_id, "a") == [(step, step) for step in range(5)]
    assert steps(store[0], tracker.exporter.run_id, "b") == [(step, -step) for step in range(5)]


def test_changed_inputs_replace_the_run(store, tmp_path):
    with child(store, tmp_path, digest="a") as old:
        old.mirror([{"step": 0, "metrics": {"accuracy": 0.1}}])
    with child(store, tmp_path, digest="b", params={"lr": 1}) as new:
        new.mirror([{"step": 0, "metrics": {"accuracy": 0.2}}])
    (active,) = runs(store[0], new.record.key)
    (deleted,) = runs(store[0], new.record.key, ViewType.DELETED_ONLY)
    assert (active.info.run_id, deleted.info.run_id) == (new.exporter.run_id, old.exporter.run_id)
    assert active.data.params == {"lr": "1"}


def test_a_history_that_contradicts_the_journal_is_replaced(store, tmp_path):
    """The checkpoints were deleted and the training, begun again, came out differently."""
    first = child(store, tmp_path, digest="a")
    first.mirror([{"step": 1, "metrics": {"x": 1.0}}, {"step": 2, "metrics": {"x": 2.0}}])
    killed(first)
    tracker = child(store, tmp_path, digest="a")
    (tmp_path / "note.txt").write_text("note")
    tracker.artifact(tmp_path / "note.txt")
    tracker.mirror([{"step": 1, "metrics": {"x": 1.5}}])
    tracker.mirror([{"step": 1, "metrics": {"x": 1.5}}, {"step": 2, "metrics": {"x": 2.5}}])
    (active,) = runs(store[0], tracker.record.key)
    assert active.info.run_id == tracker.exporter.run_id
    assert steps(store[0], active.info.run_id, "x") == [(1, 1.5), (2, 2.5)]
    assert [item.path for item in MlflowClient(store[0]).list_artifacts(active.info.run_id)] == ["note.txt"]


def test_a_run_deleted_in_the_ui_does_not_stop_the_job(store, tmp_path):
    said = []
    tracker = child(store, tmp_path, log=said.append)
    MlflowClient(store[0]).delete_run(tracker.exporter.run_id)
    tracker.mirror([{"step": 0, "metrics": {"x": 1.0}}])
    assert len(said) == 1 and "deleted" in said[0]
    tracker.finish()
    (run,) = runs(store[0], tracker.record.key)
    assert run.info.status == "FINISHED" and steps(store[0], run.info.run_id, "x") == [(0, 1.0)]


def test_wrong_use_is_not_hidden(store, tmp_path):
    with pytest.raises(MlflowException, match="Invalid value|invalid|Invalid"):
        child(store, tmp_path / "a").mirror([{"step": 0, "metrics": {"bad|name?": 1.0}}])
    with pytest.raises(KeyError):
        child(store, tmp_path / "b").mirror([{"metrics": {"x": 1.0}}])


def test_a_deleted_experiment_is_restored(tmp_path, made_store):
    uri = made_store[0]
    experiment = create(uri, "other")
    MlflowClient(uri).delete_experiment(experiment)
    assert create(uri, "other") == experiment
    assert MlflowClient(uri).get_experiment(experiment).lifecycle_stage == "active"


def test_lock_lies_beside_the_database_or_where_the_jobs_records_do():
    assert store_lock("sqlite:////a/mlflow.db", "/b").lock_file == "/a/mlflow.db.lock"
    assert store_lock("http://host:5000", "/b").lock_file == "/b/.lock"
