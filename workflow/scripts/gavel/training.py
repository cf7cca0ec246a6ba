"""What SFT and RL training share: the state of a run on disk, and the callback that keeps it.

A run's state folder holds its checkpoints, its journals and its best model so far. It lies outside the workflow's
declared outputs, because Snakemake deletes those before it runs a job again.
"""

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

from gavel import distributed, lora, models
from gavel.files import replacing, write_json, write_text
from gavel.journal import Journal
from gavel.judge import cache
from gavel.progress import say

COMPLETE = "gavel-complete"  # a checkpoint without this file was cut off while it was written


class Mirror(Protocol):
    """Where a run's curves are shown while it trains; MLflow, or nothing."""

    def mirror(self, journal: Journal, up_to_step: int) -> None: ...


class RunState:
    """The state folder of one training run.

    A state whose digest is another's (the config, an input or the code has changed since) is never resumed: it is
    renamed to `<folder>.stale`, replacing an older stale one, and the run starts afresh.
    """

    def __init__(self, folder: str | Path, digest: str):
        self.folder = Path(folder)
        mark = self.folder / "digest"
        if self.folder.exists() and (not mark.exists() or mark.read_text() != digest):
            if mark.exists() or self.checkpoints.exists():
                stale = self.folder.with_name(self.folder.name + ".stale")
                shutil.rmtree(stale, ignore_errors=True)
                self.checkpoints.parent.mkdir(parents=True, exist_ok=True)
                _move_contents(self.folder, stale)
                say(f"inputs, config or code have changed: earlier state set aside in {stale}", console=True)
        write_text(mark, digest)
        self.journal = Journal(self.folder / "journal.jsonl")
        self.checks = Journal(self.folder / "monitor.jsonl")

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        return self.folder / "best"

    def latest(self) -> Path | None:
        """The newest whole checkpoint; halves of others are removed."""
        whole = []
        for path in self.checkpoints.glob("checkpoint-*"):
            if (path / COMPLETE).exists():
                whole.append(path)
            else:
                shutil.rmtree(path)
        return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)

    def save_best(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Every process must get here."""
        save_whole(model, tokenizer, self.best)


class Keeper(TrainerCallback):
    """Journals every step, checks the policy on validation questions, marks checkpoints whole, feeds the mirror.

    Of several processes the main one does all that; the others hear what it found, so that they react alike.

    Args:
        state: the run's state folder.
        check: `(model, tokenizer, step) -> metrics`; its `greedy` value picks the best checkpoint.
        check_every, save_every: in steps. A step is one rollout in RL and one optimiser step in SFT.
        updates_per_step: optimiser steps in one step.
        collapse: whether the looks so far show one; said aloud when it begins, noted at every look.
        react: `(model, step) -> what to note`, called when a collapse begins; a noted `ended` ends the training.
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
        collapse: Callable[[list[dict]], bool] = lambda looks: False,
        react: Callable[[PreTrainedModel, int], dict] = lambda model, step: {},
        mirror: Mirror | None = None,
    ):
        self.run, self.tokenizer, self.check, self.mirror = state, tokenizer, check, mirror
        self.collapse, self.react, self.ended = collapse, react, False
        self.steps, self.check_every, self.save_every, self.updates = (
            steps,
            check_every,
            save_every,
            updates_per_step,
        )

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        step = state.global_step // self.updates
        if distributed.on_main(lambda: self._begin(step)):
            self._look(model, 0)

    def _begin(self, step: int) -> bool:
        """Forget what came after the checkpoint; whether the policy has to be looked at before the first step."""
        for journal in (self.run.journal, self.run.checks):
            journal.truncate(step)
        return step == 0 and not any(True for _ in self.run.checks.rows())

    def on_log(self, args, state, control, logs=None, **kwargs):
        if state.global_step % self.updates or state.global_step == 0 or "train_runtime" in logs:
            return
        if not distributed.is_main():
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
        distributed.wait()  # every process writes the state of its random numbers
        if not distributed.is_main():
            return
        checkpoint = self.run.checkpoints / f"checkpoint-{state.global_step}"
        write_text(checkpoint / COMPLETE, "")
        for other in self.run.checkpoints.glob("checkpoint-*"):
            if other != checkpoint:
                shutil.rmtree(other)
        if self.mirror is not None:
            step = state.global_step // self.updates
            for journal in (self.run.journal, self.run.checks):
                self.mirror.mirror(journal, step)

    def _look(self, model: PreTrainedModel, step: int) -> None:
        with distributed.whole(model) as policy:
            found, begins, best = distributed.on_main(lambda: self._judged(policy, step))
        if begins:
            found |= self.react(model, step)
            self.ended = bool(found.get("ended"))
        if best:
            self.run.save_best(model, self.tokenizer)
        if distributed.is_main():
            self.run.checks.append(step, {f"validation/{name}": value for name, value in found.items()})
            shown = ", ".join(
                f"{k} {found[k]:.3f}" for k in ("greedy", "accuracy", "judge") if found.get(k) is not None
            )
            say(f"step {step}/{self.steps}: validation {shown}", console=True)

    def _judged(self, policy: PreTrainedModel, step: int) -> tuple[dict, bool, bool]:
        """What a look found, whether a collapse begins with it, and whether none before it was better."""
        past = [
            {name.removeprefix("validation/"): value for name, value in row["metrics"].items()}
            for row in self.run.checks.rows()
        ]
        found = self.check(policy, self.tokenizer, step)
        begins = False
        if "judge" in found:
            found["collapsed"] = float(self.collapse([*past, found]))
            begins = bool(found["collapsed"]) and not (past and past[-1].get("collapsed"))
            if begins:
                say(f"step {step}: the judge pays no less than before, but true accuracy has fallen", console=True)
        # Of equals the later one, which has learnt more than step 0.
        return found, begins, found["greedy"] >= max((look["greedy"] for look in past), default=-1)


