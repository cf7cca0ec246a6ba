"""The callback and final outputs common to all training: the callback validates and saves a run."""

import csv
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from gavel.common.files import open_atomically, write_json
from gavel.common.journal import Journal, Mirror
from gavel.common.log import info
from gavel.common.redaction import redact_config
from gavel.models import loading
from gavel.training import distributed
from gavel.training.state import VALIDATION, RunState, replace_policy

WALL_TIME = "wall_time"  # seconds since the previous step was logged


class ValidationResult(NamedTuple):
    """A validation's metrics with the decisions on them, and whether no earlier validation was better."""

    entries: dict[str, Any]
    is_best: bool


class RunCallback(TrainerCallback):
    """Journals every step, validates the policy, marks checkpoints as complete, feeds the mirror.

    With several processes the main one does all of this and sends the others its results, so that they react alike.

    Args:
        state: the run's state folder.
        validate: `(model, tokenizer, step) -> metrics`; its `greedy` value selects the best checkpoint.
        validate_every, save_every: in steps. A step is one rollout in RL and one optimiser step in SFT.
        updates_per_step: optimiser steps in one step.
        decide: `(earlier validations, this one, step) -> further entries`; an entry `ended` ends the training.
        apply: called in every process with all entries of a validation.
        mirror: gets the steps up to the last checkpoint only, so that a resumed run never shows a step twice.
    """

    def __init__(
        self,
        state: RunState,
        tokenizer: PreTrainedTokenizerBase,
        validate: Callable[[PreTrainedModel, PreTrainedTokenizerBase, int], dict[str, Any]],
        *,
        steps: int,
        validate_every: int,
        save_every: int,
        updates_per_step: int = 1,
        decide: Callable[[list[dict[str, Any]], dict[str, Any], int], dict[str, Any]] = lambda past, found, step: {},
        apply: Callable[[dict[str, Any]], None] = lambda noted: None,
        mirror: Mirror | None = None,
    ):
        self.run, self.tokenizer, self.validate, self.mirror = state, tokenizer, validate, mirror
        self.decide, self.apply, self.ended = decide, apply, False
        self.saved = 0  # step of the last checkpoint
        self.clock = time.monotonic()
        self.steps, self.validate_every, self.save_every, self.updates = (
            steps,
            validate_every,
            save_every,
            updates_per_step,
        )

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PreTrainedModel | None = None,
        **kwargs: Any,
    ) -> None:
        self.begin(model, state.global_step // self.updates)

    def begin(self, model: PreTrainedModel, step: int) -> None:
        """Resume from the checkpoint of a step; at step 0 the model is validated first."""
        self.saved = step
        if distributed.on_main(lambda: self._begin(step)):
            self._validate(model, 0)

    def _begin(self, step: int) -> bool:
        """Drop what came after the checkpoint; return whether to validate the policy before the first step."""
        for journal in (self.run.journal, self.run.validation):
            journal.truncate(step)
        self.run.prune_best(step)
        return step == 0 and not any(True for _ in self.run.validation.rows())

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        if state.global_step % self.updates or state.global_step == 0 or "train_runtime" in logs:
            return
        if not distributed.is_main():
            return
        numbers = {name: value for name, value in logs.items() if isinstance(value, int | float)}
        before, self.clock = self.clock, time.monotonic()
        numbers[WALL_TIME] = self.clock - before
        self.run.journal.append(state.global_step // self.updates, numbers)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PreTrainedModel | None = None,
        **kwargs: Any,
    ) -> TrainerControl:
        step, rest = divmod(state.global_step, self.updates)
        if rest == 0 and (step % self.validate_every == 0 or step == self.steps):
            self._validate(model, step)
        if rest == 0 and (step % self.save_every == 0 or step == self.steps or self.ended):
            control.should_save = True
        if self.ended:
            control.should_training_stop = True
        return control

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        distributed.barrier()  # every process saves its random state
        self.saved = state.global_step // self.updates
        if not distributed.is_main():
            return
        self.run.mark_complete(self.run.checkpoints / f"checkpoint-{state.global_step}")
        self.run.prune_best(self.saved)
        if self.mirror is not None:
            self.run.update_mirror(self.mirror, self.saved)

    def seconds(self) -> float:
        """The run's duration with validations; a step that was repeated after a kill counts once, the second time."""
        steps = (row["metrics"].get(WALL_TIME) or 0.0 for row in self.run.journal.rows())
        return sum(steps) + time.monotonic() - self.clock

    def _validate(self, model: PreTrainedModel, step: int) -> None:
        with distributed.unsharded(model) as policy:
            found, best = distributed.on_main(lambda: self._validated(policy, step))
        self.apply(found)
        self.ended = bool(found.get("ended"))
        if best:
            self.run.save_best(model, self.tokenizer, step)
        if distributed.is_main():
            self.run.validation.append(step, {VALIDATION + name: value for name, value in found.items()})
            self.run.prune_best(self.saved)
            shown = [f"{key} {found[key]:.3f}" for key in ("greedy", "accuracy", "judge") if found.get(key) is not None]
            info(f"step {step}/{self.steps}: validation {', '.join(shown)}", console=True)

    def _validated(self, policy: PreTrainedModel, step: int) -> ValidationResult:
        """Validate the policy, and decide how to react."""
        past = self.run.validations()
        found = self.validate(policy, self.tokenizer, step)
        found |= self.decide(past, found, step)
        return ValidationResult(found, is_best=found["greedy"] >= max((row["greedy"] for row in past), default=-1))


def finish_run(
    run: RunState,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    output: Path,
    summary: dict[str, Any],
    mirror: Mirror | None = None,
) -> dict[str, Any]:
    """Write a trained run's results to its declared outputs: `final/`, `best/`, curves, `run.json`.

    The mirror gets all steps, because a kill may have come between the last checkpoint and its mirroring. Every process
    must call this.
    """
    if mirror is not None:
        run.update_mirror(mirror)
    replace_policy(model, tokenizer, output / "final")
    return distributed.on_main(lambda: _finish(run, tokenizer, output, summary))


def _finish(run: RunState, tokenizer: PreTrainedTokenizerBase, output: Path, summary: dict[str, Any]) -> dict[str, Any]:
    replace_policy(loading.load_model(str(run.best)), tokenizer, output / "best")
    write_curve(run.validation, output / "monitor.csv", VALIDATION)
    write_curve(run.journal, output / "training.csv")
    summary = summary | {"status": "finished", "best_step": run.best_step()}
    write_json(output / "run.json", redact_config(summary))
    return summary


def write_curve(journal: Journal, path: str | Path, prefix: str = "") -> list[dict[str, Any]]:
    """Write a journal as CSV, one row for each step, columns in order of appearance, and return its rows."""
    rows = [
        {"step": row["step"]} | {k.removeprefix(prefix): v for k, v in row["metrics"].items()} for row in journal.rows()
    ]
    columns = list(dict.fromkeys(["step", *(name for row in rows for name in row)]))
    with open_atomically(path, newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        writer.writerows(rows)
    return rows
