"""From comparisons to one number a player: win rates, the Bradley-Terry fit, Elo ratings.

The fit is what rewards are made of, not Elo's own rule: it is the same whatever order the comparisons stand in, while a
sequential rating remembers the last ones best, which suits players that change and not the solutions of a question.
On a whole round robin win rate and fit order the players alike, since a player's
wins are all that the fit looks at (Bradley and Terry 1952); they differ in their spacing, and where comparisons are
missing.
"""

import math
from collections.abc import Sequence

import numpy as np

from gavel.judge.verdict import MIN_KNOWN

SCALE = 400 / math.log(10)  # Elo points of one unit of log-strength: 400 points are odds of ten to one
PRIOR = 1.0
STEPS, CLOSE = 100_000, 1e-10  # of the fit, and its last step in log-strength


def win_rates(table: np.ndarray) -> np.ndarray:
    """Mean probability that each player beats another of the group.

    Args:
        table: `(n, n)` as `gavel.judge.tournaments.round_robin` gives it.

    Returns:
        `(n,)` in [0, 1], with a mean of 0.5 where all is known. NaN for a player that is alone or of whose comparisons
        fewer than half are known.
    """
    known = _known(table)
    counts = known.sum(1)
    rated = (counts > 0) & (counts >= MIN_KNOWN * (len(table) - 1))
    return np.where(rated, np.where(known, table, 0).sum(1) / np.maximum(counts, 1), np.nan)


def bradley_terry(table: np.ndarray, prior: float = PRIOR) -> np.ndarray:
    """Ratings in Elo points under which i beats j with probability 1 / (1 + 10^((R_j - R_i) / 400)).

    The most likely strengths of Bradley and Terry (1952), a comparison counting as `table[i, j]` of a win and the rest
    of a loss, found by the minorisation-maximisation of Hunter (2004). Who wins all would be infinitely strong; so each
    player also has `prior` comparisons, half of them won, with one of strength 1, which makes the solution unique and
    finite: 8 players in a strict order get 548 to -548 points, 16 get 905 to -905.

    Args:
        table: as in `win_rates`; what is NaN is left out.
        prior: how many such comparisons, above 0; with very few the fit settles slowly.

    Returns:
        `(n,)`, with mean 0.

    Raises:
        ValueError: no positive `prior`.
        ArithmeticError: the fit does not settle.
    """
    if not prior > 0:
        raise ValueError(f"prior={prior}: the strength of who wins all is finite only with a positive one")
    known = _known(table)
    wins = np.where(known, table, 0).sum(1) + prior / 2
    logs = np.zeros(len(table))
    for _ in range(STEPS):
        strengths = np.exp(logs)
        sums = strengths[:, None] + strengths[None, :]
        moved = np.log(wins / ((known / sums).sum(1) + prior / (strengths + 1)))
        step, logs = np.abs(moved - logs).max(initial=0.0), moved
        if step < CLOSE:
            ratings: np.ndarray = SCALE * (logs - logs.mean()) if len(logs) else logs
            return ratings
    raise ArithmeticError(f"the Bradley-Terry fit of {len(table)} players did not settle in {STEPS} steps")


def expected(difference: float | Sequence[float] | np.ndarray) -> np.ndarray:
    """The probability that a player beats one who is rated so many Elo points lower."""
    probabilities: np.ndarray = 1 / (1 + np.exp(-np.asarray(difference) / SCALE))
    return probabilities


def _known(table: np.ndarray) -> np.ndarray:
    known: np.ndarray = np.isfinite(table) & ~np.eye(len(table), dtype=bool)
    return known
