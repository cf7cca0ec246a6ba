"""Several completions of one prompt as one row, so that a forward pass computes the prompt once.

A row reads `prompt without its last token | last token, completion 1 | last token, completion 2 | ...`. Every
continuation attends to the prompt and to itself and counts its positions from the prompt's end, so each of its tokens
gets the hidden state that it would get alone. The last prompt token is repeated because it predicts a different first
token for each completion; a completion's last token predicts nothing and is left out. Only the ends of rows are padded.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from gavel.models.loading import attention_window, is_attention_only, logits_agree

IGNORED = -100  # PyTorch's label for a position without loss


@dataclass(frozen=True)
class PackedBatch:
    """Rows for one forward pass.

    Attributes:
        ids: `(R, S)` token ids.
        positions: `(R, S)` positions that each completion would have alone.
        allowed: `(R, 1, S, S)`, whether a position (third axis) attends to another (fourth).
        labels: `(R, S)`, each completion token at the position that predicts it, `IGNORED` elsewhere.
        places: `(B, T)`, the position in the flattened rows that predicts token t of completion b; 0 beyond its end.
        present: `(B, T)`, False beyond a completion's end.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    allowed: torch.Tensor
    labels: torch.Tensor
    places: torch.Tensor
    present: torch.Tensor

    def mask(self, model: PreTrainedModel) -> torch.Tensor:
        """The mask in the form that this model's attention takes: boolean for SDPA, additive for eager."""
        if model.config._attn_implementation == "sdpa":
            return self.allowed
        lowest = torch.finfo(model.dtype).min
        return torch.zeros_like(self.allowed, dtype=model.dtype).masked_fill(~self.allowed, lowest)

    def unpack(self, values: torch.Tensor) -> torch.Tensor:
        """Take the completions' tokens from `(R, S)` values: `(B, T)`, 0 beyond their ends."""
        return values.flatten()[self.places] * self.present


def pack(
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    *,
    width: int | None = None,
    pad: int = 0,
    device: torch.device | str = "cpu",
) -> PackedBatch:
    """Pack completions; adjacent ones with the same prompt share a row.

    Args:
        prompts, completions: `(B,)` lists of token ids; a prompt has at least one.
        width: T of the result; the longest completion unless given.
    """
    groups: list[tuple[list[int], list[int]]] = []  # (prompt, rows that share it)
    for row, prompt in enumerate(prompts):
        if groups and groups[-1][0] == list(prompt):
            groups[-1][1].append(row)
        else:
            groups.append((list(prompt), [row]))
    size = max(len(prompt) - 1 + sum(len(completions[row]) for row in rows) for prompt, rows in groups)
    size, width = max(size, 1), width or max(map(len, completions))
    ids, positions, segments, labels = [], [], [], []
    places = torch.zeros(len(completions), width, dtype=torch.long)
    present = torch.zeros(len(completions), width, dtype=torch.bool)
    for number, (prompt, rows) in enumerate(groups):
        start = len(prompt) - 1
        row_ids, row_positions = prompt[:start], list(range(start))
        row_segments, row_labels = [0] * start, [IGNORED] * start
        for segment, row in enumerate(rows, start=1):
            completion = list(completions[row])
            first, length = number * size + len(row_ids), len(completion)
            places[row, :length] = torch.arange(first, first + length)
            present[row, :length] = True
            row_ids += [prompt[-1], *completion][:length]
            row_positions += range(start, start + length)
            row_segments += [segment] * length
            row_labels += completion
        rest = size - len(row_ids)
        ids.append(row_ids + [pad] * rest)
        positions.append(row_positions + [0] * rest)
        segments.append(row_segments + [-1] * rest)
        labels.append(row_labels + [IGNORED] * rest)
    owners = torch.tensor(segments, device=device)
    earlier = torch.ones(size, size, dtype=torch.bool, device=device).tril()
    same = owners.unsqueeze(2) == owners.unsqueeze(1)
    allowed = (same | (owners == 0).unsqueeze(1)) & earlier
    return PackedBatch(
        torch.tensor(ids, device=device),
        torch.tensor(positions, device=device),
        allowed.unsqueeze(1),
        torch.tensor(labels, device=device),
        places.to(device),
        present.to(device),
    )


@torch.no_grad()
def packable(model: PreTrainedModel) -> bool:
    """Whether packed rows give this model's own logits: decided by its config, then by a test on a few tokens.

    They do not if attention takes no custom mask (flash attention), slides over a window or is absent (state-space
    models), or if positions cannot be given (ALiBi).
    """
    if model.config._attn_implementation not in ("sdpa", "eager"):
        return False
    if not is_attention_only(model) or attention_window(model) is not None:
        return False
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    training = model.training
    model.eval()
    prompt, completions = [2, 3, 4], [[5, 6], [7]]
    packed = pack([prompt, prompt], completions, device=model.device)
    together = model(packed.ids, attention_mask=packed.mask(model), position_ids=packed.positions, use_cache=False)
    flat = together.logits.flatten(0, 1).float()
    close = True
    for row, completion in enumerate(completions):
        alone = model(torch.tensor([prompt + completion], device=model.device), use_cache=False).logits[0].float()
        found, wanted = flat[packed.places[row, : len(completion)]], alone[len(prompt) - 1 : -1]
        close &= logits_agree(model, found, wanted)
    model.train(training)
    return close
