"""Policies' responses to questions with known answers, right or wrong: what a verifier is trained and selected on.

As in Cobbe et al. 2021 (arXiv 2110.14168, of which we have read the abstract) the responses are the model's own. Both
the untrained student and the baseline are sampled: the baseline, which was trained on these very questions, answers
few of them wrongly.
"""

import random
from collections.abc import Sequence
from itertools import chain

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.common.log import info
from gavel.data.records import Record
from gavel.judge.records import CheckedResponse
from gavel.judge_eval.pairs import Source, check_solutions, sample_sources
from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.task import Task


def make_responses(
    *,
    rows: Sequence[Record],
    sources: Sequence[Source],
    student: Student,
    task: Task,
    temperature: float,
    samples: int,
    most: int | None,
    seed: int,
    key: str,
    output: str,
    limits: Limits | None = None,
) -> None:
    """Sample policies on questions with gold answers, and write their distinct responses with the verifier's verdicts.

    Writes rows `gavel.judge.records.CheckedResponse`, of questions that have both right and wrong ones.

    Args:
        rows: records with gold answers.
        sources: checkpoints; a text that several of them gave counts for the first.
        temperature: of sampling, the same as RL's: the judge will reward such responses.
        samples: responses of each policy to a question.
        most: maximum number of rows, which are then balanced (`balance`); None keeps all.
        seed: of the samples and the choice of rows.
        key: config key of `samples`, for messages.

    Raises:
        InputError: no question has both a right and a wrong response.
    """
    sampling = {"samples": samples, "temperature": temperature, "seed": seed, "limits": limits}
    solutions = sample_sources(rows, sources, student, task, **sampling)
    found: list[CheckedResponse] = [
        {"id": row["id"], "question": row["question"], "response": one.text, "policy": one.policy}
        | {"correct": one.correct}
        for row, own in zip(rows, check_solutions(rows, solutions, task.format, task.answer_type), strict=True)
        if {one.correct for one in own} == {True, False}
        for one in own
    ]
    if not found:
        raise InputError(
            f"none of {len(rows)} questions has both a right and a wrong response; raise {key}, or rl.temperature, at "
            "which they are sampled"
        )
    kept = found if most is None else balance(found, most, seed)
    right = sum(row["correct"] for row in kept)
    questions = len({row["id"] for row in kept})
    info(f"{len(kept):,} responses ({right:,} right) to {questions} of {len(rows)} questions", console=True)
    write_jsonl(output, kept)


def balance(rows: Sequence[CheckedResponse], most: int, seed: int) -> list[CheckedResponse]:
    """As many right as wrong responses to each question, at most `most` in all, in random order.

    Balanced within questions, so that a question alone tells nothing; pairs are taken from all questions in turn.
    """
    rng = random.Random(f"checked-responses-{seed}")
    by_question: dict[str, tuple[list[CheckedResponse], list[CheckedResponse]]] = {}
    for row in rows:
        by_question.setdefault(row["id"], ([], []))[row["correct"]].append(row)
    turns: list[list[tuple[CheckedResponse, CheckedResponse]]] = []
    for wrong, right in by_question.values():
        rng.shuffle(wrong)
        rng.shuffle(right)
        for number, pair in enumerate(zip(wrong, right, strict=False)):
            if number == len(turns):
                turns.append([])
            turns[number].append(pair)
    for turn in turns:
        rng.shuffle(turn)
    kept = [row for pair in list(chain(*turns))[: most // 2] for row in pair]
    rng.shuffle(kept)
    return kept
