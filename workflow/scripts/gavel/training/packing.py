"""Rows of prompts with their completions, almost without padding; a forward pass computes what they share once.

The completions of a prompt are a prefix tree: the prompt, then the completions, which branch where their tokens first
differ. Each token attends to its ancestors and counts its position along them, so it gets the hidden state that it
would get alone. A completion's last token predicts nothing and is left out. The tokens are laid out depth first, so a
token's descendants are the ones that follow it, up to its `end`. A row is as long as the longest tree, and shorter
trees share rows; only the ends of rows are padded.

A head that takes one label per position cannot score such trees, because a position may predict several tokens. For it
completions do not share tokens, and each has its own copy of the prompt's last token, which predicts the first:
`prompt without its last token | last token, completion 1 | last token, completion 2 | ...`.
"""

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from gavel.models.loading import attention_window, is_attention_only, logits_agree
from gavel.training.log_probs import TokenScores, token_log_probs

IGNORED = -100  # PyTorch's label for a position without loss


class Predictions(NamedTuple):
    """The different predictions of a batch, N of them: the same token at the same position is one.

    Attributes:
        places: `(N,)`, positions in the flattened rows.
        targets: `(N,)`, the token that each predicts.
        entries: `(M,)`, which of them each token of the completions is, in order.
    """

    places: torch.Tensor
    targets: torch.Tensor
    entries: torch.Tensor


