"""A run cut off at each of its changes to the disk, one after another, ends as the uninterrupted one.

The training here is a stand-in whose weights are the step's number; journals, checkpoints, best models and outputs are
written by the real code. `kill -9` of real training is in tests/system/faults.
"""

import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from gavel.common.journal import Journal
from gavel.training import callback
from gavel.training import state as run_state
from gavel.training.callback import RunCallback, finish_run
from gavel.training.state import RunState

STEPS = 12
GREEDY = {"a": [0.1, 0.3, 0.5, 0.4, 0.5, 0.2, 0.1], "b": [0.6, 0.3, 0.1, 0.7, 0.2, 0.2, 0.2]}  # at every other step


class Cut(BaseException):
    pass


class Cutter:
    """Lets some renames, removals and syncs pass; then all of them fail, as after a kill. A removal fails half-way."""

    def __init__(self, monkeypatch, after: float = float("inf")):
        self.left, self.seen = after, 0
        removes = shutil.rmtree
        for owner, name in (
            (os, "replace"),
            (os, "rename"),
            (os, "fsync"),
            (Path, "unlink"),
            (shutil, "rmtree"),
            (os, "mkdir"),
        ):
            monkeypatch.setattr(owner, name, self.guard(getattr(owner, name), removes if name == "rmtree" else None))

    def guard(self, change, removes):
        def guarded(*args, **kwargs):
            if self.left <= 0:
                raise Cut
            self.left, self.seen = self.left - 1, self.seen + 1
            if self.left <= 0 and removes and os.path.isdir(args[0]):
                for path in sorted(Path(args[0]).iterdir())[:1]:
                    removes(path) if path.is_dir() else os.remove(path)
                raise Cut
            return change(*args, **kwargs)

        return guarded


class Shown(dict):
    """Where a study has MLflow: every metric and step once."""

    def mirror(self, journal, up_to_step):
        for row in journal.rows():
            if up_to_step is None or row["step"] <= up_to_step:
                for name, value in row["metrics"].items():
                    assert self.setdefault((name, row["step"]), value) == value


@pytest.fixture(autouse=True)
def weights(monkeypatch):
    """Weights are one file that holds the step; nothing waits for the disk, and no time passes."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(callback, "time", SimpleNamespace(monotonic=lambda: 0.0))

    def save(model, tokenizer, folder, state=None):
        Path(folder).mkdir(parents=True)
        (Path(folder) / "weights").write_text(model)
        (Path(folder) / "config").write_text("")

    monkeypatch.setattr(run_state, "save_policy", save)
    monkeypatch.setattr(run_state, "policy_state", lambda model: {})
    monkeypatch.setattr(callback.distributed, "unsharded", nullcontext)  # the model is a text
    monkeypatch.setattr(callback.loading, "load_model", lambda path: (Path(path) / "weights").read_text())


def train(folder, shown, digest="a", greedy=None):
    """Train, or go on, with three updates a step, a validation every second step and a checkpoint every third."""
    greedy = greedy or GREEDY[digest]
    run = RunState(folder / "state", digest)
    validate = lambda model, tokenizer, step: {"greedy": greedy[step // 2]}  # noqa: E731
    run_callback = RunCallback(
        run, None, validate, steps=STEPS, validate_every=2, save_every=3, updates_per_step=3, mirror=shown
    )
    last = run.latest_checkpoint()
    begun = int((last / "weights").read_text()) * 3 if last else 0
    state, control = SimpleNamespace(global_step=begun), SimpleNamespace(should_save=False)
    run_callback.on_train_begin(None, state, control, model=str(begun // 3))
    for state.global_step in range(begun + 1, STEPS * 3 + 1):
        model = str(state.global_step // 3)
        run_callback.on_step_end(None, state, control, model=model)
        run_callback.on_log(None, state, control, logs={"reward": state.global_step / 100})
        if control.should_save:
            run_state.save_policy(model, None, run.checkpoints / f"checkpoint-{state.global_step}")
            run_callback.on_save(None, state, control)
            control.should_save = False
    return finish_run(run, str(STEPS), None, folder / "out", {}, shown)


def files(folder) -> dict[str, str]:
    """Name -> text of all files but the journals, which hold times."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in found.items() if not name.endswith(".jsonl")}


