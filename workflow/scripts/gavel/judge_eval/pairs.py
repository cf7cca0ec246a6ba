"""Pairs of a right and a wrong solution of one problem: policies are sampled, and their solutions put in pairs.

The judge benchmark's items are such pairs. Judges are chosen on them, so they are made from validation problems alone
(whose labels say what is right) and never from a test set. The layout is RewardBench's (Lambert et al. 2024, arXiv
2403.13787), with a column of ours, so that its tools read the file too. No judge is asked here
(`gavel.judge_eval.benchmark`).
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.common.log import say
from gavel.data.records import Record
from gavel.data.sizes import check_validation
from gavel.judge_eval.records import PairItem
from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.task import Task
from gavel.solutions import mistakes
from gavel.solutions.error_kinds import error_kind, steps
from gavel.solutions.verifier import verify

COLUMNS = ("id", "prompt", "chosen", "rejected", "chosen_model", "rejected_model", "subset", "steps")
Solution = tuple[str, str]  # its policy and its text


class Source(NamedTuple):
    """A checkpoint that is sampled; its greedy solutions come too where `greedy` names them."""

    name: str
    model: str
    greedy: str | None = None


class Checked(NamedTuple):
    """A solution and what the verifier says of it."""

    policy: str
    text: str
    answer: str | None
    correct: bool


def problems_of(path: str, part: str, questions: int) -> list[Record]:
    """Labelled records of a file: `all`, or of validation problems the `benchmark` (the last `questions`) or the
    `selection` (the rest). Raises `InputError` as `gavel.judge_eval.pairs.split`."""
    rows = [cast(Record, row) for row in read_jsonl(path)]
    if part == "all" or not questions:
        return rows
    return split(rows, questions)[part == "benchmark"]


def split(rows: Sequence[Record], questions: int) -> tuple[list[Record], list[Record]]:
    """Validation problems in two parts: those that judges are selected on, and the benchmark, the last `questions`.

    The file's order is that of hashed ids, so its end is a sample like any other.

    Raises:
        InputError: fewer problems would be left for selection than the benchmark has.
    """
    check_validation(questions, len(rows))
    return list(rows[:-questions]), list(rows[-questions:])


def make_items(
    *,
    rows: Sequence[Record],
    sources: Sequence[Source],
    student: Student,
    task: Task,
    temperature: float,
    samples: int,
    most: int,
    seed: int,
    output: str,
    limits: Limits | None = None,
) -> None:
    """Sample policies on labelled problems, and write pairs of their solutions (`gavel.judge_eval.pairs.pairs`).

    Beside them stand the reference solutions and references with one injected error each.

    Args:
        rows: records with gold answers and solutions.
        sources: checkpoints, in the order in which a text that several gave is put down to one of them.
        student: how the checkpoints are loaded.
        temperature: of the samples, which is RL's: these are the solutions that a judge will reward.
        samples: of each policy that is sampled, and so many spoilt references.
        most: pairs of a problem.
        seed: of the samples, the spoilt references and the choice.
        output: JSONL file of the pairs.
        limits: of what is decoded at a time, `gavel.models.limits.limits`.

    Raises:
        InputError: no problem gives a pair.
    """
    references = mistakes.references(rows, task.format)
    kept = [row for row in rows if row["id"] in references]
    questions = [row["question"] for row in kept]
    found: dict[str, list[Solution]] = {row["id"]: [] for row in kept}
    for source in sources:
        policy = Policy.load(source.model, student, limits)
        sampled = {source.name: policy.solve(questions, task, n=samples, temperature=temperature, seed=seed)}
        if source.greedy:
            sampled[source.greedy] = policy.solve(questions, task)
        for name, groups in sampled.items():
            for row, group in zip(kept, groups, strict=True):
                found[row["id"]] += [(name, one.text) for one in group]
    rng = random.Random(f"spoilt-{seed}")
    for row in kept:
        reference = references[row["id"]]
        broken = mistakes.corrupted(reference, row["gold"], task.format, samples, rng)
        found[row["id"]] += [("reference", reference), *(("spoilt", text) for text in broken)]
    items = pairs(kept, references, found, task.format, most, seed)
    say(f"{len(items)} pairs of {len({item['prompt'] for item in items})} of {len(rows)} problems")
    write_jsonl(output, items)


def pairs(
    rows: Sequence[Record],
    references: Mapping[str, str],
    solutions: Mapping[str, Sequence[Solution]],
    solution_format: str,
    most: int,
    seed: int = 0,
) -> list[PairItem]:
    """The items, in the order of `rows`: for each problem up to `most` pairs of different wrong solutions.

    In every round each problem, in random order, adds the wrong solution whose kind of error is the rarest so far (then
    the one whose policy is), against the right one whose policy is the rarest. A text that several policies gave counts
    for the first of them.

    Args:
        rows: the benchmark's validation problems.
        references: id -> reference, as `usable` gives it; other problems are passed over.
        solutions: id -> solutions of the problem by all policies, right and wrong.
        most: pairs of a problem.
        seed: of the choice.

    Returns:
        Rows with the keys `COLUMNS`, in that order; `subset` is a kind of error of `gavel.solutions.error_kinds`.

    Raises:
        InputError: no problem has both a right and a wrong solution.
    """
    kept = [row for row in rows if row["id"] in references]
    rng = random.Random(f"benchmark-{seed}")
    right, wrong = {}, {}
    for row, checked in zip(kept, _checked(kept, solutions, solution_format), strict=True):
        right[row["id"]] = [one for one in checked if one.correct]
        named = [
            (error_kind(one.text, references[row["id"]], one.answer, solution_format), one)
            for one in checked
            if not one.correct
        ]
        rng.shuffle(named)
        wrong[row["id"]] = named
    seen: dict[str, Counter] = {"kind": Counter(), "wrong": Counter(), "right": Counter()}
    found: dict[str, list[PairItem]] = {row["id"]: [] for row in kept}
    for _ in range(most):
        for row in rng.sample(kept, len(kept)):
            left, good = wrong[row["id"]], right[row["id"]]
            if not left or not good:
                continue
            kind, bad = min(left, key=lambda pair: (seen["kind"][pair[0]], seen["wrong"][pair[1].policy]))
            left.remove((kind, bad))
            best = min(rng.sample(good, len(good)), key=lambda one: seen["right"][one.policy])
            for name, value in (("kind", kind), ("wrong", bad.policy), ("right", best.policy)):
                seen[name][value] += 1
            about = (best.text, bad.text, best.policy, bad.policy, kind, steps(references[row["id"]], solution_format))
            identity = f"{row['id']}-{len(found[row['id']])}"
            item = dict(zip(COLUMNS, (identity, row["question"], *about), strict=True))
            found[row["id"]].append(cast(PairItem, item))
    items = [item for own in found.values() for item in own]
    if not items:
        raise InputError(
            f"none of {len(rows)} problems has both a right and a wrong solution ({len(kept)} have a reference to hold "
            "them against); give problems with solutions, or raise the number of samples (judge.benchmark.samples, "
            "judge.rl.samples)"
        )
    return items


def _checked(
    rows: Sequence[Record], solutions: Mapping[str, Sequence[Solution]], solution_format: str
) -> list[list[Checked]]:
    """Each problem's different solutions with the verifier's answers and verdicts."""
    first: list[dict[str, str]] = []
    for row in rows:
        own: dict[str, str] = {}
        for policy, text in solutions[row["id"]]:
            own.setdefault(text, policy)
        first.append(own)
    texts = [text for own in first for text in own]
    golds = [cast(str, row["gold"]) for row, own in zip(rows, first, strict=True) for _ in own]
    verdicts = zip(*verify(texts, golds, solution_format), strict=True) if texts else iter(())
    found = [[Checked(policy, text, *next(verdicts)) for text, policy in own.items()] for own in first]
    return [[one for one in own if one.correct is not None] for own in found]  # None: its program did not run
