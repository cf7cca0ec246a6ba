"""TRL's SFTTrainer on packed rows.

TRL pads every example to the longest of its batch; with solutions of all lengths, half of the tokens are padding. It
packs only for models with flash attention. Here a batch is packed (`gavel.training.packing`) if the model allows it,
and the head scores the solutions' tokens alone. Loss, metrics and their names are TRL's, and so are the numbers, up to
rounding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from transformers import PreTrainedModel
from trl import SFTTrainer

from gavel.training import distributed, lora
from gavel.training.log_probs import TokenScores, has_plain_head
from gavel.training.packing import IGNORED, PackedBatch, pack, packable, score

PARTS = [field.name for field in fields(PackedBatch)]


@dataclass(frozen=True)
class PackedCollator:
    """Pack a batch's examples: rows of `input_ids`, and `labels` that ignore the prompt, which has at least one token.

    Attributes:
        tree: as in `pack`.
    """

    tree: bool

    def __call__(self, rows: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, torch.Tensor]:
        """The parts of a `PackedBatch`, `count`, the number of tokens, and the labels that Trainer counts."""
        starts = [sum(label == IGNORED for label in row["labels"]) for row in rows]
        prompts = [list(row["input_ids"])[:start] for row, start in zip(rows, starts, strict=True)]
        completions = [list(row["input_ids"])[start:] for row, start in zip(rows, starts, strict=True)]
        packed = pack(prompts, completions, tree=self.tree)
        parts = {name: getattr(packed, name) for name in PARTS}
        count = torch.tensor(sum(len(row["input_ids"]) for row in rows))
        labels = packed.targets[packed.present]
        return parts | {"labels": labels, "shift_labels": labels, "count": count}


class PackedSFTTrainer(SFTTrainer):
    """SFTTrainer that packs batches in a single process if the model allows it, and is TRL's own if it does not."""

    _total_train_tokens: int

    def __init__(self, *args: Any, model: PreTrainedModel, **kwargs: Any):
        # Several processes have to call the model through the wrapper that shards it or reduces its gradients.
        self.packs = distributed.processes() == 1 and packable(model)
        self.own_head = self.packs and model.device.type == "cpu" and has_plain_head(model)
        if self.packs:
            kwargs["data_collator"] = PackedCollator(tree=self.own_head)
        super().__init__(*args, model=model, **kwargs)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The mean negative log-likelihood of the solutions' tokens."""
        if not self.packs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        packed = PackedBatch(**{name: inputs[name] for name in PARTS})
        with self.accelerator.autocast():
            scores = self._scores(model, packed)
        self._metrics["train"]["entropy"].append(scores.entropies.mean().item())
        self._metrics["train"]["mean_token_accuracy"].append(scores.most_probable.float().mean().item())
        self._total_train_tokens += int(inputs["count"])
        self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
        return -scores.log_probs.sum() / (len(scores.log_probs) if num_items_in_batch is None else num_items_in_batch)

    def _scores(self, model: torch.nn.Module, packed: PackedBatch) -> TokenScores:
        """Scores of the solutions' tokens, in order."""
        plain = lora.base_model(self.accelerator.unwrap_model(model))
        if self.own_head:
            return score(plain, packed)
        inputs = {"input_ids": packed.ids, "attention_mask": packed.mask(plain), "position_ids": packed.positions}
        output = model(**inputs, shift_labels=packed.labels, fused_lm_head=True)
        found = (output.log_probs, output.entropy, output.is_top1)
        return TokenScores(*(packed.unpack(values)[packed.present] for values in found))
