"""Verdicts and best-of-n from pairwise comparisons, for many questions at a time.

A `gavel.judge.verdict.Comparer` gets its verdicts from a round robin of each question's solutions, and the best of n
solutions from a knockout. A pointwise judge's best solution is the one with the highest score.
"""

import hashlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np

from gavel.judge import ratings
from gavel.judge.verdict import Comparer, Comparison, ComparisonSummary, Judge, Verdict

# A pairwise judge's rewards, from a round robin's table. Both lie in [0, 1] around 0.5, as verifiable rewards of 0 and
# 1 do, so lambda keeps its meaning; ratings in Elo points would drown the verifiable reward.
SCORES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "win-rate": ratings.win_rates,
    "elo": lambda table: np.where(
        np.isfinite(ratings.win_rates(table)), ratings.expected_score(ratings.bradley_terry(table)), np.nan
    ),
}


def verdicts(
    comparer: Comparer,
    questions: Sequence[str],
    solutions: Sequence[str],
    score: Callable[[np.ndarray], np.ndarray],
) -> list[Verdict]:
    """One verdict for each solution, from a round robin of each question's solutions.

    Identical solutions count as one player; they tie (0.5) without a prompt. A solution with no opponent in its group
    gets a missing verdict, and so does one with fewer than half of its comparisons known.

    Args:
        score: the reward, one of `SCORES`.
    """
    players = list(dict.fromkeys(zip(questions, solutions, strict=True)))
    number = {player: place for place, player in enumerate(players)}
    members: dict[str, list[int]] = {}
    for question, solution in zip(questions, solutions, strict=True):
        members.setdefault(question, []).append(number[question, solution])
    groups = {question: list(dict.fromkeys(own)) for question, own in members.items()}
    record: dict[tuple[int, int], Comparison] = {}

    def compare(pairs: list[tuple[int, int]]) -> list[float | None]:
        found = comparer.compare([(*players[i], players[j][1]) for i, j in pairs])
        record.update(
            {pair: comparison for pair, comparison in zip(pairs, found, strict=True) if comparison is not None}
        )
        return [None if comparison is None else comparison.probability for comparison in found]

    tables = round_robin(list(groups.values()), compare)
    of_player: dict[int, list[Comparison]] = {}
    for pair, comparison in record.items():
        for player in pair:
            of_player.setdefault(player, []).append(comparison)
    found: dict[int, Verdict] = {}
    for (question, distinct), table in zip(groups.items(), tables, strict=True):
        places = [distinct.index(player) for player in members[question]]
        full_table = table[np.ix_(places, places)]
        for player, reward, rate in zip(
            members[question], score(full_table), ratings.win_rates(full_table), strict=True
        ):
            found[player] = _verdict(float(reward), float(rate), of_player.get(player, []))
    return [found[number[player]] for player in zip(questions, solutions, strict=True)]


def _verdict(reward: float, rate: float, comparisons: Sequence[Comparison]) -> Verdict:
    if np.isnan(rate):
        return Verdict(None)
    if not comparisons:  # all solutions of the question are this one
        return Verdict(reward, probability=rate, compared=ComparisonSummary(0, 0.5, 0.0))
    return Verdict(
        reward,
        statistics.fmean(one.off_label for one in comparisons),
        any(one.truncated for one in comparisons),
        rate,
        compared=ComparisonSummary(
            len(comparisons),
            statistics.fmean(one.first for one in comparisons),
            statistics.fmean(one.flipped for one in comparisons),
        ),
    )


