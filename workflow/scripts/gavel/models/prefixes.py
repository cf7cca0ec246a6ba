"""Next-token probabilities after many prompts, with shared prefixes computed once.

A judge's prompts share its instructions and examples, and those about one question share the question too. Both
prefixes are computed once and continued from their key-value cache. They are found in the token ids, so prompts do not
change.
"""

import copy
import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import DynamicCache, PreTrainedModel

from gavel.common.log import progress_bar
from gavel.models.loading import attention_window, is_attention_only

MIN_SHARED_TOKENS = 16  # minimum number of tokens saved that is worth a separate forward pass


@dataclass
class State:
    """The computed part of prompts: their cache and its `(B, L)` attention mask."""

    cache: DynamicCache
    mask: torch.Tensor

    def rows(self, indices: Sequence[int]) -> "State":
        """The state of these rows, which may repeat; the old state must not be reused."""
        picked = torch.tensor(list(indices), device=self.mask.device)
        self.cache.batch_select_indices(picked)
        return State(self.cache, self.mask[picked])


@torch.inference_mode()
def next_token_probabilities(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    tokens: Sequence[int],
    *,
    groups: Sequence[Hashable],
    pad: int,
    batch_tokens: int,
    reuse: bool = True,
) -> torch.Tensor:
    """Probabilities of given tokens after each prompt.

    Args:
        prompts: N non-empty lists of token ids.
        tokens: K token ids.
        groups: N keys; prompts with the same key (about one question) share a longer prefix.
        pad: id of the padding token.
        batch_tokens: limit on the number of prompts in a batch times the longest one; a single prompt may exceed it.
        reuse: False computes every prompt in full.

    Returns:
        `(N, K)` float64 on the CPU, in the order of `prompts`.
    """
    probabilities = torch.zeros(len(prompts), len(tokens), dtype=torch.float64)
    reuse = reuse and _can_continue(model, prompts)
    common = shared_length(prompts) if reuse and len(prompts) > 1 else 0
    common = common if common * (len(prompts) - 1) >= MIN_SHARED_TOKENS else 0
    start = extend(model, None, [prompts[0][:common]], pad)[0] if common else None
    grouped, single = _grouped(prompts, groups, common) if reuse else ([], [[i] for i in range(len(prompts))])
    batches = [*_batches(grouped, prompts, batch_tokens), *_batches(single, prompts, batch_tokens)]
    for batch in progress_bar(batches, label="batches of prompts", brief=False):
        state, shared = None, [common] * len(batch)
        if start is not None:
            state = copy.deepcopy(start).rows([0] * len(batch))
        if len(batch[0]) > 1:
            shared = [shared_length([prompts[i] for i in rows]) for rows in batch]
            prefixes = [prompts[rows[0]][common:end] for rows, end in zip(batch, shared, strict=True)]
            state, _ = extend(model, state, prefixes, pad)
        ends = [_End(prompts[i][shared[parent] :], parent, i) for parent, rows in enumerate(batch) for i in rows]
        for part in _of_like_length(ends):
            texts, parents, places = zip(*part, strict=True)
            _, logits = extend(model, state and copy.deepcopy(state).rows(parents), texts, pad)
            probabilities[list(places)] = torch.softmax(logits.double(), -1)[:, list(tokens)].cpu()
    return probabilities


def extend(
    model: PreTrainedModel, state: State | None, rows: Sequence[Sequence[int]], pad: int
) -> tuple[State, torch.Tensor]:
    """Compute further tokens of each row, left-padded. Returns the new state and the `(B, V)` logits after them."""
    width = max(map(len, rows))
    tokens = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    if state is not None:
        mask = torch.cat([state.mask, mask], 1)
    cache = state.cache if state is not None else DynamicCache(config=model.config)
    output = model(
        tokens,
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0)[:, -width:],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return State(cache, mask), output.logits[:, -1]


def shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """Length of the longest common prefix, at least one token short of every prompt."""
    first, last = min(prompts, key=list), max(prompts, key=list)
    common = os.path.commonprefix([list(first), list(last)])  # noqa: RUF071 (token ids, not paths)
    return min(len(common), min(map(len, prompts)) - 1)


def _can_continue(model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> bool:
    """Whether prefixes can be reused: padding after a prefix counts in a sliding window, so prompts must be shorter."""
    window = attention_window(model)
    return is_attention_only(model) and (window is None or 2 * max(map(len, prompts), default=0) <= window)


def _grouped(
    prompts: Sequence[Sequence[int]], groups: Sequence[Hashable], common: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Indices of prompts that share a prefix worth reusing beyond `common`, by group, and of the others, one each."""
    members: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    grouped, single = [], []
    for rows in members.values():
        saved = (shared_length([prompts[i] for i in rows]) - common) * (len(rows) - 1)
        if len(rows) > 1 and saved >= MIN_SHARED_TOKENS:
            grouped.append(rows)
        else:
            single += [[i] for i in rows]
    return grouped, single


class _End(NamedTuple):
    """The rest of a prompt after a shared prefix: its tokens, and the indices of the prefix and of the prompt."""

    tokens: Sequence[int]
    parent: int
    prompt: int


def _of_like_length(ends: list[_End]) -> Iterator[list[_End]]:
    """Batch ends of similar length: the longest is about twice as long as the shortest at most."""
    part: list[_End] = []
    for end in sorted(ends, key=lambda end: len(end.tokens)):
        if part and len(end.tokens) > 2 * len(part[0].tokens) + MIN_SHARED_TOKENS:
            yield part
            part = []
        part.append(end)
    if part:
        yield part


def _batches(units: list[list[int]], prompts: Sequence[Sequence[int]], batch_tokens: int) -> list[list[list[int]]]:
    """Batch units of similar length; a unit that is too large for one batch is split."""
    longest = {id(rows): max(len(prompts[i]) for i in rows) for rows in units}
    batches: list[list[list[int]]] = []
    size = 0
    for rows in sorted(units, key=lambda rows: longest[id(rows)]):  # so the last unit sets the width
        width = longest[id(rows)]
        step = max(1, batch_tokens // width)
        for part in (rows[i : i + step] for i in range(0, len(rows), step)):
            if batches and width * (size + len(part)) <= batch_tokens:
                batches[-1].append(part)
            else:
                batches.append([part])
                size = 0
            size += len(part)
    return batches