@dataclass(frozen=True)
class PackedBatch:
    """Rows for one forward pass.

    Attributes:
        ids: `(R, S)` token ids.
        positions: `(R, S)` positions that each completion would have alone.
        allowed: `(R, 1, S, S)`, whether a position (third axis) attends to another (fourth).
        places: `(B, T)`, the position in the flattened rows that predicts token t of completion b; 0 beyond its end.
        targets: `(B, T)`, that token; 0 beyond its end.
        present: `(B, T)`, False beyond a completion's end.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    allowed: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    present: torch.Tensor

    @property
    def labels(self) -> torch.Tensor:
        """`(R, S)`, each completion token at the position that predicts it, `IGNORED` elsewhere; not for trees."""
        labels = torch.full_like(self.ids, IGNORED)
        labels.view(-1)[self.places[self.present]] = self.targets[self.present]
        return labels

    def predictions(self) -> Predictions:
        """The different predictions of the completions' tokens."""
        places, targets = self.places[self.present], self.targets[self.present]
        width = int(targets.max()) + 1 if len(targets) else 1
        pairs, entries = torch.unique(places * width + targets, return_inverse=True)
        return Predictions(pairs // width, pairs % width, entries)

    def mask(self, model: PreTrainedModel) -> torch.Tensor:
        """The mask in the form that this model's attention takes: boolean for SDPA, additive for eager."""
        if model.config._attn_implementation == "sdpa":
            return self.allowed
        lowest = torch.finfo(model.dtype).min
        return torch.zeros_like(self.allowed, dtype=model.dtype).masked_fill(~self.allowed, lowest)

    def unpack(self, values: torch.Tensor) -> torch.Tensor:
        """Take the completions' tokens from `(R, S)` values: `(B, T)`, 0 beyond their ends."""
        found = values.flatten().index_select(0, self.places.flatten())
        return found.view(self.places.shape) * self.present

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """Values `(M,)` of the completions' tokens, in order, as `(B, T)`, 0 beyond their ends."""
        return values.new_zeros(self.present.shape).masked_scatter(self.present, values)


class _Tree:
    """The tokens of one prompt and its completions, in order.

    Attributes:
        ids, positions: of each token.
        ends: where the tokens end that attend to it.
        paths: of each completion, the tokens that predict its own.
    """

    def __init__(self, prompt: Sequence[int], completions: Sequence[Sequence[int]], tree: bool):
        self.start = len(prompt) - 1
        before = len(prompt) if tree else self.start
        self.ids, self.positions, self.ends = list(prompt[:before]), list(range(before)), [0] * before
        self.paths: list[list[int]] = [[] for _ in completions]
        if tree:
            self._branch([self.start], completions)
        else:
            for number, completion in enumerate(completions):
                self.paths[number] = [self._add(prompt[-1], 0)] if completion else []
                self.paths[number] += [self._add(token, depth) for depth, token in enumerate(completion[:-1], start=1)]
                self._close(self.paths[number])
        self._close(range(before))

    def _branch(self, path: list[int], completions: Sequence[Sequence[int]]) -> None:
        """Add completions after the root, the last token of the prompt; `path` leads to the last token added."""
        previous: Sequence[int] = ()
        for number in sorted(range(len(completions)), key=lambda i: list(completions[i])):  # depth first
            completion = completions[number]
            shared = len(os.path.commonprefix([list(previous), list(completion)]))  # noqa: RUF071 (not paths)
            self._close(path[shared + 1 :])
            del path[shared + 1 :]
            path += [self._add(completion[depth - 1], depth) for depth in range(len(path), len(completion))]
            self.paths[number] = path[: len(completion)]
            previous = completion
        self._close(path[1:])

    def _add(self, token: int, depth: int) -> int:
        """Add a token `depth` tokens after the last one of the prompt; returns its place."""
        self.ids.append(token)
        self.positions.append(self.start + depth)
        self.ends.append(0)
        return len(self.ids) - 1

    def _close(self, places: Sequence[int]) -> None:
        """No later token attends to these."""
        for place in places:
            self.ends[place] = len(self.ids)


def _arrange(sizes: Sequence[int]) -> list[list[int]]:
    """Indices of trees in rows no longer than the longest tree: each goes into the first row that has room for it."""
    rows: list[list[int]] = []
    free: list[int] = []
    longest = max(sizes)
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        place = next((place for place, room in enumerate(free) if sizes[i] <= room), len(rows))
        if place == len(rows):
            rows.append([])
            free.append(longest)
        rows[place].append(i)
        free[place] -= sizes[i]
    return rows


def pack(
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    *,
    tree: bool = True,
    width: int | None = None,
    pad: int = 0,
    device: torch.device | str = "cpu",
) -> PackedBatch:
    """Pack completions; adjacent ones with the same prompt share it.

    Args:
        prompts, completions: `(B,)` lists of token ids; a prompt has at least one.
        tree: completions share the tokens in which they begin; False for a head that takes one label per position.
        width: T of the result; the longest completion unless given.
    """
    groups: list[tuple[Sequence[int], list[int]]] = []  # (prompt, completions that share it)
    for number, prompt in enumerate(prompts):
        if groups and list(groups[-1][0]) == list(prompt):
            groups[-1][1].append(number)
        else:
            groups.append((prompt, [number]))
    trees = [_Tree(prompt, [completions[i] for i in numbers], tree) for prompt, numbers in groups]
    sizes = [len(one.ids) for one in trees]
    rows, size = _arrange(sizes), max(1, *sizes)
    shape, width = (len(rows), size), width or max(map(len, completions))
    ids, positions, ends = torch.full(shape, pad), torch.zeros(shape, dtype=torch.long), torch.full(shape, size)
    places, targets = (torch.zeros(len(completions), width, dtype=torch.long) for _ in range(2))
    present = torch.zeros(len(completions), width, dtype=torch.bool)
    for row, members in enumerate(rows):
        start = 0
        for member in members:
            one, there = trees[member], slice(start, start + sizes[member])
            ids[row, there] = torch.tensor(one.ids, dtype=torch.long)
            positions[row, there] = torch.tensor(one.positions, dtype=torch.long)
            ends[row, there] = torch.tensor(one.ends, dtype=torch.long) + start
            for number, path in zip(groups[member][1], one.paths, strict=True):
                places[number, : len(path)] = torch.tensor(path, dtype=torch.long) + row * size + start
                targets[number, : len(path)] = torch.tensor(list(completions[number]), dtype=torch.long)
                present[number, : len(path)] = True
            start += sizes[member]
    at = torch.arange(size)
    allowed = (at.unsqueeze(1) >= at) & (at.unsqueeze(1) < ends.unsqueeze(1))
    tensors = (ids, positions, allowed.unsqueeze(1), places, targets, present)
    return PackedBatch(*(tensor.to(device) for tensor in tensors))


def score(model: PreTrainedModel, packed: PackedBatch, temperature: float = 1.0) -> TokenScores:
    """The scores `(M,)` of the completions' tokens, in order, by a model with a plain head."""
    inputs = {"input_ids": packed.ids, "attention_mask": packed.mask(model), "position_ids": packed.positions}
    hidden = model.base_model(**inputs, use_cache=False).last_hidden_state.flatten(0, 1)
    asked = packed.predictions()
    read = hidden.index_select(0, asked.places)
    scores = token_log_probs(read, model.get_output_embeddings(), asked.targets, temperature)
    return TokenScores(*(values.index_select(0, asked.entries) for values in scores))


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
    prompt, completions = [2, 3, 4], [[5, 6, 8], [7, 3], [5, 9, 2]]
    packed = pack([prompt] * len(completions), completions, device=model.device)
    together = model(packed.ids, attention_mask=packed.mask(model), position_ids=packed.positions, use_cache=False)
    flat = together.logits.flatten(0, 1).float()
    close = True
    for row, completion in enumerate(completions):
        alone = model(torch.tensor([prompt + completion], device=model.device), use_cache=False).logits[0].float()
        found, wanted = flat[packed.places[row, : len(completion)]], alone[len(prompt) - 1 : -1]
        close &= logits_agree(model, found, wanted)
    model.train(training)
    return close
