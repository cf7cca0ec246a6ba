"""Pairs of solutions whose better one is known without a label (Self-Taught Evaluators, Wang et al. 2024).

As there (arXiv 2408.02666; we have read its code's README and configs) the worse solution answers a changed question;
the alternative is an injected error. Three things are our choice: the questions (those on which a policy's samples
disagree), the better solution (one that agrees with most samples) and the change of a question (another number).
"""

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Literal, cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.common.log import info
from gavel.common.seeding import cycle_shuffled
from gavel.data.check_sizes import check_unlabeled
from gavel.data.records import Record
from gavel.models.policy import Policy
from gavel.models.task import Task
from gavel.solutions.answer_types import DEFAULT
from gavel.solutions.answers import NotRun
from gavel.solutions.mistakes import corrupt_solution
from gavel.solutions.verifier import solutions_to_answers, verify
from gavel.stats.voting import majority_vote
from gavel.training.judge.records import ContrastingPair
from gavel.training.judge.self_taught_settings import SelfTaughtSettings


def make_pairs(
    *,
    unlabeled: str,
    iteration: int,
    policy: Policy,
    task: Task,
    temperature: float,
    settings: SelfTaughtSettings,
    output: str,
) -> None:
    """Write an iteration's pairs (`gavel.training.judge.unlabeled_pairs.contrasting_pairs`), from questions that no
    other iteration uses.

    Args:
        unlabeled: JSONL file of records without labels.
        iteration: counted from 1.
        policy: answers the questions.
        temperature: of its samples.

    Raises:
        InputError: there are fewer unlabelled questions than all iterations use, or none is challenging.
    """
    rows, count = [cast(Record, row) for row in read_jsonl(unlabeled)], settings.questions
    check_unlabeled(settings.iterations, settings.questions, len(rows))
    stream = cycle_shuffled(rows, f"self-taught-{settings.seed}")
    rows = [next(stream) for _ in range(count * iteration)][-count:]
    sample = partial(policy.solve, task=task, seed=settings.seed)

    def answer_to(questions: Iterable[str]) -> list[str]:
        return [group[0].text for group in sample(questions)]

    groups = sample([row["question"] for row in rows], n=settings.policy_samples, temperature=temperature)
    texts = [response.text for group in groups for response in group]
    answers = iter(solutions_to_answers(texts, task.format, task.answer_type))
    samples: dict[str, list[tuple[str, str | None]]] = {row["id"]: [] for row in rows}
    for row, group in zip(rows, groups, strict=True):
        for response in group:
            answer = next(answers)
            if not isinstance(answer, NotRun):
                samples[row["id"]].append((response.text, answer))
    low, high = settings.agreement
    pairs = contrasting_pairs(
        rows,
        samples,
        answer_to,
        negatives=settings.negatives,
        low=low,
        high=high,
        solution_format=task.format,
        seed=settings.seed + iteration,
        answer_type=task.answer_type,
    )
    if not pairs:
        raise InputError(
            f"judge.self_taught: on none of {len(rows)} questions do {low:.0%} to {high:.0%} of the samples give the "
            "same answer; widen judge.self_taught.agreement, or raise questions"
        )
    info(f"{len(pairs)} pairs from {len({pair['prompt'] for pair in pairs})} of {len(rows)} unlabelled questions")
    write_jsonl(output, pairs)


NUMBER = re.compile(r"(?<![\d.,])\d+(?![\d]|[.,]\d)")
OFFSETS = (-9, -5, -3, -2, -1, 1, 2, 3, 5, 9)  # changes of a question's number

Samples = Mapping[str, Sequence[tuple[str, str | None]]]  # question's id -> its solutions, each with its answer


def challenging_questions(samples: Samples, low: float, high: float) -> dict[str, str]:
    """The questions on which a policy's samples neither agree nor scatter: id -> the most frequent answer.

    Args:
        low, high: bounds of the fraction of samples that give it; ties are skipped.
    """
    consensus = {}
    for name, own in samples.items():
        answers = [answer for _, answer in own]
        winners = majority_vote(answers)
        if len(winners) != 1:
            continue
        (winner,) = winners
        if low <= answers.count(winner) / len(answers) <= high:
            consensus[name] = winner
    return consensus


def change_number(question: str, rng: random.Random) -> str | None:
    """The question with one of its whole numbers replaced by another above 0; None if it has none."""
    places = list(NUMBER.finditer(question))
    if not places:
        return None
    place = rng.choice(places)
    others = [value for value in (int(place[0]) + by for by in OFFSETS) if value > 0]
    return f"{question[: place.start()]}{rng.choice(others)}{question[place.end() :]}"


def contrasting_pairs(
    rows: Sequence[Record],
    samples: Samples,
    answer_to: Callable[[Sequence[str]], Sequence[str]],
    *,
    negatives: Sequence[str],
    low: float,
    high: float,
    solution_format: Literal["program", "text"],
    seed: int,
    answer_type: str = DEFAULT,
) -> list[ContrastingPair]:
    """Pairs in the order of `rows`: for each challenging question one with each kind of negative that succeeds.

    A pair is left out if the worse solution gives the better one's answer after all.

    Args:
        rows: unlabelled records.
        negatives: how the worse solution is made: `changed-question`, `injected-error`, or both.
        samples: the policy's, for each row.
        answer_to: returns the policy's solution to each (changed) question.
        answer_type: of the samples' answers.

    Returns:
        Pairs; `subset` is the kind of negative.
    """
    rng = random.Random(f"contrasts-{seed}")
    consensus = challenging_questions(samples, low, high)
    chosen = [row for row in rows if row["id"] in consensus]
    better = {}
    for row in chosen:
        agreeing = [text for text, answer in samples[row["id"]] if answer == consensus[row["id"]]]
        better[row["id"]] = rng.choice(agreeing)
    made: list[tuple[Record, str, str]] = []
    if "changed-question" in negatives:
        asked = [(row, question) for row in chosen if (question := change_number(row["question"], rng))]
        for (row, _), text in zip(asked, answer_to([question for _, question in asked]), strict=True):
            made.append((row, "changed-question", text))
    if "injected-error" in negatives:
        for row in chosen:
            made += [
                (row, "injected-error", text)
                for text in corrupt_solution(
                    better[row["id"]],
                    consensus[row["id"]],
                    solution_format,
                    1,
                    rng,
                    question=row["question"],
                    answer_type=answer_type,
                )
            ]
    agreed = [consensus[row["id"]] for row, *_ in made]
    _, same = verify([text for *_, text in made], agreed, solution_format, answer_type)
    kept: dict[str, list[ContrastingPair]] = {row["id"]: [] for row in chosen}
    for (row, negative, text), alike in zip(made, same, strict=True):
        if alike is False:  # and not None, for a program that did not run
            pair = {"prompt": row["question"], "chosen": better[row["id"]], "rejected": text, "subset": negative}
            kept[row["id"]].append(cast(ContrastingPair, {"id": f"{row['id']}-{negative}"} | pair))
    return [pair for own in kept.values() for pair in own]
