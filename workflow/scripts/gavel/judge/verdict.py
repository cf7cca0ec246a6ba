"""The judge's interface: what every judge is asked, and what it answers. Imports nothing of the library.

Every judge is a `Judge`. One that compares two solutions is a `Comparer` too, and one that writes before it answers has
a `Reasoner`. A judge is given whole groups (all completions of a question stand together), so that pointwise and
pairwise judges fit the same place.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

Match = tuple[str, str, str]  # question and two different solutions
WIDEST = (-10.0, 10.0)  # of a score: that of log-odds


@dataclass(frozen=True)
class Comparison:
    """Two solutions of a question, asked about in both orders.

    Attributes:
        probability: that the first of the match is better, the mean over both orders.
        first: that whichever stands first in the prompt is better, the mean over both orders.
        flipped: each order has another winner.
        off_label: probability that fell on neither label word, the mean of both.
        truncated: one of the prompts was too long.
    """

    probability: float
    first: float
    flipped: bool
    off_label: float = 0.0
    truncated: bool = False


MAX_MISSING = 0.25  # of the answers that were asked for: with more of them missing a judge has no figures
MIN_KNOWN = 0.5  # of what one answer is made of (comparisons, reasonings): with less of it the answer is missing


@dataclass(frozen=True)
class Compared:
    """How a solution was compared with others of its question, each pair in both orders.

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

    def __post_init__(self) -> None:
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


class Usage(NamedTuple):
    """What a judge has been asked, and what its model has computed.

    Attributes:
        prompts: judging prompts.
        read, written: tokens, which is what a judge costs.
        cached: those of the prompts that a cache answered; they cost no tokens.
    """

    prompts: int = 0
    read: int = 0
    written: int = 0
    cached: int = 0

    @property
    def tokens(self) -> int:
        return self.read + self.written

    def since(self, earlier: "Usage") -> "Usage":
        """What has been added to an earlier usage of the same judge."""
        return Usage(*(now - then for now, then in zip(self, earlier, strict=True)))


class Reasoner(Protocol):
    """How a judge writes before it answers.

    A judging prompt is a text and a cue, which stands between the reasoning and the label.

    Attributes:
        max_new_tokens: the budget of one reasoning.
    """

    max_new_tokens: int

    def reason(
        self,
        prompts: Sequence[tuple[str, str]],
        *,
        samples: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
    ) -> list[list[str | None]]:
        """The beginnings of replies to each prompt, up to the label: a reasoning and the cue; None where none came.

        Args:
            samples: of each prompt; None is as many as vote.
            temperature, seed: of the draws; None is the judge's own.
        """

    def probabilities(self, replies: Sequence[tuple[str, str]], groups: Sequence[Hashable]) -> list[float | None]:
        """The probability of the first label after each text and the beginning of a reply to it, None where unknown.

        Args:
            groups: texts of one group share their beginning.
        """


class Judge(Protocol):
    """Anything that scores solutions.

    Attributes:
        score_range: lowest and highest score; others are errors, and missing rewards.
        reasoner: None of a judge that answers at once.
    """

    score_range: tuple[float, float] = WIDEST
    reasoner: Reasoner | None = None

    @property
    def usage(self) -> Usage:
        """What the judge has been asked so far; a judge without a model has used nothing."""
        return Usage()

    def verdicts(self, questions: Sequence[str], solutions: Sequence[str]) -> list[Verdict]:
        """One verdict for each (question, solution), in order; the solutions of a question stand together."""


@runtime_checkable
class Comparer(Protocol):
    """A judge that says which of two solutions is better."""

    def compare(self, matches: Sequence[Match]) -> list[Comparison | None]:
        """One comparison a match, None where it could not be asked; the matches of one call are one set of passes."""


def rewards(judge: Judge, verdicts: Sequence[Verdict]) -> list[float | None]:
    """The scores as rewards, `(N,)`: one outside the judge's `score_range` is missing."""
    low, high = judge.score_range
    scores = [verdict.score for verdict in verdicts]
    return [score if score is not None and low <= score <= high else None for score in scores]
