"""Choose the best of each question's samples with a pairwise judge: by score, by Elo rating or by a knockout.

Score and rating come from one round robin of n(n-1)/2 comparisons of n distinct samples; a knockout needs n-1. If no
comparison is missing, score and rating rank a question's samples alike (`gavel.judge.ratings`). The knockout differs
if the judge is intransitive: A beats B, B beats C and C beats A.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from gavel.judge.ratings import bradley_terry, win_rates
from gavel.judge.tournaments import best_of_each, round_robin
from gavel.judge.verdict import Comparer, Comparison, Judge, Match

# Decimals of Elo ratings: coarser than the fit's tolerance, so that equal ratings are written alike.
DIGITS = 3


class ComparativeJudge(Judge, Comparer, Protocol):
    """A pairwise judge, such as `gavel.judge.pairwise.PairwiseJudge`.

    Attributes:
        score: computes its reward from a round robin's table (`gavel.judge.tournaments.SCORES`).
    """

    score: Callable[[np.ndarray], np.ndarray]


class CachedComparer:
    """Asks a judge about each pair of solutions only once, and counts the cost."""

    def __init__(self, judge: ComparativeJudge):
        self.judge = judge
        self.known: dict[Match, Comparison | None] = {}
        self.before = judge.usage

    def compare(self, matches: Sequence[Match]) -> list[Comparison | None]:
        """As `gavel.judge.verdict.Comparer`; pairs without an answer are not asked about again either."""
        fresh = [match for match in dict.fromkeys(matches) if not {match, _turned(match)} & self.known.keys()]
        if fresh:
            self.known.update(zip(fresh, self.judge.compare(fresh), strict=True))
        return [self._of(match) for match in matches]

    def _of(self, match: Match) -> Comparison | None:
        if match in self.known:
            return self.known[match]
        other = self.known[_turned(match)]
        return other and replace(other, probability=1 - other.probability)

    def cost(self) -> dict[str, int]:
        """Cost so far: `comparisons`, `prompts`, and the tokens that the judge has `read` and `written`."""
        spent = self.judge.usage.since(self.before)
        counted = {"comparisons": len(self.known), "prompts": spent.prompts}
        return counted | {"read": spent.read, "written": spent.written}


class Choice(NamedTuple):
    """What `choose` finds.

    Attributes:
        values: way -> for each question, one value per sample: the judge's reward, the Elo rating in points with mean 0
            over the samples, or whether the sample wins the knockout (equal samples all do or none does). None if the
            judge gave no answer; all None for a knockout without a winner.
        costs: `knockout` and `round-robin`, if used -> `{"questions", "comparisons", "prompts", "read", "written"}`,
            the cost of that way alone. The knockout is played first and the round robin asks only about the remaining
            pairs, so the knockout's winners do not depend on the round robin.
    """

    values: dict[str, list[list[float | None]]]
    costs: dict[str, dict[str, int]]


def choose(
    judge: ComparativeJudge,
    questions: Sequence[str],
    groups: Sequence[Sequence[str]],
    ways: Sequence[str],
) -> Choice:
    """Evaluate each question's samples with the judge, all questions together in each set of forward passes.

    Args:
        groups: the samples of each question, at least one each.
        ways: some of `score`, `elo` and `knockout`.

    Raises:
        ValueError: a question has no samples.
    """
    asked = CachedComparer(judge)
    values: dict[str, list[list[float | None]]] = {}
    costs: dict[str, dict[str, int]] = {}
    if "knockout" in ways:
        winners = best_of_each(asked, questions, groups)
        values["knockout"] = [
            [None if place is None else text == texts[place] for text in texts]
            for place, texts in zip(winners, groups, strict=True)
        ]
        costs["knockout"] = {"questions": len(questions)} | asked.cost()
    rated = {"score": judge.score, "elo": elo_ratings}
    if wanted := [way for way in ways if way in rated]:
        tables = _tables(asked, questions, groups)
        for way in wanted:
            values[way] = [_values(rated[way](table), texts) for table, texts in zip(tables, groups, strict=True)]
        costs["round-robin"] = {"questions": len(questions)} | asked.cost()
    return Choice(values, costs)


def elo_ratings(table: np.ndarray) -> np.ndarray:
    """Elo ratings `(n,)` from a round robin's table; NaN for samples with too few known comparisons for a win rate."""
    return np.where(np.isfinite(win_rates(table)), bradley_terry(table).round(DIGITS), np.nan)


def _tables(asked: CachedComparer, questions: Sequence[str], groups: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """The round robin `(n, n)` of each question's n samples; equal samples are one player, and tie."""
    players: list[tuple[str, str]] = []
    numbers: list[list[int]] = []
    for question, texts in zip(questions, groups, strict=True):
        distinct = list(dict.fromkeys(texts))
        numbers.append(list(range(len(players), len(players) + len(distinct))))
        players += [(question, text) for text in distinct]

    def compare(pairs: list[tuple[int, int]]) -> list[float | None]:
        comparisons = asked.compare([(*players[i], players[j][1]) for i, j in pairs])
        return [None if comparison is None else comparison.probability for comparison in comparisons]

    tables = []
    for texts, table in zip(groups, round_robin(numbers, compare), strict=True):
        place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        at = [place[text] for text in texts]
        tables.append(table[np.ix_(at, at)])
    return tables


def _values(values: np.ndarray, texts: Sequence[str]) -> list[float | None]:
    # Sums in another order differ in their last digit, but equal samples must have exactly equal values.
    value = dict(zip(texts, values.tolist(), strict=True))
    return [None if np.isnan(value[text]) else value[text] for text in texts]


def _turned(match: Match) -> Match:
    question, first, second = match
    return question, second, first
