"""A training run on disk: checkpoints, journals and best model; a kill at any moment costs little.

It is not among the workflow's declared outputs, because Snakemake deletes those before it reruns a job.
"""

import math
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gavel.common.files import replace_folder, sync_folder, write_text
from gavel.common.journal import Journal, Mirror
from gavel.common.log import info
from gavel.common.paths import JUDGE_CACHE
from gavel.training import distributed, lora

VALIDATION = "validation/"  # prefix of a validation's metrics in the journal and in MLflow
COMPLETE = "gavel-complete"  # a checkpoint without this file was interrupted while it was written


class RunState:
    """The state folder of one training run, from which the run resumes after a kill at any moment.

    It holds one complete checkpoint (weights, optimiser, scheduler, random state, position in the data), the two
    journals and the best model by validation. An older checkpoint is removed once a newer one is complete and on disk.
    A best model is kept while it is the best in the journal, either now or after a cut back to the checkpoint: usually
    one, two between a better validation and the next checkpoint. With Adam a checkpoint is three times the size of the
    weights, so a state needs four times their size, and eight while a checkpoint is written.

    A state with another digest (the config, an input or the code has changed) is never resumed: it is renamed to
    `<folder>.stale`, replacing an older stale one, and the run starts over.
    """

    def __init__(self, folder: str | Path, digest: str):
        self.folder = Path(folder)
        mark = self.folder / "digest"
        for path in self.folder.glob(".*.partial"):  # left by a kill while a small file was written
            path.unlink()
        if not mark.exists() or mark.read_text() != digest:
            self._set_aside()
        write_text(mark, digest)
        self.journal = Journal(self.folder / "journal.jsonl")
        self.validation = Journal(self.folder / "monitor.jsonl")

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def rollouts(self) -> Path:
        return self.folder / "rollouts"

    @property
    def validation_samples(self) -> Path:
        return self.folder / "validation"

    @property
    def best(self) -> Path:
        """Folder of the best model by the validations in the journal."""
        return self.folder / f"best-{self.best_step()}"

    def best_step(self, until: float = math.inf) -> int | None:
        """Step of the best validation, the latest among equals, which has trained longest; None if there is none."""
        found = [(row["greedy"], row["step"]) for row in self.validations() if row["step"] <= until]
        return max(found, default=(None, None))[1]

    def validations(self) -> list[dict[str, Any]]:
        """The validations in order: `step`, and the metrics under their own names."""
        return [
            {name.removeprefix(VALIDATION): value for name, value in row["metrics"].items()} | {"step": row["step"]}
            for row in self.validation.rows()
        ]

    def latest_checkpoint(self) -> Path | None:
        """The newest complete checkpoint; all others, which a kill left behind, are removed."""
        complete = [path for path in self.checkpoints.glob("checkpoint-*") if (path / COMPLETE).exists()]
        newest = max(complete, key=lambda path: int(path.name.split("-")[1]), default=None)
        self._remove("checkpoints/checkpoint-*", {newest})
        return newest

    def mark_complete(self, checkpoint: Path) -> None:
        """Mark a checkpoint as complete, then remove the others."""
        sync_folder(checkpoint)
        write_text(checkpoint / COMPLETE, "")
        self._remove("checkpoints/checkpoint-*", {checkpoint})

    def save_best(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int) -> None:
        """Save the model of a validation that is about to be journalled; every process must call this."""
        replace_policy(model, tokenizer, self.folder / f"best-{step}")

    def prune_best(self, saved: int) -> None:
        """Remove the models that are best neither now nor in the journal cut back to the checkpoint of step `saved`."""
        self._remove("best-*", {self.folder / f"best-{self.best_step(until)}" for until in (saved, math.inf)})

    def update_mirror(self, mirror: Mirror, up_to_step: int | None = None) -> None:
        for journal in (self.journal, self.validation):
            mirror.mirror(journal, up_to_step)

    def _remove(self, pattern: str, kept: set[Path | None]) -> None:
        for path in self.folder.glob(pattern):
            if path not in kept:
                shutil.rmtree(path)

    def _set_aside(self) -> None:
        """Move away all but the lock, which this process holds, and the judge's answers, which stay valid."""
        stale, moving = (self.folder.with_name(self.folder.name + end) for end in (".stale", ".stale.partial"))
        old = [path for path in self.folder.glob("*") if not path.name.startswith(("lock", JUDGE_CACHE))]
        if not old and not moving.exists():
            return
        moving.mkdir(exist_ok=True)
        # The digest goes first: what a kill leaves behind is then never resumed, and follows at the next start.
        for path in sorted(old, key=lambda path: (path.name != "digest", path.name)):
            shutil.move(path, moving / path.name)
        replace_folder(moving, stale)
        info(f"inputs, config or code have changed: earlier state set aside in {stale}", console=True)


def policy_state(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The policy's own weights: adapters merged, shards gathered, without the critic that training may have added."""
    if lora.has_adapters(model):
        state = lora.merged_state(model)
    else:
        state = distributed.gather_state(model.state_dict(keep_vars=True))
    return {name: value for name, value in state.items() if not name.startswith("critic.")}


def save_policy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path, state: dict[str, Any] | None = None
) -> None:
    """Save the policy, or the given state of it, as a Hugging Face folder that loads everywhere."""
    lora.base_model(model).save_pretrained(folder, state_dict=policy_state(model) if state is None else state)
    tokenizer.save_pretrained(folder)


def replace_policy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save the policy in place of an older folder; a kill in between loses the old one but never mixes the two.

    Every process must call this; the main one writes.
    """
    state = policy_state(model)
    if distributed.is_main():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        save_policy(model, tokenizer, partial, state)
        replace_folder(partial, folder)