def steps_at_risk(folder) -> int:
    """Steps that the journal knows and no whole checkpoint holds."""
    known = [row["step"] for row in Journal(folder / "state/journal.jsonl").rows()]
    whole = [int(mark.parent.name.split("-")[1]) // 3 for mark in folder.glob(f"state/*/*/{run_state.COMPLETE}")]
    return max(known, default=0) - max(whole, default=0)


def changes(monkeypatch, folder, **kwargs) -> int:
    with monkeypatch.context() as patch:
        cutter = Cutter(patch)
        train(folder, Shown(), **kwargs)
    return cutter.seen


def cut(monkeypatch, folder, shown, after, **kwargs):
    with monkeypatch.context() as patch, pytest.raises(Cut):
        Cutter(patch, after)
        train(folder, shown, **kwargs)


def test_a_cut_at_any_change_to_the_disk_changes_no_result(tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    expected = Shown()
    count = changes(monkeypatch, tmp_path / "counted")
    train(whole, expected)
    assert count > 100
    assert set(files(whole / "state")) == {
        "digest",
        "best-8/weights",
        "best-8/config",
        *(f"checkpoints/checkpoint-36/{name}" for name in ("weights", "config", "gavel-complete")),
    }
    for after in range(count):
        folder, shown = tmp_path / str(after), Shown()
        cut(monkeypatch, folder, shown, after)
        assert steps_at_risk(folder) <= 3, f"cut at change {after}"
        train(folder, shown)
        assert files(folder) == files(whole), f"cut at change {after}"
        assert shown == expected, f"cut at change {after}"


def test_a_cut_while_another_configs_state_is_set_aside(tmp_path, monkeypatch):
    """Nothing of it gets into the new run, and none of it is lost."""
    first = tmp_path / "first"
    train(first, Shown())
    (first / "state/judge-answers.sqlite-journal").write_text("belongs to the answers, which stay")
    expected = Shown()
    train(tmp_path / "whole", expected, "b")
    shutil.copytree(first, tmp_path / "counted")
    count = changes(monkeypatch, tmp_path / "counted", digest="b")
    for after in range(count):
        folder, shown = tmp_path / str(after), Shown()
        shutil.copytree(first, folder)
        cut(monkeypatch, folder, shown, after, digest="b")
        train(folder, shown, "b")
        assert shown == expected, f"cut at change {after}"
        assert (folder / "state/judge-answers.sqlite-journal").exists()
        aside = files(folder / "state.stale")
        assert aside["digest"] == "a" and "best-8/weights" in aside, f"cut at change {after}"
        assert files(folder / "out") == files(tmp_path / "whole/out"), f"cut at change {after}"


def test_a_best_validation_that_is_forgotten_and_not_found_again_is_not_the_best(tmp_path, monkeypatch):
    """On a GPU a repeated validation may differ: the best of the journal counts, and its model is still there."""
    folder, other = tmp_path / "run", [0.1, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1]
    count = changes(monkeypatch, tmp_path / "counted")
    for after in range(count):
        shutil.rmtree(folder, ignore_errors=True)
        cut(monkeypatch, folder, Shown(), after)
        summary = train(folder, Shown(), greedy=other)
        assert (folder / "out/best/weights").read_text() == str(summary["best_step"]), f"cut at change {after}"


def test_a_config_that_is_changed_back_finds_no_halves(tmp_path, monkeypatch):
    """Whatever of a state was set aside when the run was cut: nothing of it is resumed, or all of it."""
    first = tmp_path / "first"
    train(first, Shown())
    for after in range(30):  # more than there are changes before the new run begins
        folder = tmp_path / str(after)
        shutil.copytree(first, folder)
        cut(monkeypatch, folder, Shown(), after, digest="b")
        train(folder, Shown())
        assert files(folder / "out") == files(first / "out"), f"cut at change {after}"
