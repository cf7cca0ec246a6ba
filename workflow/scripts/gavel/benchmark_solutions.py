"""Pairs of a right and a wrong solution, sampled from the policies whose solutions a judge meets in a study.

They are the judge benchmark, what trained judges are selected on, and what a judge's RL learns from.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from gavel import models, prompts
from gavel.benchmark_items import Solution, pairs, split, spoilt, usable
from gavel.files import read_jsonl, write_jsonl
from gavel.sampling import sample


class Policy(NamedTuple):
    """A checkpoint that is sampled; its greedy solutions come too where `greedy` names them."""

    name: str
    model: str
    greedy: str | None = None


def problems_of(path: str, part: str, questions: int) -> list[dict]:
    """Labelled records of a file: `all`, or of validation problems the `benchmark` (the last `questions`) or the
    `selection` (the rest). Raises `InputError` as `gavel.benchmark_items.split`."""
    rows = list(read_jsonl(path))
    if part == "all" or not questions:
        return rows
    return split(rows, questions)[part == "benchmark"]


def make_items(
    *,
    rows: Sequence[dict],
    policies: Sequence[Policy],
    student: dict,
    prompt: str,
    solution_format: str,
    max_new_tokens: int,
    temperature: float,
    samples: int,
    most: int,
    seed: int,
    output: str,
    decoding: dict | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
    say: Callable[[str], object] = print,
) -> None:
    """Sample the policies on labelled problems, and write pairs of their solutions (`gavel.benchmark_items.pairs`).

    Beside them stand the reference solutions and references with one injected error each.

    Args:
        rows: records with answers and solutions.
        policies: checkpoints, in the order in which a text that several gave is put down to one of them.
        student: dtype and tokens of the checkpoints.
        temperature: of the samples, which is RL's: these are the solutions that a judge will pay.
        samples: of each policy that is sampled, and so many spoilt references.
        most: pairs of a problem.
        seed: of the samples, the spoilt references and the choice.
        output: JSONL file of the pairs.
        decoding: what is decoded at a time, `gavel.batches.limits`.

    Raises:
        InputError: no problem gives a pair.
    """
    references = usable(rows, solution_format)
    kept = [row for row in rows if row["id"] in references]
    template = prompts.load(prompt)
    texts = [prompts.fill(template, question=row["question"]) for row in kept]
    found: dict[str, list[Solution]] = {row["id"]: [] for row in kept}
    for policy in policies:
        model = models.load_model(policy.model, dtype=student["dtype"])
        tokens = {key: student.get(key) for key in ("pad_token", "eos_token")}
        tokenizer = models.load_tokenizer(policy.model, **tokens)
        common = {"max_new_tokens": max_new_tokens, "progress": progress, **(decoding or {})}
        drawn = {policy.name: sample(model, tokenizer, texts, n=samples, temperature=temperature, seed=seed, **common)}
        if policy.greedy:
            drawn[policy.greedy] = sample(model, tokenizer, texts, **common)
        for name, groups in drawn.items():
            for row, group in zip(kept, groups, strict=True):
                found[row["id"]] += [(name, one.text) for one in group]
    rng = random.Random(f"spoilt-{seed}")
    for row in kept:
        reference = references[row["id"]]
        broken = spoilt(reference, row["answer"], solution_format, samples, rng)
        found[row["id"]] += [("reference", reference), *(("spoilt", text) for text in broken)]
    items = pairs(kept, references, found, solution_format, most, seed)
    say(f"{len(items)} pairs of {len({item['prompt'] for item in items})} of {len(rows)} problems")
    write_jsonl(output, items)
