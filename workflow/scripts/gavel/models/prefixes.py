"""What comes next after many prompts, with the beginnings that they share computed once.

The prompts of a judge share its instructions and examples, and those about one question share the question too. Both
are computed once and continued from their key-value cache. Sharing is found in the token ids: it changes no prompt.
"""

import copy
import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import DynamicCache, PreTrainedModel

from gavel.common.log import bar
from gavel.models.loading import attention_window, only_attends

WORTHWHILE = 16  # fewer tokens saved are not worth a pass of their own


@dataclass
class State:
    """Prompts computed so far: their cache and `(B, L)` which of its columns are no padding."""

    cache: DynamicCache
    mask: torch.Tensor

    def rows(self, indices: Sequence[int]) -> "State":
        """The state of these rows, repeated as often as they are named; the old one is used up."""
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
    """Probabilities of some tokens after each prompt.

    Args:
        prompts: N lists of token ids, none empty.
        tokens: K token ids to ask about.
        groups: N keys; prompts with the same key (those about one question) share more than others do.
        pad: id of the padding token.
        batch_tokens: number of prompts in one pass times the longest of them; a single prompt may be longer.
        reuse: False computes every prompt in full.

    Returns:
        `(N, K)` float64 on the CPU, in the order of `prompts`.
    """
    found = torch.zeros(len(prompts), len(tokens), dtype=torch.float64)
    reuse = reuse and _can_continue(model, prompts)
    common = shared_length(prompts) if reuse and len(prompts) > 1 else 0
    common = common if common * (len(prompts) - 1) >= WORTHWHILE else 0
    start = extend(model, None, [prompts[0][:common]], pad)[0] if common else None
    alike, alone = _grouped(prompts, groups, common) if reuse else ([], [[i] for i in range(len(prompts))])
    batches = [*_batches(alike, prompts, batch_tokens), *_batches(alone, prompts, batch_tokens)]
    for batch in bar(batches, label="batches of prompts", brief=False):
        state, begun = None, [common] * len(batch)
        if start is not None:
            state = copy.deepcopy(start).rows([0] * len(batch))
        if len(batch[0]) > 1:
            begun = [shared_length([prompts[i] for i in rows]) for rows in batch]
            beginnings = [prompts[rows[0]][common:end] for rows, end in zip(batch, begun, strict=True)]
            state, _ = extend(model, state, beginnings, pad)
        ends = [_End(prompts[i][begun[parent] :], parent, i) for parent, rows in enumerate(batch) for i in rows]
        for part in _of_like_length(ends):
            texts, parents, places = zip(*part, strict=True)
            _, logits = extend(model, state and copy.deepcopy(state).rows(parents), texts, pad)
            found[list(places)] = torch.softmax(logits.double(), -1)[:, list(tokens)].cpu()
    return found


def extend(
    model: PreTrainedModel, state: State | None, rows: Sequence[Sequence[int]], pad: int
) -> tuple[State, torch.Tensor]:
    """Compute further tokens of each row, left-padded: the new state, and `(B, V)` logits after the last ones."""
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
    """How many first tokens all prompts have in common, leaving each at least one."""
    first, last = min(prompts, key=list), max(prompts, key=list)
    common = os.path.commonprefix([list(first), list(last)])  # noqa: RUF071 (of token ids, not of paths)
    return min(len(common), min(map(len, prompts)) - 1)


def _can_continue(model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> bool:
    """Padding between a beginning and its end would count in a sliding window: only where no window is reached."""
    window = attention_window(model)
    return only_attends(model) and (window is None or 2 * max(map(len, prompts), default=0) <= window)


def _grouped(
    prompts: Sequence[Sequence[int]], groups: Sequence[Hashable], common: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Indices of prompts that share enough beyond `common` to be computed together, and of the others, each alone."""
    members: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    alike, alone = [], []
    for rows in members.values():
        saved = (shared_length([prompts[i] for i in rows]) - common) * (len(rows) - 1)
        if len(rows) > 1 and saved >= WORTHWHILE:
            alike.append(rows)
        else:
            alone += [[i] for i in rows]
    return alike, alone


class _End(NamedTuple):
    """What is left of a prompt after a shared beginning: its tokens, the beginning's place, the prompt's."""

    tokens: Sequence[int]
    parent: int
    prompt: int


def _of_like_length(ends: list[_End]) -> Iterator[list[_End]]:
    """The ends in parts without much padding: none is twice as long as the shortest of its part."""
    part: list[_End] = []
    for end in sorted(ends, key=lambda end: len(end.tokens)):
        if part and len(end.tokens) > 2 * len(part[0].tokens) + WORTHWHILE:
            yield part
            part = []
        part.append(end)
    if part:
        yield part


def _batches(units: list[list[int]], prompts: Sequence[Sequence[int]], batch_tokens: int) -> list[list[list[int]]]:
    """Units of similar length in batches; a unit that is too large for one batch is cut."""
    longest = {id(rows): max(len(prompts[i]) for i in rows) for rows in units}
    batches: list[list[list[int]]] = []
    size = 0
    for rows in sorted(units, key=lambda rows: longest[id(rows)]):  # so the newest unit sets the width
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
