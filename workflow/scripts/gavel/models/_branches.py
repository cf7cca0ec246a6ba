"""Decode several continuations of each prompt with one copy of the prompt's keys and values.

A standard cache has a copy of the prompt for each continuation and copies all of it for every new token, which takes
most of a tiny model's decoding time. Here attention is computed in two parts under one softmax: over the prompt, in
one product for all of its continuations, and over a continuation's own tokens, whose cache alone grows. Models use
this through transformers' AttentionInterface. Models that do not support it (Bloom), or that need an attention
variant not implemented here, use the standard cache.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from inspect import signature
from weakref import WeakKeyDictionary

import torch
from transformers import AttentionInterface, DynamicCache, PreTrainedModel

from gavel.common.log import info
from gavel.models.loading import attention_window, is_attention_only, logits_agree
from gavel.models.prefixes import State, extend

NAME = "gavel_branches"
_tried: WeakKeyDictionary[PreTrainedModel, bool] = WeakKeyDictionary()


class Copies:
    """Continuations of `(P, L)` prompts, each with a copy of its prompt's cache; for all models.

    A continuation is a row. At first each prompt has one.
    """

    def __init__(self, model: PreTrainedModel, state: State):
        self.model, self.cache, self.mask = model, state.cache, state.mask

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append `(B,)` tokens to the rows and return the `(B, V)` logits after them."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        output = self.model(
            tokens.unsqueeze(1),
            attention_mask=self.mask,
            position_ids=self.mask.sum(-1, keepdim=True) - 1,
            past_key_values=self.cache,
            use_cache=True,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows, `(B,)` ascending indices: a missing one is dropped, a repeated one branches."""
        self.mask = self.mask[rows]
        self.cache.batch_select_indices(rows)


class Branches:
    """As `Copies`, with one copy of each prompt's keys and values, for models for which `can_branch` is True."""

    def __init__(self, model: PreTrainedModel, state: State):
        self.model = model
        self.prompts, self.cache = state.cache, DynamicCache()
        self.hidden = state.mask.logical_not()[:, None, None, :]  # (P, 1, 1, L)
        self.positions = state.mask.sum(-1, keepdim=True)
        self._arrange(torch.arange(len(state.mask), device=state.mask.device))

    def _arrange(self, owners: torch.Tensor) -> None:
        """Give each row, of prompt `owners` `(B,)`, a slot: prompt * (rows of the prompt that has most) + number."""
        rows = torch.bincount(owners, minlength=len(self.hidden))
        self.owners, self.n = owners, int(rows.max())
        number = torch.arange(len(owners), device=owners.device) - (rows.cumsum(0) - rows)[owners]
        self.slots = owners * self.n + number

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """As in `Copies`."""
        output = self.model(
            tokens.unsqueeze(1),
            position_ids=self.positions,
            past_key_values=self.cache,
            use_cache=True,
            branches=self,
        )
        self.positions = self.positions + 1
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def keep(self, rows: torch.Tensor) -> None:
        """As in `Copies`; prompts without remaining rows are dropped too."""
        self.cache.batch_select_indices(rows)
        self.positions = self.positions[rows]
        used, owners = torch.unique(self.owners[rows], return_inverse=True)
        if len(used) < len(self.hidden):
            self.prompts.batch_select_indices(used)
            self.hidden = self.hidden[used]
        self._arrange(owners)

    def by_prompt(self, rows: torch.Tensor) -> torch.Tensor:
        """Reshape `(B, K, G, W)` by row to `(P, K, n * G, W)` by prompt, with 0 where a prompt has fewer rows."""
        _, heads, queries, width = rows.shape
        count = len(self.hidden)
        if len(rows) < count * self.n:
            rows = rows.new_zeros(count * self.n, heads, queries, width).index_copy_(0, self.slots, rows)
        rows = rows.view(count, self.n, heads, queries, width).transpose(1, 2)
        return rows.reshape(count, heads, self.n * queries, width)

    def by_row(self, prompts: torch.Tensor) -> torch.Tensor:
        """The inverse of `by_prompt`."""
        count, heads, queries, width = prompts.shape
        rows = prompts.view(count, heads, self.n, queries // self.n, width).transpose(1, 2)
        rows = rows.reshape(count * self.n, heads, queries // self.n, width)
        return rows if len(self.slots) == len(rows) else rows[self.slots]


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    branches: Branches,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    sliding_window: int | None = None,
    position_ids: torch.Tensor | None = None,
    use_cache: bool | None = None,
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers: `(B, H, 1, W)` queries, `(B, K, T, W)` keys and values of the rows.

    There is no `**kwargs`: other arguments that a model may pass (sinks, a bias) must fail, not be ignored.
    """
    size, heads, _, width = query.shape
    groups = key.shape[1]
    query = query.reshape(size, groups, heads // groups, width) * (width**-0.5 if scaling is None else scaling)
    prompt = branches.prompts.layers[module.layer_idx]
    length = prompt.keys.shape[2]
    prompt_part = branches.by_prompt(query) @ prompt.keys.transpose(2, 3)
    own = query @ key.transpose(2, 3)
    if softcap is not None:
        prompt_part, own = (softcap * torch.tanh(scores / softcap) for scores in (prompt_part, own))
    prompt_part = branches.by_row(prompt_part.masked_fill(branches.hidden, -torch.inf))
    scores = torch.cat([prompt_part, own], dim=-1)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    prompt_part = branches.by_row(branches.by_prompt(weights[..., :length]) @ prompt.values)
    return (prompt_part + weights[..., length:] @ value).view(size, 1, heads, -1), None


AttentionInterface.register(NAME, attend)


@contextmanager
def open_branches(model: PreTrainedModel, state: State, length: int) -> Iterator[Branches | Copies]:
    """Continuations of prompts, at most `length` tokens with the prompt; `state` must not be reused."""
    window = attention_window(model)
    if (window is not None and window < length) or not can_branch(model):
        yield Copies(model, state)
        return
    with _attention(model):
        yield Branches(model, state)


def can_branch(model: PreTrainedModel) -> bool:
    """Whether `Branches` gives the same logits as `Copies`, tested on four continuations, once per model."""
    if model not in _tried:
        _tried[model] = (
            is_attention_only(model) and "position_ids" in signature(model.forward).parameters and _agrees(model)
        )
        if not _tried[model]:
            info(f"{type(model).__name__}: samples cannot share a prompt's cache, so each uses a copy")
    return _tried[model]


@torch.inference_mode()
def _agrees(model: PreTrainedModel) -> bool:
    def logits(kind: type[Branches | Copies]) -> torch.Tensor:
        state, _ = extend(model, None, [[2, 3, 4], [5]], 0)
        with _attention(model) if kind is Branches else nullcontext():
            branches = kind(model, state)
            branches.keep(torch.tensor([0, 0, 1, 1], device=model.device))
            return torch.stack([branches.step(tokens) for tokens in steps]).float()

    steps = torch.tensor([[2, 3, 4, 5], [6, 7, 8, 9]], device=model.device)
    expected = logits(Copies)
    try:
        actual = logits(Branches)
    except Exception:  # an unknown architecture may fail in any way; the standard cache works
        return False
    return logits_agree(model, actual, expected)


@contextmanager
def _attention(model: PreTrainedModel) -> Iterator[None]:
    usual = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(usual)
