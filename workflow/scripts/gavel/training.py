"""What SFT and RL training share: the state of a run on disk, and the callback that keeps it.

A run's state folder lies outside the workflow's declared outputs, because Snakemake deletes those before it runs a job
again.
"""

import csv
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

from gavel import models
from gavel.files import replace_folder, replacing, sync_folder, write_json, write_text
from gavel.journal import Journal
from gavel.judge import cache
from gavel.progress import say

COMPLETE = "gavel-complete"  # a checkpoint without this file was cut off while it was written


class Mirror(Protocol):
    """Where a run's curves are shown while it trains; MLflow, or nothing."""

    def mirror(self, journal: Journal, up_to_step: int | None) -> None: ...


class RunState:
    """The state folder of one training run, from which it goes on after a kill at any moment.

    It holds one whole checkpoint (weights, optimizer, scheduler, random numbers, position in the data), the two
    journals and the best model by validation. An older checkpoint is removed once a newer one is whole and on disk. A
    best model is kept while the journal names it, as it stands or as it would be cut back to the checkpoint: mostly
    one, two between a better look and the next checkpoint. With Adam a checkpoint is three times the weights, so that a
    state needs four times their size and eight while a checkpoint is written.

    A state whose digest is another's (the config, an input or the code has changed since) is never resumed: it is
    renamed to `<folder>.stale`, replacing an older stale one, and the run starts afresh.
    """

    def __init__(self, folder: str | Path, digest: str):
        self.folder = Path(folder)
        mark = self.folder / "digest"
        for path in self.folder.glob(".*.partial"):  # a kill while a small file was written
            path.unlink()
        if not mark.exists() or mark.read_text() != digest:
            self._set_aside()
        write_text(mark, digest)
        self.journal = Journal(self.folder / "journal.jsonl")
        self.checks = Journal(self.folder / "monitor.jsonl")

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        """Folder of the best model by the looks that are in the journal."""
        return self.folder / f"best-{self.best_step()}"

    def best_step(self, until: float = math.inf) -> int | None:
        """Step of the best look; of equals the later one, which has learnt more than step 0. None without a look."""
        looks = [(row["metrics"]["validation/greedy"], row["step"]) for row in self.checks.rows()]
        return max((look for look in looks if look[1] <= until), default=(None, None))[1]

    def latest(self) -> Path | None:
        """The newest whole checkpoint; all others, which a kill left behind, are removed."""
        whole = [path for path in self.checkpoints.glob("checkpoint-*") if (path / COMPLETE).exists()]
        newest = max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)
        self._remove("checkpoints/checkpoint-*", {newest})
        return newest

    def complete(self, checkpoint: Path) -> None:
        """Mark a checkpoint whole, then remove the others."""
        sync_folder(checkpoint)
        write_text(checkpoint / COMPLETE, "")
        self._remove("checkpoints/checkpoint-*", {checkpoint})

    def save_best(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int) -> None:
        """Save the model of a look that is about to be noted; until then `best` is another."""
        save_whole(model, tokenizer, self.folder / f"best-{step}")

    def prune_best(self, saved: int) -> None:
        """Remove the models that are best neither now nor in the journal cut back to the checkpoint of step `saved`."""
        self._remove("best-*", {self.folder / f"best-{self.best_step(until)}" for until in (saved, math.inf)})

    def show(self, mirror: Mirror, up_to_step: int | None = None) -> None:
        for journal in (self.journal, self.checks):
            mirror.mirror(journal, up_to_step)

    def _remove(self, pattern: str, kept: set[Path | None]) -> None:
        for path in self.folder.glob(pattern):
            if path not in kept:
                shutil.rmtree(path)

    def _set_aside(self) -> None:
        """Move away all but the lock, which this process holds, and the judge's answers, which stay true."""
        stale, moving = (self.folder.with_name(self.folder.name + end) for end in (".stale", ".stale.partial"))
        old = [path for path in self.folder.glob("*") if not path.name.startswith(("lock", cache.FILE))]
        if not old and not moving.exists():
            return
        moving.mkdir(exist_ok=True)
        # The digest goes first: what a kill leaves behind is then resumed by nobody and follows at the next start.
        for path in sorted(old, key=lambda path: (path.name != "digest", path.name)):
            shutil.move(path, moving / path.name)
        replace_folder(moving, stale)
        say(f"inputs, config or code have changed: earlier state set aside in {stale}", console=True)


