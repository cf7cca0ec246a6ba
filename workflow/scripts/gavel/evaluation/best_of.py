"""The best of each question's samples by a judge that compares: by its score, by Elo ratings, by a knockout.

Score and ratings come from one round robin, n(n-1)/2 comparisons for n different samples, a knockout takes n-1. Where
nothing is missing, score and ratings order a question's samples alike (`gavel.judge.ratings`); the knockout differs
where the judge is not consistent: where A beats B, B beats C and C beats A.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from gavel.judge.ratings import bradley_terry, win_rates
from gavel.judge.tournaments import best_of_each, round_robin
from gavel.judge.verdict import Comparer, Comparison, Judge, Match

# Of ratings, in points: coarser than what the fit leaves open, so that those that are equal are written alike.
DIGITS = 3


class Comparing(Judge, Comparer, Protocol):
    """A judge that compares, as `gavel.judge.pairwise.PairwiseJudge`.

    Attributes:
        score: its reward, from a round robin's table (`gavel.judge.tournaments.SCORES`).
    """

    score: Callable[[np.ndarray], np.ndarray]


class Once:
    """Asks a judge about no two solutions twice, and counts what that took."""

    def __init__(self, judge: Comparing):
        self.judge = judge
        self.known: dict[Match, Comparison | None] = {}
        self.before = judge.usage

    def compare(self, matches: Sequence[Match]) -> list[Comparison | None]:
        """As `gavel.judge.verdict.Comparer` says; what could not be asked is not asked again either."""
        fresh = [match for match in dict.fromkeys(matches) if not {match, _turned(match)} & self.known.keys()]
        if fresh:
            self.known.update(zip(fresh, self.judge.compare(fresh), strict=True))
        return [self._of(match) for match in matches]

    def _of(self, match: Match) -> Comparison | None:
        if match in self.known:
            return self.known[match]
        other = self.known[_turned(match)]
        return other and replace(other, probability=1 - other.probability)

    def spent(self) -> dict[str, int]:
        """Since it was made: `comparisons`, `prompts`, and tokens that the judge `read` and has `written`."""
        spent = self.judge.usage.since(self.before)
        counted = {"comparisons": len(self.known), "prompts": spent.prompts}
        return counted | {"read": spent.read, "written": spent.written}


def choose(
    judge: Comparing,
    questions: Sequence[str],
    groups: Sequence[Sequence[str]],
    ways: Sequence[str],
) -> tuple[dict[str, list[list]], dict[str, dict[str, int]]]:
    """What the judge makes of each question's samples, all questions together in each set of forward passes.

    Args:
        groups: the samples of each question, at least one each.
        ways: some of `score`, `elo` and `knockout`.

    Returns:
        (values, costs). values: way -> for each question one value a sample: the judge's reward, the Elo rating in
        points with mean 0 over the samples, whether it is the knockout's winner (equal samples are all or none). None
        where the judge could not be asked, and of a knockout without a winner for all.
        costs: `knockout` and `round-robin`, as far as played -> `{"questions", "comparisons", "prompts", "read",
        "written"}`, what that way alone takes. The knockout comes first and the round robin asks about the pairs that
        are left, so its winners do not depend on whether there is one.

    Raises:
        ValueError: a question without samples.
    """
    asked = Once(judge)
    values: dict[str, list[list]] = {}
    costs: dict[str, dict[str, int]] = {}
    if "knockout" in ways:
        winners = best_of_each(asked, questions, groups)
        values["knockout"] = [
            [None if place is None else text == own[place] for text in own]
            for place, own in zip(winners, groups, strict=True)
        ]
        costs["knockout"] = {"questions": len(questions)} | asked.spent()
    rated = {"score": judge.score, "elo": points}
    if wanted := [way for way in ways if way in rated]:
        tables = _tables(asked, questions, groups)
        for way in wanted:
            values[way] = [_values(rated[way](table), own) for table, own in zip(tables, groups, strict=True)]
        costs["round-robin"] = {"questions": len(questions)} | asked.spent()
    return values, costs


def points(table: np.ndarray) -> np.ndarray:
    """Elo ratings `(n,)` of a round robin's table, NaN for who has too few known comparisons for a win rate."""
    return np.where(np.isfinite(win_rates(table)), bradley_terry(table).round(DIGITS), np.nan)


def _tables(asked: Once, questions: Sequence[str], groups: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """For each question the round robin `(n, n)` of its n samples; equal ones are one player, and tie."""
    players: list[tuple[str, str]] = []
    numbers: list[list[int]] = []
    for question, own in zip(questions, groups, strict=True):
        distinct = list(dict.fromkeys(own))
        numbers.append(list(range(len(players), len(players) + len(distinct))))
        players += [(question, text) for text in distinct]

    def compare(pairs: list[tuple[int, int]]) -> list[float | None]:
        found = asked.compare([(*players[i], players[j][1]) for i, j in pairs])
        return [None if one is None else one.probability for one in found]

    tables = []
    for own, table in zip(groups, round_robin(numbers, compare), strict=True):
        place = {text: number for number, text in enumerate(dict.fromkeys(own))}
        at = [place[text] for text in own]
        tables.append(table[np.ix_(at, at)])
    return tables


def _values(found: np.ndarray, own: Sequence[str]) -> list[float | None]:
    # Sums in another order differ in their last digit; equal samples are to have the very same value.
    value = dict(zip(own, found.tolist(), strict=True))
    return [None if np.isnan(value[text]) else value[text] for text in own]


def _turned(match: Match) -> Match:
    question, first, second = match
    return question, second, first
