"""Which solutions are held against which: round robins and knockouts over many questions at once.

Pure functions on an oracle `compare(pairs)`, which gives for each pair (i, j) the probability that i is better, or None
where that could not be asked. It is called once a round with the pairs of all groups together, so a round is one set of
forward passes. Both ways stand in the reward reasoning models of Guo et al. 2025 (arXiv 2505.14674), of which we have
read the abstract and reviews: round robins for ratings, knockouts for the best of many. Byes, brackets and ties are our
choice.
"""

import hashlib
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

Compare = Callable[[list[tuple[int, int]]], Sequence[float | None]]


def round_robin(groups: Sequence[Sequence[int]], compare: Compare) -> list[np.ndarray]:
    """Every pair of every group, once: n(n-1)/2 comparisons for n players, all in one call.

    Args:
        groups: the players of each group; no player stands in a group twice.

    Returns:
        For each group `(n, n)`: the probability that the row's player beats the column's, 0.5 on the diagonal, NaN
        where it is not known.
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
    """An order of the players for `knockout` that depends on seed and texts, not on where in the list they stand."""
    return sorted(range(len(texts)), key=lambda i: hashlib.sha256(f"{seed}\0{texts[i]}".encode()).digest())


def knockout(brackets: Sequence[Sequence[int]], compare: Compare) -> list[int | None]:
    """The winner of each bracket: n-1 comparisons for n players, in ceil(log2 n) rounds of all brackets together.

    Neighbours meet, and of an even match (0.5) the one that stands first goes on. Where n is no power of two, the first
    of the first round have byes, so that a power of two is left.

    Args:
        brackets: the players of each, in the order of `bracket`; none is empty.

    Returns:
        The winners; None where a match of the bracket could not be asked, since whoever went on would be made up.
    """
    left: list[list[int] | None] = [list(players) for players in brackets]
    while any(players is not None and len(players) > 1 for players in left):
        matches = [_matches(players) if players is not None else [] for players in left]
        answers = iter(compare([match for own in matches for match in own]))
        for place, own in enumerate(matches):
            found = [next(answers) for _ in own]
            players = left[place]
            if players is None or None in found:
                left[place] = None
                continue
            winners = [i if won >= 0.5 else j for (i, j), won in zip(own, found, strict=True)]
            left[place] = players[: len(players) - 2 * len(own)] + winners
    return [None if players is None else players[0] for players in left]


def _matches(players: Sequence[int]) -> list[tuple[int, int]]:
    """Those of one round; players at the beginning that stand in none have a bye."""
    below = 1 << ((len(players) - 1).bit_length() - 1) if len(players) > 1 else 1  # the power of two that will be left
    ends = players[len(players) - 2 * (len(players) - below) :]
    return list(zip(ends[::2], ends[1::2], strict=True))