def best_of_each(
    judge: Judge | Comparer, questions: Sequence[str], groups: Sequence[Sequence[str]], seed: int = 0
) -> list[int | None]:
    """The index of the best solution of each question, by any kind of judge.

    A pairwise judge runs a knockout of the distinct solutions, all questions together in each round: n-1 comparisons
    for n solutions. A pointwise judge scores each solution; the first one with the highest score wins.

    Args:
        groups: the solutions of each question, at least one each.
        seed: of the brackets, which do not depend on the order of the solutions.

    Returns:
        Indices in the groups, the first among equal solutions; None where the judge could not be asked (in a knockout
        about any match, with scores about all solutions).

    Raises:
        ValueError: a question has no solutions.
    """
    if any(not group for group in groups):
        raise ValueError("a question without solutions has no best one")
    if not isinstance(judge, Comparer):
        return _highest(judge, questions, groups)
    players = [(q, text) for q, own in zip(questions, groups, strict=True) for text in dict.fromkeys(own)]
    brackets, offset = [], 0
    for own in groups:
        distinct = list(dict.fromkeys(own))
        brackets.append([offset + place for place in bracket(distinct, seed)])
        offset += len(distinct)

    def compare(pairs: list[tuple[int, int]]) -> list[float | None]:
        found = judge.compare([(*players[i], players[j][1]) for i, j in pairs])
        return [None if one is None else one.probability for one in found]

    winners = knockout(brackets, compare)
    return [
        None if winner is None else list(own).index(players[winner][1])
        for winner, own in zip(winners, groups, strict=True)
    ]


def _highest(judge: Judge, questions: Sequence[str], groups: Sequence[Sequence[str]]) -> list[int | None]:
    asked = [(question, text) for question, own in zip(questions, groups, strict=True) for text in own]
    scores = iter([verdict.score for verdict in judge.verdicts([q for q, _ in asked], [text for _, text in asked])])
    found = []
    for own in groups:
        known = [(value, -place) for place, value in enumerate([next(scores) for _ in own]) if value is not None]
        found.append(-max(known)[1] if known else None)
    return found


Compare = Callable[[list[tuple[int, int]]], Sequence[float | None]]


def round_robin(groups: Sequence[Sequence[int]], compare: Compare) -> list[np.ndarray]:
    """Compare every pair of every group once: n(n-1)/2 comparisons for n players, all in one call.

    Args:
        groups: the players of each group, each at most once.

    Returns:
        For each group an `(n, n)` array: the probability that the row's player beats the column's, 0.5 on the diagonal,
        NaN where unknown.
    """
    places = [list(combinations(range(len(group)), 2)) for group in groups]
    asked = [(group[i], group[j]) for group, own in zip(groups, places, strict=True) for i, j in own]
    answers = iter(compare(asked) if asked else ())
    tables = []
    for group, own in zip(groups, places, strict=True):
        table = np.full((len(group), len(group)), 0.5)
        for i, j in own:
            won = next(answers)
            table[i, j], table[j, i] = (np.nan, np.nan) if won is None else (won, 1 - won)
        tables.append(table)
    return tables


def bracket(texts: Sequence[str], seed: int = 0) -> list[int]:
    """An order of the players for `knockout` that depends on seed and texts, not on their order in the list."""
    return sorted(range(len(texts)), key=lambda i: hashlib.sha256(f"{seed}\0{texts[i]}".encode()).digest())


def knockout(brackets: Sequence[Sequence[int]], compare: Compare) -> list[int | None]:
    """The winner of each bracket: n-1 comparisons for n players, in ceil(log2 n) rounds of all brackets together.

    Neighbours play each other; after an even match (0.5) the earlier one advances. If n is not a power of two, the
    first players have a bye in the first round, so that a power of two is left.

    Args:
        brackets: the players of each, in the order of `bracket`; none is empty.

    Returns:
        The winners; None where a match of the bracket could not be asked, because its winner would be arbitrary.
    """
    left: list[list[int] | None] = [list(players) for players in brackets]
    while any(players is not None and len(players) > 1 for players in left):
        matches = [_matches(players) if players is not None else [] for players in left]
        answers = iter(compare([match for own in matches for match in own]))
        for place, own in enumerate(matches):
            results = [next(answers) for _ in own]
            players = left[place]
            known = [won for won in results if won is not None]
            if players is None or len(known) < len(results):
                left[place] = None
                continue
            winners = [i if won >= 0.5 else j for (i, j), won in zip(own, known, strict=True)]
            left[place] = players[: len(players) - 2 * len(own)] + winners
    return [None if players is None else players[0] for players in left]


def _matches(players: Sequence[int]) -> list[tuple[int, int]]:
    """The matches of one round; players at the beginning without a match have a bye."""
    remaining = 1 << ((len(players) - 1).bit_length() - 1) if len(players) > 1 else 1  # players left after the round
    playing = players[len(players) - 2 * (len(players) - remaining) :]
    return list(zip(playing[::2], playing[1::2], strict=True))
