"""The judge's interface: what every judge is asked, and what it answers. Imports nothing of the library.

A judge is given whole groups (all completions of a question stand together), so that pointwise and pairwise judges fit
the same place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Compared:
    """How a solution was held against others of its question, each pair in both orders.

    Attributes:
        opponents: how many there were.
        first: mean probability that whichever solution stands first wins; 0.5 without position bias.
        flipped: share of the pairs whose winner changes with the order.
    """

    opponents: int
    first: float
    flipped: float


@dataclass(frozen=True)
class Verdict:
    """What a judge says of one solution. One with a number that is none (NaN, infinite) is a missing answer.

    Attributes:
        score: the reward, or None where the judge could not be asked; in [0, 1] unless it is log-odds.
        off_label: the probability that fell on neither label word.
        truncated: the prompt was too long and lost its beginning.
        probability: in [0, 1], that the solution is right, whatever is made of it for the score; None with the score.
            Of a relative judge: that it is better than another of its group.
        phrasings: the same for each phrasing of the judging prompt, where there are several.
        compared: of a relative judge.
    """

    score: float | None
    off_label: float = 0.0
    truncated: bool = False
    probability: float | None = None
    phrasings: tuple[float, ...] = ()
    compared: Compared | None = None

    def __post_init__(self):
        numbers = (self.score, self.probability, self.off_label, *self.phrasings)
        if any(number is not None and not math.isfinite(number) for number in numbers):
            for name, value in {"score": None, "probability": None, "off_label": 0.0, "phrasings": ()}.items():
                object.__setattr__(self, name, value)
        if self.probability is None:
            object.__setattr__(self, "probability", self.score)

    @property
    def says_right(self) -> bool | None:
        """None for a relative judge: the best of a bad group need not be right."""
        return None if self.compared else self.probability is not None and self.probability > 0.5


class Judge(Protocol):
    """Anything that scores solutions.

    Attributes:
        tokens_read, tokens_written: tokens that its models have read and written so far, which is what it costs.
    """

    tokens_read: int
    tokens_written: int

    def verdicts(
        self,
        questions: Sequence[str],
        solutions: Sequence[str],
    ) -> list[Verdict]:
        """One verdict for each (question, solution), in order; the solutions of a question stand together."""


def score(judge: Judge, questions: Sequence[str], solutions: Sequence[str]) -> list[float | None]:
    """The rewards alone, `(N,)`."""
    return [verdict.score for verdict in judge.verdicts(questions, solutions)]


WIDEST = (-10.0, 10.0)  # of a score: that of log-odds


def rewards(judge: Judge, verdicts: Sequence[Verdict]) -> list[float | None]:
    """The scores as rewards, `(N,)`: one outside the judge's `score_range` (by default `WIDEST`) is missing."""
    low, high = getattr(judge, "score_range", WIDEST)
    scores = [verdict.score for verdict in verdicts]
    return [score if score is not None and low <= score <= high else None for score in scores]


def tokens(judge: Judge) -> int:
    """What a judge has cost so far: the tokens that its models have read and written."""
    return judge.tokens_read + judge.tokens_written
