"""Pairs of a correct and an incorrect solution of one question, made from policies' responses.

The judge benchmark's items are such pairs. Judges are chosen on them, so they come from validation questions alone
(whose labels decide what is correct), never from a test set. The layout is RewardBench's (Lambert et al. 2024, arXiv
2403.13787) with one extra column, so its tools read the file too. No judge is asked here
(`gavel.judge_eval.benchmark`).
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.common.log import info
from gavel.data.check_sizes import check_validation
from gavel.data.records import Record
from gavel.judge_eval.records import PairItem
from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.task import Task
from gavel.solutions import mistakes
from gavel.solutions.answer_types import DEFAULT
from gavel.solutions.error_kinds import error_kind, steps
from gavel.solutions.verifier import verify

COLUMNS = ("id", "prompt", "chosen", "rejected", "chosen_model", "rejected_model", "subset", "steps")
Solution = tuple[str, str]  # its policy and its text


class Source(NamedTuple):
    """A checkpoint to sample; if `greedy` has a name, its greedy responses are added under that name."""

    name: str
    model: str
    greedy: str | None = None


class CheckedSolution(NamedTuple):
    """A solution with the verifier's answer and verdict."""

    policy: str
    text: str
    answer: str | None
    correct: bool


def questions_of(path: str, part: str, questions: int) -> list[Record]:
    """Labelled records of a file: `all`, or of validation records the `benchmark` (the last `questions`) or the
    `selection` (the rest). Raises `InputError` as `gavel.judge_eval.pairs.split` does."""
    rows = [cast(Record, row) for row in read_jsonl(path)]
    if part == "all" or not questions:
        return rows
    return split(rows, questions)[part == "benchmark"]


