"""Advantages of algorithms whose baseline is the group's mean, and how those of two rewards agree."""

from collections.abc import Hashable, Sequence

import numpy as np

from gavel.stats.intervals import RESAMPLES, Estimate, resampled_sums


def advantages(groups: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """Rewards `(N,)` minus the mean of their groups; NaN where missing."""
    result = np.full(len(rewards), np.nan)
    for group in np.unique(groups):
        inside = (groups == group) & ~np.isnan(rewards)
        if inside.any():
            result[inside] = rewards[inside] - rewards[inside].mean()
    return result


def correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Pearson's correlation where both are known; None if one of them does not vary."""
    both = ~(np.isnan(first) | np.isnan(second))
    a, b = first[both], second[both]
    if len(a) < 2 or np.ptp(a) < 1e-12 or np.ptp(b) < 1e-12:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def advantage_correlation(
    groups: Sequence[Hashable],
    first: Sequence[float],
    second: Sequence[float],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate | None:
    """Pearson's correlation of the advantages of two rewards `(N,)`, with a 95 % percentile bootstrap interval.

    Groups are resampled, not completions. None if one of the rewards does not vary within any group; the interval is
    [-1, 1] if only one group's does, which tells nothing about others.
    """
    names = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    members = np.array([names[group] for group in groups], dtype=int)
    a, b = (advantages(members, np.asarray(values, dtype=float)) for values in (first, second))
    value = correlation(a, b)
    if value is None:
        return None
    products = np.stack([a * b, a * a, b * b], axis=1)
    table = np.zeros((len(names), 3))
    np.add.at(table, members, products)
    if np.count_nonzero((table[:, 1] > 0) & (table[:, 2] > 0)) < 2:
        return Estimate(value, -1.0, 1.0)
    sums = resampled_sums(table, resamples, seed)
    sums = sums[(sums[:, 1] > 0) & (sums[:, 2] > 0)]
    low, high = np.quantile(sums[:, 0] / np.sqrt(sums[:, 1] * sums[:, 2]), [0.025, 0.975])
    return Estimate(value, float(low), float(high))