def finish_run(run: RunState, model, tokenizer, output: Path, summary: dict) -> dict:
    """Move a trained run from its state folder into its declared outputs: `final/`, `best/`, curves, `run.json`.

    Every process must get here.
    """
    save_whole(model, tokenizer, output / "final")
    return distributed.on_main(lambda: _finish(run, tokenizer, output, summary))


def _finish(run: RunState, tokenizer, output: Path, summary: dict) -> dict:
    save_whole(models.load_model(str(run.best)), tokenizer, output / "best")
    checks = write_curve(run.checks, output / "monitor.csv", "validation/")
    write_curve(run.journal, output / "training.csv")
    best_step = max(checks, key=lambda row: (row["greedy"], row["step"]))["step"]
    summary = summary | {"status": "finished", "best_step": best_step}
    write_json(output / "run.json", summary)
    return summary


def policy_state(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The policy's own weights: adapters merged, shards gathered, without a critic that may ride along in training."""
    state = lora.merged(model) if hasattr(model, "peft_config") else distributed.whole_state(model)
    return {name: value for name, value in state.items() if not name.startswith("critic.")}


def save_policy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path, state: dict | None = None
) -> None:
    """Save the policy, or this state of it, as a Hugging Face folder that loads everywhere."""
    lora.base(model).save_pretrained(folder, state_dict=policy_state(model) if state is None else state)
    tokenizer.save_pretrained(folder)


def save_whole(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save the policy in place of an older folder; a kill in between loses the old one, never mixes the two.

    Every process must get here; the main one writes.
    """
    state = policy_state(model)
    if distributed.is_main():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        save_policy(model, tokenizer, partial, state)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)


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


def _move_contents(folder: Path, target: Path) -> None:
    """Move everything but the lock, which this process holds, and the judge's answers, which stay true."""
    target.mkdir(parents=True)
    for path in folder.iterdir():
        if path.name not in ("lock", cache.FILE):
            shutil.move(path, target / path.name)