def split(rows: Sequence[Record], questions: int) -> tuple[list[Record], list[Record]]:
    """Split validation records into those that judges are selected on and the benchmark, the last `questions`.

    The file is in the order of hashed ids, so its end is a random sample.

    Raises:
        InputError: fewer records would be left for selection than the benchmark has.
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
    """Sample policies on labelled questions, and write pairs of their responses (`gavel.judge_eval.pairs.pairs`).

    Reference solutions and references with one injected error each are added.

    Args:
        rows: records with gold answers and solutions.
        sources: checkpoints; a text that several of them gave counts for the first.
        student: how the checkpoints are loaded.
        temperature: of sampling, the same as RL's: the judge will reward such responses.
        samples: responses of each policy to a question, and corrupted references of it.
        most: maximum number of pairs for a question.
        seed: of the samples, the corrupted references and the choice of pairs.
        output: JSONL file of the pairs.
        limits: of generation batches, `gavel.models.limits.limits`.

    Raises:
        InputError: no question gives a pair.
    """
    references = mistakes.references(rows, task.format, task.reasoning)
    kept = [row for row in rows if row["id"] in references]
    sampling = {"samples": samples, "temperature": temperature, "seed": seed, "limits": limits}
    solutions = sample_sources(kept, sources, student, task, **sampling)
    rng = random.Random(f"spoilt-{seed}")
    for row in kept:
        reference = references[row["id"]]
        corrupted = mistakes.corrupt_solution(
            reference,
            cast(str, row["gold"]),  # a record without one has no reference
            task.format,
            samples,
            rng,
            question=row["question"],
            answer_type=task.answer_type,
        )
        solutions[row["id"]] += [("reference", reference), *(("spoilt", text) for text in corrupted)]
    items = pairs(kept, references, solutions, task.format, most, seed, task.answer_type)
    info(f"{len(items)} pairs from {len({item['prompt'] for item in items})} of {len(rows)} questions")
    write_jsonl(output, items)


def sample_sources(
    rows: Sequence[Record],
    sources: Sequence[Source],
    student: Student,
    task: Task,
    *,
    samples: int,
    temperature: float,
    seed: int,
    limits: Limits | None = None,
) -> dict[str, list[Solution]]:
    """Record id -> the responses of all sources to its question, with repetitions; arguments as for `make_items`."""
    questions = [row["question"] for row in rows]
    solutions: dict[str, list[Solution]] = {row["id"]: [] for row in rows}
    for source in sources:
        policy = Policy.load(source.model, student, task, limits)
        sampled = {source.name: policy.solve(questions, task, n=samples, temperature=temperature, seed=seed)}
        if source.greedy:
            sampled[source.greedy] = policy.solve(questions, task)
        for name, groups in sampled.items():
            for row, group in zip(rows, groups, strict=True):
                solutions[row["id"]] += [(name, response.text) for response in group]
    return solutions


def pairs(
    rows: Sequence[Record],
    references: Mapping[str, str],
    solutions: Mapping[str, Sequence[Solution]],
    solution_format: str,
    most: int,
    seed: int = 0,
    answer_type: str = DEFAULT,
) -> list[PairItem]:
    """The items, in the order of `rows`: for each question up to `most` pairs with distinct incorrect solutions.

    In every round each question, in random order, adds the incorrect solution whose kind of error is rarest so far
    (ties: whose policy is rarest), paired with the correct one whose policy is rarest. A text that several policies
    gave counts for the first of them.

    Args:
        rows: the benchmark's validation records.
        references: id -> reference, from `gavel.solutions.mistakes.references`; records without one are skipped.
        solutions: id -> solutions of the question by all policies, correct and incorrect.
        most: maximum number of pairs for a question.
        seed: of the choice of pairs.
        answer_type: of the gold answers.

    Returns:
        Rows with the keys `COLUMNS`, in that order; `subset` is a kind of error of `gavel.solutions.error_kinds`.

    Raises:
        InputError: no question has both a correct and an incorrect solution.
    """
    kept = [row for row in rows if row["id"] in references]
    rng = random.Random(f"benchmark-{seed}")
    right, wrong = {}, {}
    for row, checked in zip(kept, check_solutions(kept, solutions, solution_format, answer_type), strict=True):
        right[row["id"]] = [one for one in checked if one.correct]
        named = [
            (error_kind(one.text, references[row["id"]], one.answer, solution_format, answer_type), one)
            for one in checked
            if not one.correct
        ]
        rng.shuffle(named)
        wrong[row["id"]] = named
    seen: dict[str, Counter[str]] = {"kind": Counter(), "wrong": Counter(), "right": Counter()}
    by_question: dict[str, list[PairItem]] = {row["id"]: [] for row in kept}
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
            columns = (
                best.text,
                bad.text,
                best.policy,
                bad.policy,
                kind,
                steps(references[row["id"]], solution_format),
            )
            identity = f"{row['id']}-{len(by_question[row['id']])}"
            item = dict(zip(COLUMNS, (identity, row["question"], *columns), strict=True))
            by_question[row["id"]].append(cast(PairItem, item))
    items = [item for own in by_question.values() for item in own]
    if not items:
        raise InputError(
            f"none of {len(rows)} questions has both a correct and an incorrect solution ({len(kept)} have a reference "
            "solution to compare with); give questions with solutions, or raise the number of samples "
            "(judge.benchmark.samples, judge.rl.samples)"
        )
    return items


def check_solutions(
    rows: Sequence[Record], solutions: Mapping[str, Sequence[Solution]], solution_format: str, answer_type: str
) -> list[list[CheckedSolution]]:
    """Each question's distinct solutions with the verifier's answers and verdicts."""
    first: list[dict[str, str]] = []
    for row in rows:
        own: dict[str, str] = {}
        for policy, text in solutions[row["id"]]:
            own.setdefault(text, policy)
        first.append(own)
    texts = [text for own in first for text in own]
    golds = [cast(str, row["gold"]) for row, own in zip(rows, first, strict=True) for _ in own]
    verdicts = zip(*verify(texts, golds, solution_format, answer_type), strict=True) if texts else iter(())
    found = [[CheckedSolution(policy, text, *next(verdicts)) for text, policy in own.items()] for own in first]
    return [[one for one in own if one.correct is not None] for own in found]  # None: its program did not run
