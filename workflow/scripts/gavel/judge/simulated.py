"""A judge with set error rates: the verifier's verdict, passed through errors, noise and a bias of your choice.

It shows what a judge of known quality does to training. It knows the gold answers of all questions that it is asked
about, unlabelled ones included, so its rewards are not available to a real study. Every report of a study that uses it
says so.

The score of a response is `(1 - strength) * accepted + strength * bias + noise`, limited to [0, 1]. `accepted` is 1
with probability `tpr` for a correct response and `fpr` for an incorrect one; Youden's J is `tpr - fpr`. `bias` is a
property of the text in [0, 1] that has nothing to do with correctness (CHERRL, arXiv 2606.04923, injects biases
in the same way).
"""

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gavel.common.errors import InputError
from gavel.data.gold import read_gold
from gavel.judge.verdict import Judge, Usage, Verdict
from gavel.solutions.verifier import verify


@dataclass(frozen=True, slots=True)
class Bias:
    """What a judge prefers besides correct responses.

    Attributes:
        kind: a key of `BIASES`.
        strength: weight of the bias in the score, from 0 to 1.
        text: of kinds that look for one.
        length: in characters, of the kind `length`.
    """

    kind: str
    strength: float
    text: str | None = None
    length: int = 200


def _precedence(place: int, count: int) -> float:
    """1 for the first of several responses to a question, 0 for the last and for an only one."""
    return 1 - place / (count - 1) if count > 1 else 0.0


# Kind -> its value in [0, 1] for the responses to one question, in order.
BIASES: dict[str, Callable[[Sequence[str], Bias], list[float]]] = {
    "length": lambda responses, bias: [min(1.0, len(text) / bias.length) for text in responses],
    "phrase": lambda responses, bias: [float(str(bias.text) in text) for text in responses],
    "format": lambda responses, bias: [float(re.search(str(bias.text), text) is not None) for text in responses],
    "position": lambda responses, bias: [_precedence(place, len(responses)) for place in range(len(responses))],
}


@dataclass(frozen=True, slots=True)
class Errors:
    """The judge's errors.

    Attributes:
        tpr, fpr: probability of accepting a correct and an incorrect response.
        drawn: `once` for each text, or again `each-time` it is asked.
        noise: standard deviation of normal noise on the score.
        seed: of errors and noise that are drawn once; in training, others follow the run's seed.
    """

    tpr: float
    fpr: float
    drawn: Literal["once", "each-time"] = "once"
    noise: float = 0.0
    seed: int = 0


class SimulatedJudge(Judge):
    """Scores responses by the verifier's verdict and set errors, or by a mean of that and a model's score.

    Errors that are drawn each time come from Python's global generator. Trainer saves its state in every checkpoint,
    and validation leaves it as it was, so a resumed run draws the errors of an uninterrupted one.

    Args:
        gold: question -> gold answer.
        format: of the responses, `program` or `text`.
        answer_type: of the gold answers.
        other: a judge with scores in [0, 1]; the score is then a weighted mean of both. None simulates alone.
        weight: of the simulated score.
    """

    score_range = (0.0, 1.0)

    def __init__(
        self,
        gold: Mapping[str, str],
        errors: Errors,
        bias: Bias | None = None,
        *,
        format: Literal["program", "text"],
        answer_type: str,
        other: Judge | None = None,
        weight: float = 1.0,
    ):
        self.gold, self.errors, self.bias, self.other, self.weight = gold, errors, bias, other, weight
        self.format, self.answer_type = format, answer_type
        if errors.drawn == "each-time":
            random.seed(f"simulated judge {errors.seed}")  # Trainer sets the run's own seed later

    @property
    def usage(self) -> Usage:
        return self.other.usage if self.other else Usage()

    def verdicts(self, questions: Sequence[str], solutions: Sequence[str]) -> list[Verdict]:
        """A missing verdict where the program did not run.

        Raises:
            InputError: the gold answer of a question is unknown.
        """
        if unknown := next((question for question in questions if question not in self.gold), None):
            raise InputError(f"judge.simulated: the gold answer of the question {unknown[:80]!r} is unknown")
        _, correct = verify(solutions, [self.gold[q] for q in questions], self.format, self.answer_type)
        biases = self._biases(questions, solutions)
        scores = [
            None if right is None else self._score(question, text, right, bias)
            for question, text, right, bias in zip(questions, solutions, correct, biases, strict=True)
        ]
        if self.other is None:
            return [Verdict(score) for score in scores]
        others = self.other.verdicts(questions, solutions)
        self.first_prompt = self.other.first_prompt
        return [self._mean(score, other) for score, other in zip(scores, others, strict=True)]

    def _biases(self, questions: Sequence[str], solutions: Sequence[str]) -> list[float]:
        values = [0.0] * len(solutions)
        if self.bias is None:
            return values
        groups: dict[str, list[int]] = {}
        for place, question in enumerate(questions):
            groups.setdefault(question, []).append(place)
        for places in groups.values():
            found = BIASES[self.bias.kind]([solutions[place] for place in places], self.bias)
            for place, value in zip(places, found, strict=True):
                values[place] = value
        return values

    def _score(self, question: str, text: str, right: bool, bias: float) -> float:
        drawn = self._generator(question, text)
        score = float(drawn.random() < (self.errors.tpr if right else self.errors.fpr))
        strength = self.bias.strength if self.bias else 0.0
        score = (1 - strength) * score + strength * bias
        if self.errors.noise:
            score += drawn.gauss(0.0, self.errors.noise)
        return min(1.0, max(0.0, score))

    def _generator(self, question: str, text: str) -> random.Random:
        """Random numbers for one text: always the same, or new ones."""
        if self.errors.drawn == "each-time":
            return random.Random(random.getrandbits(64))
        key = "\0".join((str(self.errors.seed), question, text)).encode()
        return random.Random(hashlib.sha256(key).digest())

    def _mean(self, score: float | None, other: Verdict) -> Verdict:
        if score is None or other.score is None:
            return Verdict(None)
        mean = self.weight * score + (1 - self.weight) * other.score
        return Verdict(mean, other.off_label, other.truncated)


def simulate(
    *,
    answers: Sequence[str] = (),
    tpr: float,
    fpr: float,
    errors: Literal["once", "each-time"],
    noise: float,
    seed: int,
    bias: Mapping[str, Any] | None,
    weight: float,
    format: Literal["program", "text"],
    answer_type: str,
    other: Judge | None = None,
) -> SimulatedJudge:
    """The judge of the config's `judge.simulated`.

    Args:
        answers: JSONL files that give gold answers (`gold`) by `question`, or by `id` if another of them has the
            question under that `id`.
        format, answer_type: the student's.

    Raises:
        InputError: there are no files of answers, or one cannot be read.
    """
    if not answers:
        raise InputError("judge.simulated: a simulated judge works only inside a study, which has the gold answers")
    set_errors = Errors(tpr, fpr, errors, noise, seed)
    own = Bias(**bias) if bias else None
    gold = read_gold(answers)
    return SimulatedJudge(
        gold, set_errors, own, format=format, answer_type=answer_type, other=other, weight=weight if other else 1.0
    )


def make_judge(*, score: str, simulated: Mapping[str, Any], answers: Sequence[str] = (), **unused: Any) -> Judge:
    """Make a judge without a model."""
    return simulate(answers=answers, **simulated)
