"""Batched sampling from a causal language model.

A prompt is computed once for all of its samples, and so is every beginning that some of them share. At a low
temperature, or with a confident policy, most samples of a prompt are equal for long.

Random numbers depend on (seed, prompt, occurrence, sample, position) and not on the batch: batch size and the other
samples do not change a sample, up to rounding in the logits. A prompt that occurs twice in a call or a rollout gets
different samples the second time.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gavel.common.log import progress_bar
from gavel.common.seeding import prompt_seed
from gavel.models._branches import Branches, Copies, open_branches
from gavel.models.limits import MAX_BATCH_SIZE
from gavel.models.prefixes import extend


@dataclass(frozen=True)
class Sample:
    """A sampled response: its token ids (with the end token if it was generated) and text, and whether it finished.

    `read` is the number of prompt tokens.
    """

    ids: list[int]
    text: str
    finished: bool
    read: int = 0


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    n: int = 1,
    temperature: float = 0.0,
    greedy: bool = False,
    max_new_tokens: int,
    seed: int = 0,
    occurrences: Sequence[int] | None = None,
    batch_size: int = MAX_BATCH_SIZE,
    batch_tokens: int | None = None,
    special_tokens: bool = True,
    max_prompt_tokens: int | None = None,
) -> list[list[Sample]]:
    """Sample `n` responses to each prompt.

    Args:
        temperature: 0 takes the most probable token (then `n` must be 1).
        greedy: also give the greedy response, before the samples; `n` can then be 0.
        max_new_tokens: maximum length of a response, in tokens; a response cut off there is not `finished`.
        seed: together with a prompt's text and occurrence, it determines all random numbers.
        occurrences: how many equal prompts came before each one; None counts them within `prompts`.
        batch_size: responses per batch (at least those of one prompt).
        batch_tokens: limit on prompt and response tokens per batch; None for no limit. A prompt's responses are always
            in one batch.
        special_tokens: whether the tokenizer adds special tokens; texts made with a chat template have them already.
        max_prompt_tokens: longer prompts are truncated at the beginning; None truncates none.

    Returns:
        One list for each prompt, in the order of `prompts`: the greedy response if asked for, and `n` samples.

    Raises:
        ValueError: `n > 1` at temperature 0 (all samples would be the same).
    """
    if temperature == 0 and n + greedy > 1:
        raise ValueError(
            f"n={n + greedy} samples at temperature 0 would all be the same; use n=1 or a temperature above 0"
        )
    encoded = tokenizer(list(prompts), add_special_tokens=special_tokens)["input_ids"] if prompts else []
    encoded = [ids[-max_prompt_tokens:] if max_prompt_tokens else ids for ids in encoded]
    numbers = count_occurrences(prompts) if occurrences is None else occurrences
    results: list[list[Sample]] = [[] for _ in prompts]
    width = n + greedy
    parts = batches([len(ids) for ids in encoded], width, max_new_tokens, batch_size, batch_tokens)
    for batch in progress_bar(parts, label="batches of completions", brief=False):
        seeds = [prompt_seed(seed, prompts[i], numbers[i], 7) for i in batch]
        uniforms = None
        if temperature > 0:
            draws = [torch.rand(n, max_new_tokens, generator=torch.Generator().manual_seed(s)) for s in seeds]
            most_probable = torch.full((int(greedy), max_new_tokens), torch.nan)
            uniforms = torch.cat([part for draw in draws for part in (most_probable, draw)]).to(model.device)
        ids = decode(model, tokenizer, [encoded[i] for i in batch], width, temperature, max_new_tokens, uniforms)
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        for row, (completion, text) in enumerate(zip(ids, texts, strict=True)):
            finished = bool(completion) and completion[-1] == tokenizer.eos_token_id
            place = batch[row // width]
            results[place].append(Sample(completion, text, finished, len(encoded[place])))
    return results


def count_occurrences(prompts: Iterable[str], before: Iterable[str] = ()) -> list[int]:
    """For each prompt, the number of equal prompts before it, including those in `before`."""
    seen = Counter(before)
    numbers = []
    for prompt in prompts:
        numbers.append(seen[prompt])
        seen[prompt] += 1
    return numbers


def batches(
    lengths: Sequence[int], n: int, max_new_tokens: int, batch_size: int, batch_tokens: int | None
) -> list[list[int]]:
    """Indices of the prompts, the shortest first, in batches within the limits of `sample`."""
    groups: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        size = n * (len(groups[-1]) + 1) if groups else 0
        # Prompts are sorted, so this one is the longest in its batch, and all are padded to it.
        tokens = size * (lengths[i] + max_new_tokens)
        if not groups or size > batch_size or (batch_tokens is not None and tokens > batch_tokens):
            groups.append([])
        groups[-1].append(i)
    return groups


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt_ids: Sequence[Sequence[int]],
    n: int,
    temperature: float,
    max_new_tokens: int,
    uniforms: torch.Tensor | None,
) -> list[list[int]]:
    """Decode one batch of P prompts, given as token ids, to `P * n` responses, grouped by prompt.

    Args:
        uniforms: `(P * n, max_new_tokens)` numbers in [0, 1) for inverse transform sampling. NaN takes the most
            probable token; without any numbers, all are decoded greedily.
    """
    training = model.training
    model.eval()
    end = tokenizer.eos_token_id
    state, logits = extend(model, None, prompt_ids, tokenizer.pad_token_id)
    completions: list[list[int]] = [[] for _ in range(len(prompt_ids) * n)]
    live = torch.arange(len(completions), device=model.device)  # the unfinished responses
    rows = live // n  # of each in the batch: responses that are equal so far share one
    with open_branches(model, state, state.mask.shape[1] + max_new_tokens) as branches:
        for step in range(max_new_tokens):
            token = _pick(logits, rows, temperature, None if uniforms is None else uniforms[live, step])
            for response, value in zip(live.tolist(), token.tolist(), strict=True):
                completions[response].append(value)
            going = token != end
            if step + 1 == max_new_tokens or not going.any():
                break
            live = live[going]
            following, rows = _advance(branches, len(logits), rows[going], token[going])
            logits = branches.step(following)
    model.train(training)
    return completions


def _advance(
    branches: Branches | Copies, count: int, rows: torch.Tensor, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keep the rows that unfinished responses need, one for each different token that follows.

    Args:
        count: number of rows so far, U.
        rows, tokens: `(R,)`, each response's row and its token.

    Returns:
        the token that follows each new row, and each response's new row.
    """
    width = int(tokens.max()) + 1
    pairs, new = torch.unique(rows * width + tokens, return_inverse=True)
    old, following = pairs // width, pairs % width
    branched = len(torch.unique_consecutive(old)) < len(old)
    # Dropping finished rows copies the cache, so do it only if it saves more than it costs.
    if branched or len(old) <= 0.75 * count:
        branches.keep(old)
        return following, new
    everywhere = following.new_zeros(count)  # rows that no response needs any more get any token
    everywhere[old] = following
    return everywhere, rows


def _pick(logits: torch.Tensor, rows: torch.Tensor, temperature: float, uniforms: torch.Tensor | None) -> torch.Tensor:
    """The next token of each response, `(R,)`; `rows` has its row of the `(U, V)` logits, `uniforms` its number."""
    most_probable = logits.argmax(-1)[rows]
    if uniforms is None:
        return most_probable
    cumulative = torch.softmax(logits.float() / temperature, dim=-1).cumsum(-1)[rows]
    target = (uniforms * cumulative[:, -1]).unsqueeze(1)
    drawn = torch.searchsorted(cumulative, target, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)
    return torch.where(uniforms.isnan(), most_probable, drawn)
