"""Batched sampling from a causal language model; each prompt is computed once for all of its samples.

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
from gavel.models._branches import open_branches
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
        max_new_tokens: maximum length of a response, in tokens; a response cut off there is not `finished`.
        seed: together with a prompt's text and occurrence, it determines all random numbers.
        occurrences: how many equal prompts came before each one; None counts them within `prompts`.
        batch_size: responses per batch (at least `n`).
        batch_tokens: limit on prompt and response tokens per batch; None for no limit. A prompt's responses are always
            in one batch.
        special_tokens: whether the tokenizer adds special tokens; texts made with a chat template have them already.
        max_prompt_tokens: longer prompts are truncated at the beginning; None truncates none.

    Returns:
        One list of `n` samples for each prompt, in the order of `prompts`.

    Raises:
        ValueError: `n > 1` at temperature 0 (all samples would be the same).
    """
    if temperature == 0 and n > 1:
        raise ValueError(f"n={n} samples at temperature 0 would all be the same; use n=1 or a temperature above 0")
    encoded = tokenizer(list(prompts), add_special_tokens=special_tokens)["input_ids"] if prompts else []
    encoded = [ids[-max_prompt_tokens:] if max_prompt_tokens else ids for ids in encoded]
    numbers = count_occurrences(prompts) if occurrences is None else occurrences
    results: list[list[Sample]] = [[] for _ in prompts]
    parts = batches([len(ids) for ids in encoded], n, max_new_tokens, batch_size, batch_tokens)
    for batch in progress_bar(parts, label="batches of completions", brief=False):
        seeds = [prompt_seed(seed, prompts[i], numbers[i], 7) for i in batch]
        uniforms = None
        if temperature > 0:
            draws = [torch.rand(n, max_new_tokens, generator=torch.Generator().manual_seed(s)) for s in seeds]
            uniforms = torch.cat(draws).to(model.device)
        ids = decode(model, tokenizer, [encoded[i] for i in batch], n, temperature, max_new_tokens, uniforms)
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        for row, (completion, text) in enumerate(zip(ids, texts, strict=True)):
            finished = bool(completion) and completion[-1] == tokenizer.eos_token_id
            place = batch[row // n]
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
        uniforms: `(P * n, max_new_tokens)` numbers in [0, 1) for inverse transform sampling; None decodes greedily.
    """
    training = model.training
    model.eval()
    end = tokenizer.eos_token_id
    state, logits = extend(model, None, prompt_ids, tokenizer.pad_token_id)
    logits = logits.repeat_interleave(n, dim=0)
    live = torch.arange(len(logits), device=model.device)
    completions: list[list[int]] = [[] for _ in range(len(live))]
    with open_branches(model, state, n, state.mask.shape[1] + max_new_tokens) as branches:
        for step in range(max_new_tokens):
            token = _pick(logits, temperature, None if uniforms is None else uniforms[live, step])
            for row, value in zip(live.tolist(), token.tolist(), strict=True):
                completions[row].append(value)
            going = token != end
            if step + 1 == max_new_tokens or not going.any():
                break
            # Dropping finished rows copies the cache, so do it only if it saves more than it costs.
            if going.sum() <= 0.75 * len(going):
                live, token = live[going], token[going]
                branches.keep(going)
            logits = branches.step(token)
    model.train(training)
    return [ids[: ids.index(end) + 1] if end in ids else ids for ids in completions]


def _pick(logits: torch.Tensor, temperature: float, uniforms: torch.Tensor | None) -> torch.Tensor:
    if uniforms is None:
        return logits.argmax(-1)
    cumulative = torch.softmax(logits.float() / temperature, dim=-1).cumsum(-1)
    target = (uniforms * cumulative[:, -1]).unsqueeze(1)
    return torch.searchsorted(cumulative, target, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)