class Keeper(TrainerCallback):
    """Journals every step, checks the policy on validation questions, marks checkpoints whole, feeds the mirror.

    Args:
        state: the run's state folder.
        check: `(model, tokenizer, step) -> metrics`; its `greedy` value picks the best checkpoint.
        check_every, save_every: in steps. A step is one rollout in RL and one optimiser step in SFT.
        updates_per_step: optimiser steps in one step.
        react: `(earlier looks, this one, model, step) -> what else to note`; a noted `ended` ends the training.
        mirror: shown up to the last checkpoint only, so that a resumed run never shows a step twice.
    """

    def __init__(
        self,
        state: RunState,
        tokenizer: PreTrainedTokenizerBase,
        check: Callable[[PreTrainedModel, PreTrainedTokenizerBase, int], dict],
        *,
        steps: int,
        check_every: int,
        save_every: int,
        updates_per_step: int = 1,
        react: Callable[[list[dict], dict, PreTrainedModel, int], dict] = lambda past, found, model, step: {},
        mirror: Mirror | None = None,
    ):
        self.run, self.tokenizer, self.check, self.mirror = state, tokenizer, check, mirror
        self.react, self.ended = react, False
        self.saved = 0  # step of the last checkpoint
        self.steps, self.check_every, self.save_every, self.updates = (
            steps,
            check_every,
            save_every,
            updates_per_step,
        )

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        step = self.saved = state.global_step // self.updates
        for journal in (self.run.journal, self.run.checks):
            journal.truncate(step)
        self.run.prune_best(step)
        if step == 0 and not any(True for _ in self.run.checks.rows()):
            self._look(model, 0)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if state.global_step % self.updates or state.global_step == 0 or "train_runtime" in logs:
            return
        numbers = {name: value for name, value in logs.items() if isinstance(value, int | float)}
        self.run.journal.append(state.global_step // self.updates, numbers)

    def on_step_end(self, args, state, control, model=None, **kwargs):
        step, rest = divmod(state.global_step, self.updates)
        if rest == 0 and (step % self.check_every == 0 or step == self.steps):
            self._look(model, step)
        if rest == 0 and (step % self.save_every == 0 or step == self.steps or self.ended):
            control.should_save = True
        if self.ended:
            control.should_training_stop = True
        return control

    def on_save(self, args, state, control, **kwargs):
        self.run.complete(self.run.checkpoints / f"checkpoint-{state.global_step}")
        self.saved = state.global_step // self.updates
        self.run.prune_best(self.saved)
        if self.mirror is not None:
            self.run.show(self.mirror, self.saved)

    def _look(self, model: PreTrainedModel, step: int) -> None:
        past = [
            {name.removeprefix("validation/"): value for name, value in row["metrics"].items()}
            for row in self.run.checks.rows()
        ]
        found = self.check(model, self.tokenizer, step)
        found |= self.react(past, found, model, step)
        self.ended = bool(found.get("ended"))
        if found["greedy"] >= max((look["greedy"] for look in past), default=-1):
            self.run.save_best(model, self.tokenizer, step)
        self.run.checks.append(step, {f"validation/{name}": value for name, value in found.items()})
        self.run.prune_best(self.saved)
        shown = ", ".join(f"{k} {found[k]:.3f}" for k in ("greedy", "accuracy", "judge") if found.get(k) is not None)
        say(f"step {step}/{self.steps}: validation {shown}", console=True)


def finish_run(run: RunState, model, tokenizer, output: Path, summary: dict, mirror: Mirror | None = None) -> dict:
    """Bring a trained run's results into its declared outputs: `final/`, `best/`, curves, `run.json`.

    The mirror is shown all, since a kill may have come between the last checkpoint and its showing.
    """
    if mirror is not None:
        run.show(mirror)
    output.mkdir(parents=True, exist_ok=True)
    save_whole(model, tokenizer, output / "final")
    save_whole(models.load_model(str(run.best)), tokenizer, output / "best")
    write_curve(run.checks, output / "monitor.csv", "validation/")
    write_curve(run.journal, output / "training.csv")
    summary = summary | {"status": "finished", "best_step": run.best_step()}
    write_json(output / "run.json", summary)
    return summary


def policy_state(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The policy's own weights, without a critic that may ride along in training."""
    return {name: value for name, value in model.state_dict().items() if not name.startswith("critic.")}


def save_policy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Save the policy as a Hugging Face folder that loads everywhere."""
    model.save_pretrained(folder, state_dict=policy_state(model))
    tokenizer.save_pretrained(folder)


def save_whole(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save the policy in place of an older folder; a kill in between loses the old one, never mixes the two."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    save_policy(model, tokenizer, partial)
    replace_folder(partial, folder)


def write_curve(journal: Journal, path: str | Path, prefix: str = "") -> list[dict]:
    """Write a journal as CSV, one row a step, columns in order of appearance, and return its rows."""
    rows = [
        {"step": row["step"]} | {k.removeprefix(prefix): v for k, v in row["metrics"].items()} for row in journal.rows()
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path, newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        writer.writerows(rows)
    return rows
