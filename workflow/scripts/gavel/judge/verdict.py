"""The judge's interface: what every judge accepts and returns. Imports nothing from the library.

Every judge is a `Judge`. A pairwise judge is also a `Comparer`, and a judge that reasons first has a `Reasoner`. A
judge receives complete groups (the solutions of a question are adjacent), so pointwise and pairwise judges share one
interface.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

Match = tuple[str, str, str]  # question and two different solutions
DEFAULT_SCORE_RANGE = (-10.0, 10.0)  # range of a score: that of log-odds


@dataclass(frozen=True)
class Comparison:
    """Two solutions of a question, compared in both orders.

    Attributes:
        probability: that the match's first solution is better, mean over both orders.
        first: that the solution shown first in the prompt is better, mean over both orders.
        flipped: the winner changes with the order.
        off_label: probability mass on neither label word, mean over both orders.
        truncated: one of the prompts was too long.
    """

    probability: float
    first: float
    flipped: bool
    off_label: float = 0.0
    truncated: bool = False


MAX_MISSING = 0.25  # fraction of the requested answers: with more of them missing, a judge has no metrics
MIN_KNOWN = 0.5  # fraction of an answer's parts (comparisons, reasonings): with fewer of them, the answer is missing


@dataclass(frozen=True)
class ComparisonSummary:
    """A solution's comparisons with others of its question, each in both orders.

    Attributes:
        opponents: number of other solutions.
        first: mean probability that the solution shown first wins; 0.5 without position bias.
        flipped: fraction of the pairs whose winner changes with the order.
    """

    opponents: int
    first: float
    flipped: float


@dataclass(frozen=True)
class Verdict:
    """A judge's verdict on one solution. A verdict with a NaN or infinite number counts as a missing answer.

    Attributes:
        score: the reward, or None if the judge could not be asked; in [0, 1] unless it is log-odds.
        off_label: probability mass on neither label word.
        truncated: the prompt was too long and lost its beginning.
        probability: in [0, 1], that the solution is correct, whatever the score makes of it; None if the score is None.
            From a pairwise judge: that the solution is better than another of its group.
        phrasings: the same for each phrasing of the judging prompt, if there are several; of a panel, for each member.
        compared: from a pairwise judge only.
    """

    score: float | None
    off_label: float = 0.0
    truncated: bool = False
    probability: float | None = None
    phrasings: tuple[float, ...] = ()
    compared: ComparisonSummary | None = None

    def __post_init__(self) -> None:
        numbers = (self.score, self.probability, self.off_label, *self.phrasings)
        if any(number is not None and not math.isfinite(number) for number in numbers):
            for name, value in {"score": None, "probability": None, "off_label": 0.0, "phrasings": ()}.items():
                object.__setattr__(self, name, value)
        if self.probability is None:
            object.__setattr__(self, "probability", self.score)

    @property
    def says_right(self) -> bool | None:
        """None for a pairwise judge: the best of a bad group need not be correct."""
        return None if self.compared else self.probability is not None and self.probability > 0.5


class Usage(NamedTuple):
    """A judge's prompts and tokens so far.

    Attributes:
        prompts: judging prompts.
        read, written: tokens; they determine what a judge costs.
        cached: prompts that a cache answered; they cost no tokens.
    """

    prompts: int = 0
    read: int = 0
    written: int = 0
    cached: int = 0

    @property
    def tokens(self) -> int:
        return self.read + self.written

    def since(self, earlier: "Usage") -> "Usage":
        """The usage since an earlier one of the same judge."""
        return Usage(*(now - then for now, then in zip(self, earlier, strict=True)))


class Reasoner(Protocol):
    """The chain of thought of a judge that reasons first.

    A judging prompt is a text and a cue; the cue comes between the reasoning and the label word.

    Attributes:
        max_new_tokens: token budget of one reasoning.
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
        """Sample replies to each prompt up to the label word: a reasoning and the cue; None where a reply is missing.

        Args:
            samples: replies to each prompt; None takes as many as vote.
            temperature, seed: of sampling; None takes the judge's own.
        """

    def probabilities(self, replies: Sequence[tuple[str, str]], groups: Sequence[Hashable]) -> list[float | None]:
        """The probability of the first label word after each text and the start of its reply; None where unknown.

        Args:
            groups: texts of one group share a prefix.
        """


class Judge(Protocol):
    """Scores solutions.

    Attributes:
        score_range: lowest and highest valid score; any other is an error and becomes a missing reward.
        reasoner: None for a direct judge.
        first_prompt: the first prompt that it was asked, as its model reads it; None before, and without prompts.
    """

    score_range: tuple[float, float] = DEFAULT_SCORE_RANGE
    reasoner: Reasoner | None = None
    first_prompt: str | None = None

    @property
    def usage(self) -> Usage:
        """The judge's usage so far; a judge without a model uses nothing."""
        return Usage()

    def verdicts(self, questions: Sequence[str], solutions: Sequence[str]) -> list[Verdict]:
        """One verdict for each (question, solution) pair, in order; the solutions of a question are adjacent."""


@runtime_checkable
class Comparer(Protocol):
    """A pairwise judge: it decides which of two solutions is better."""

    def compare(self, matches: Sequence[Match]) -> list[Comparison | None]:
        """One comparison for each match, None where the judge could not be asked; a call's matches are one batch."""


def rewards(judge: Judge, verdicts: Sequence[Verdict]) -> list[float | None]:
    """The scores as rewards, `(N,)`: one outside the judge's `score_range` is missing."""
    low, high = judge.score_range
    scores = [verdict.score for verdict in verdicts]
    return [score if score is not None and low <= score <= high else None for score in scores]
