"""kill -9 of one training run, ten times at random: it ends bit for bit as a run that nobody touched."""

import contextlib
import csv
import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import time

import mlflow
import pytest
from safetensors import safe_open

from gavel.common.journal import Journal
from helpers import killable
from helpers.killable import RUN, SETTINGS, STUDY, VALIDATE_EVERY

SEED = int(os.environ.get("KILL_SEED", "0"))  # other kill times than those of every day
# Forked from a process that has these, a run begins at once: kills would hit little but imports otherwise.
PRELOAD = [
    "gavel.training.rl.train",
    "gavel.jobs.job",
    "gavel.judge.backends.local",
    "mlflow.store.tracking.sqlalchemy_store",
]
COUNTED_SINCE_START = ("judge_cached", "judge_tokens", "num_tokens", "epoch")  # what the cache knows costs nothing
CLOCKS = ("runtime", "per_second", "step_time", "wall_time")
PATIENCE_S = 120


class Run:
    """A run's folder, as its files tell it."""

    def __init__(self, folder):
        self.folder, self.out, self.state = folder, folder / "out", folder / "state" / RUN

    def rows(self, name="journal"):
        return list(Journal(self.state / f"{name}.jsonl").rows())

    def step(self) -> int:
        """The last step in the journal."""
        return max((row["step"] for row in self.rows()), default=0)

    def checkpoint(self) -> int:
        """Step of the last whole checkpoint."""
        marks = self.state.glob("checkpoints/checkpoint-*/gavel-complete")
        return max((int(mark.parent.name.split("-")[1]) for mark in marks), default=0)

    def unmarked(self) -> list:
        folders = self.state.glob("checkpoints/checkpoint-*")
        return [path for path in folders if not (path / "gavel-complete").exists()]

    def halves(self) -> list[str]:
        """What was being written."""
        return [path.name for path in [*self.folder.rglob("*.partial"), *self.unmarked()]]


def made(paths) -> set[tuple]:
    """Paths with their times: what an earlier kill left behind is not taken for new."""
    found = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found.add((path, path.stat().st_ctime_ns))
    return found


# The seconds to a kill (at most so many) are counted from when one of these finds more than before the start.
MOMENTS = {
    "start": (lambda run: {time.monotonic()}, None),  # None: as many as an undisturbed run takes to its first step
    "steps": (lambda run: {(row["step"], row["time"]) for row in run.rows()}, 0.15),
    "checkpoint": (lambda run: made(run.unmarked()), 0.02),
    "best": (lambda run: made(run.state.glob("best-*.partial")), 0.02),
    "finish": (lambda run: made(run.out.glob("final*")), 0.1),
}


@pytest.fixture(scope="module")
def context():
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOAD)
    process = found.Process(target=killable.nothing)
    process.start()
    process.join()
    return found


def start(context, run, tiny, rows, **changes):
    """Start the job as Snakemake would: the outputs of an unfinished one are gone."""
    shutil.rmtree(run.out, ignore_errors=True)
    run.folder.mkdir(exist_ok=True)
    process = context.Process(target=killable.train, args=(str(run.folder), tiny, rows), kwargs=changes)
    process.start()
    return process


def ended(process) -> None:
    process.join(PATIENCE_S)
    assert process.exitcode == 0


@pytest.fixture(scope="module")
def undisturbed(context, tiny, rows, tmp_path_factory):
    """A run that nobody touched, and the seconds to its first step."""
    run = Run(tmp_path_factory.mktemp("undisturbed"))
    begun = time.monotonic()
    process = start(context, run, tiny, rows)
    while not run.step() and process.is_alive():
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    ended(process)
    return run, seconds


def kill(context, run, tiny, rows, moment, delay) -> float | None:
    """Start the run and kill it; returns after how many seconds, or None if it ended before."""
    seen = MOMENTS[moment][0]
    before = seen(run)
    process = start(context, run, tiny, rows)
    started = time.monotonic()
    while process.is_alive() and seen(run) <= before:
        assert time.monotonic() < started + PATIENCE_S, f"no {moment!r} in {PATIENCE_S} seconds"
        time.sleep(0.001)
    process.join(delay)
    process.kill()
    process.join()
    assert process.exitcode in (0, -9)
    return time.monotonic() - started if process.exitcode else None


