"""From comparisons to one number for each player: win rates, the Bradley-Terry fit, Elo ratings.

Rewards use the Bradley-Terry fit and not Elo's sequential updates: the fit does not depend on the order of the
comparisons. Sequential updates favour the latest ones, which suits players that change, not the solutions of a
question. On a complete round robin, win rates and fit rank the players alike, because the fit depends only on each
player's wins (Bradley and Terry 1952). They differ in spacing, and where comparisons are missing.
"""

import math
from collections.abc import Sequence

import numpy as np

from gavel.judge.verdict import MIN_KNOWN

SCALE = 400 / math.log(10)  # Elo points per unit of log-strength: 400 Elo points are odds of ten to one
PRIOR = 1.0
MAX_STEPS, TOLERANCE = 100_000, 1e-10  # the fit's step limit, and the step in log-strength below which it has converged


def win_rates(table: np.ndarray) -> np.ndarray:
    """Mean probability that each player beats another of the group.

    Args:
        table: `(n, n)` as `gavel.judge.tournaments.round_robin` gives it.

    Returns:
        `(n,)` in [0, 1], with a mean of 0.5 if all comparisons are known. NaN for a player without an opponent, or with
        fewer than half of its comparisons known.
    """
    known = _known(table)
    counts = known.sum(1)
    rated = (counts > 0) & (counts >= MIN_KNOWN * (len(table) - 1))
    return np.where(rated, np.where(known, table, 0).sum(1) / np.maximum(counts, 1), np.nan)


def bradley_terry(table: np.ndarray, prior: float = PRIOR) -> np.ndarray:
    """Ratings in Elo points: i beats j with probability 1 / (1 + 10^((R_j - R_i) / 400)).

    These are the maximum-likelihood strengths of Bradley and Terry (1952), found by the minorisation-maximisation of
    Hunter (2004). A comparison counts as a fraction `table[i, j]` of a win, and as a loss for the rest. A player that
    wins every comparison would be infinitely strong, so each player also has `prior` comparisons, half of them won,
    with a player of strength 1. This makes the solution unique and finite: 8 players in a strict order get 548 to -548
    Elo points, 16 get 905 to -905.

    Args:
        table: as in `win_rates`; NaN entries are left out.
        prior: number of added comparisons, above 0; with very few the fit converges slowly.

    Returns:
        `(n,)`, with mean 0.

    Raises:
        ValueError: `prior` is not positive.
        ArithmeticError: the fit does not converge.
    """
    if not prior > 0:
        raise ValueError(f"prior={prior}: must be above 0, or a player that wins every comparison has no finite rating")
    known = _known(table)
    wins = np.where(known, table, 0).sum(1) + prior / 2
    logs = np.zeros(len(table))
    for _ in range(MAX_STEPS):
        strengths = np.exp(logs)
        sums = strengths[:, None] + strengths[None, :]
        moved = np.log(wins / ((known / sums).sum(1) + prior / (strengths + 1)))
        step, logs = np.abs(moved - logs).max(initial=0.0), moved
        if step < TOLERANCE:
            ratings: np.ndarray = SCALE * (logs - logs.mean()) if len(logs) else logs
            return ratings
    raise ArithmeticError(f"the Bradley-Terry fit of {len(table)} players did not converge in {MAX_STEPS} steps")


def expected_score(difference: float | Sequence[float] | np.ndarray) -> np.ndarray:
    """The probability that a player beats one that is rated this many Elo points lower."""
    probabilities: np.ndarray = 1 / (1 + np.exp(-np.asarray(difference) / SCALE))
    return probabilities


def _known(table: np.ndarray) -> np.ndarray:
    known: np.ndarray = np.isfinite(table) & ~np.eye(len(table), dtype=bool)
    return known
