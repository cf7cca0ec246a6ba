"""Rewards that need no judge, as judges: controls, and the bound with all answers.

A study compares its judge with them on the same questions, steps and completions. A judge that does not beat the vote
of the policy's own completions is not worth its cost, and a coin shows what training does without any signal. To add
one, write its class, an entry in `JUDGES` and one in `gavel.judge.kinds.CONTROL_REWARDS`.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gavel.common.errors import InputError
from gavel.data.gold import read_gold
from gavel.judge.kinds import CONTROL_REWARDS
from gavel.judge.verdict import Judge, Verdict
from gavel.solutions.answers import NotRun
from gavel.solutions.verifier import solutions_to_answers, verify
from gavel.stats.voting import majority_vote


@dataclass(frozen=True)
class Task:
    """What a control knows of the responses.

    Attributes:
        format: of the responses, `program` or `text`.
        answer_type: of the gold answers.
        partial: reward of a wrong answer, where the gold answers are known.
        gold: question -> gold answer; empty for controls that must not know it.
    """

    format: Literal["program", "text"]
    answer_type: str
    partial: float
    gold: Mapping[str, str]

    def answers(self, solutions: Sequence[str]) -> list[str | NotRun | None]:
        """Each response's answer; None if it has none."""
        return solutions_to_answers(solutions, self.format, self.answer_type)


class _Control(Judge):
    score_range = (0.0, 1.0)

    def __init__(self, task: Task):
        self.task = task


class MajorityVote(_Control):
    """1 for the answer that most responses to the question have, as in TTRL; of m tied answers each gets 1/m."""

    def verdicts(self, questions: Sequence[str], solutions: Sequence[str]) -> list[Verdict]:
        """A missing verdict where the program did not run."""
        answers = self.task.answers(solutions)
        groups: dict[str, list[str | None]] = {}
        for question, answer in zip(questions, answers, strict=True):
            groups.setdefault(question, []).append(None if isinstance(answer, NotRun) else answer)
        votes = {question: majority_vote(given) for question, given in groups.items()}
        return [
            Verdict(None if isinstance(answer, NotRun) else votes[question].get(answer, 0.0) if answer else 0.0)
            for question, answer in zip(questions, answers, strict=True)
        ]


class Coin(_Control):
    """0 or 1 with equal probability, whatever the response is.

    From Python's global generator, whose state Trainer saves in every checkpoint.
    """

    def verdicts(self, questions: Sequence[str], solutions: Sequence[str]) -> list[Verdict]:
        """Never missing."""
        return [Verdict(float(random.random() < 0.5)) for _ in solutions]


class Format(_Control):
    """1 for any response with a readable answer, right or wrong."""

    def verdicts(self, questions: Sequence[str], solutions: Sequence[str]) -> list[Verdict]:
        """A missing verdict where the program did not run."""
        return [
            Verdict(None if isinstance(answer, NotRun) else float(answer is not None))
            for answer in self.task.answers(solutions)
        ]


class AllAnswers(_Control):
    """The verifiable reward on every question, with the withheld answers of the unlabelled ones: an upper bound."""

    def verdicts(self, questions: Sequence[str], solutions: Sequence[str]) -> list[Verdict]:
        """A missing verdict where the program did not run, or if nobody knows the gold answer."""
        known = [place for place, question in enumerate(questions) if question in self.task.gold]
        golds = [self.task.gold[questions[place]] for place in known]
        texts = [solutions[place] for place in known]
        answers, correct = verify(texts, golds, self.task.format, self.task.answer_type)
        found = [Verdict(None)] * len(solutions)
        for place, answer, right in zip(known, answers, correct, strict=True):
            if right is not None:
                found[place] = Verdict(1.0 if right else self.task.partial if answer is not None else 0.0)
        return found


JUDGES: dict[str, type[_Control]] = {
    "majority-vote": MajorityVote,
    "coin": Coin,
    "format": Format,
    "all-answers": AllAnswers,
}


def load(
    name: str, *, format: Literal["program", "text"], answer_type: str, partial: float, answers: Sequence[str]
) -> Judge:
    """The control's judge.

    Args:
        name: a key of `gavel.judge.kinds.CONTROL_REWARDS`.
        partial: reward of a wrong answer.
        answers: files with gold answers (`gavel.data.gold.read_gold`), for a control that needs them.

    Raises:
        InputError: it needs gold answers, and there are no files with them.
    """
    needed = CONTROL_REWARDS[name].answers
    if needed and not answers:
        raise InputError(f"controls.rewards: {name!r} needs files with gold answers")
    gold = read_gold(answers) if needed else {}
    return JUDGES[name](Task(format, answer_type, partial, gold))