def check_what_is_left(run, known: list[dict]) -> list[dict]:
    """Everything up to the last checkpoint, which is at most `save_every` steps ago; returns those steps' rows."""
    saved, rows, validations = run.checkpoint(), run.rows(), run.rows("monitor")
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["step"] for row in validations] == list(range(0, len(validations) * VALIDATE_EVERY, VALIDATE_EVERY))
    assert len(rows) - saved <= SETTINGS["save_every"]
    assert rows[: len(known)] == known, "a step before a checkpoint was told anew"
    kept = [(row["metrics"]["validation/greedy"], row["step"]) for row in validations if row["step"] <= saved]
    if kept:
        with safe_open(run.state / f"best-{max(kept)[1]}" / "model.safetensors", "pt") as weights:
            tensors = weights.keys()
            assert all(weights.get_tensor(name).isfinite().all() for name in tensors)
    assert not [row for row in shown(run) if row[1] > saved or row[2] > 1]
    return rows[:saved]


def shown(run) -> list[tuple]:
    """(metric, step, how often) of what MLflow holds."""
    if not (run.folder / "mlflow.db").exists():
        return []
    with sqlite3.connect(run.folder / "mlflow.db") as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return store.execute("SELECT key, step, COUNT(*) FROM metrics GROUP BY run_uuid, key, step").fetchall()


def curve(run, name) -> list[dict]:
    dropped = (*COUNTED_SINCE_START, *CLOCKS)
    rows = list(csv.DictReader((run.out / f"{name}.csv").open()))
    return [{key: row[key] for key in row if not any(word in key for word in dropped)} for row in rows]


def mlflow_curves(run) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every metric of the one active MLflow run of the job."""
    client = mlflow.MlflowClient(f"sqlite:///{run.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(STUDY).experiment_id
    (found,) = client.search_runs([experiment], f"tags.`gavel.key` = '{STUDY}/rl/{RUN}'")
    assert found.info.status == "FINISHED"
    history = {name: client.get_metric_history(found.info.run_id, name) for name in found.data.metrics}
    dropped = (*COUNTED_SINCE_START, *CLOCKS)
    return {
        name: sorted((point.step, point.value) for point in points)
        for name, points in history.items()
        if not any(word in name for word in dropped)
    }


@pytest.mark.timeout(600)
def test_ten_kills_change_nothing(context, tiny, rows, undisturbed, tmp_path, record_property):
    whole, to_first_step = undisturbed
    run, rng, known = Run(tmp_path / "killed"), random.Random(SEED), []
    moments = ["start", "steps", "checkpoint", "best"] * 2
    rng.shuffle(moments)
    for number, moment in enumerate([*moments, "finish", "finish"]):
        seconds = None
        while seconds is None:  # the run ended before its kill; only the last two can be late
            assert moment == "finish" or run.step() < SETTINGS["steps"], f"no {moment!r} left to kill at"
            delay = rng.uniform(0, MOMENTS[moment][1] or to_first_step)
            seconds = kill(context, run, tiny, rows, moment, delay)
        told = {
            "seed": SEED,
            "kill": number,
            "moment": moment,
            "delay": round(delay, 4),
            "seconds": round(seconds, 3),
            "step": run.step(),
            "checkpoint": run.checkpoint(),
            "halves": run.halves(),
        }
        print(told)
        record_property("kill", told)
        known = check_what_is_left(run, known)
    ended(start(context, run, tiny, rows))
    for name in ("final", "best"):
        file = f"{name}/model.safetensors"
        assert (run.out / file).read_bytes() == (whole.out / file).read_bytes(), name
    for name in ("training", "monitor"):
        assert curve(run, name) == curve(whole, name)
    assert [int(row["step"]) for row in curve(run, "training")] == list(range(1, SETTINGS["steps"] + 1))
    assert mlflow_curves(run) == mlflow_curves(whole)
    assert [step for step, _ in mlflow_curves(run)["reward"]] == list(range(1, SETTINGS["steps"] + 1))
    left = {path.name.split("-")[0] for path in run.state.iterdir()}
    assert left == {"digest", "journal.jsonl", "monitor.jsonl", "checkpoints", "best", "judge", "lock", "rollouts"}
    assert len(list(run.state.glob("best-*"))) == len(list(run.state.glob("checkpoints/checkpoint-*"))) == 1


@pytest.mark.timeout(300)
def test_another_lambda_under_the_same_name_starts_afresh(context, tiny, rows, tmp_path):
    """In a study lambda is in the run's name; the digest tells it all the same."""
    run = Run(tmp_path / "changed")
    assert kill(context, run, tiny, rows, "checkpoint", 1.0), "the run ended before its kill"
    assert run.checkpoint()
    ended(start(context, run, tiny, rows, lam=0.75))
    log = (run.folder / "log").read_text()
    assert "earlier state set aside" in log and "resuming from" not in log
    assert run.state.with_name(f"{RUN}.stale").exists()
    steps = list(range(1, SETTINGS["steps"] + 1))
    assert [int(row["step"]) for row in curve(run, "training")] == steps
    assert [step for step, _ in mlflow_curves(run)["reward"]] == steps
    assert json.loads((run.out / "run.json").read_text())["lambda"] == 0.75
