"""Intervals and paired tests for accuracies. The unit is the question: samples of one question are not independent.

Every random number comes from the `seed` argument. Nothing here depends on what was measured.
"""

from collections.abc import Hashable, Sequence
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

# Enough that the bounds of a 95 % interval vary by about 0.1 standard errors between seeds.
RESAMPLES = 2000


class Interval(NamedTuple):
    """The bounds of an interval."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A value with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


class Effect(NamedTuple):
    """A mean or mean difference, the bounds of its interval, and the two-sided p-value for a true value of 0."""

    value: float
    low: float
    high: float
    p: float


def wilson(successes: float, n: int, level: float = 0.95) -> Interval:
    """Wilson score interval for a proportion (Wilson 1927), within [0, 1].

    Fractional successes are allowed: for a mean of values between 0 and 1, the interval is conservative. Raises
    ValueError unless 0 <= successes <= n and n >= 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} are not a proportion; give 0 <= successes <= n and n >= 1")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # Exactly 0 or 1 at the ends, where rounding could put the proportion just outside its own interval.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return Interval(low, 1.0 if successes == n else min(1.0, centre + half))


def bootstrap_mean(values: Sequence[float], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Percentile bootstrap interval of the mean over questions; `values` has one number per question.

    Raises ValueError without values.
    """
    means = _resampled_means(values, resamples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def clustered_mean(
    groups: Sequence[Hashable], values: Sequence[float], resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """95 % percentile bootstrap interval of a mean of values in [0, 1] that are correlated within groups.

    Groups are resampled, not values. If all groups have the same mean (or there is only one), the bootstrap has no
    spread and would claim certainty; Wilson's interval is used then, with the number of groups as n. Raises ValueError
    without values.
    """
    sums: dict[Hashable, tuple[float, int]] = {}
    for group, value in zip(groups, values, strict=True):
        top, count = sums.get(group, (0.0, 0))
        sums[group] = top + value, count + 1
    if not sums:
        raise ValueError("an interval needs at least one value")
    means = {top / count for top, count in sums.values()}
    if max(means) - min(means) < 1e-12:
        return wilson(min(means) * len(sums), len(sums))
    drawn = resampled_sums(np.asarray(list(sums.values()), dtype=float), resamples, seed)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return Interval(float(low), float(high))


def clustered_difference(
    groups: Sequence[Hashable],
    values: Sequence[float],
    first: Sequence[bool],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate | None:
    """The mean of the values on the first side minus that on the other, with a 95 % percentile bootstrap interval.

    Groups are resampled, not values; a resample that lacks a side is left out. With rates that are all 0 or 1 on each
    side the bootstrap has no spread; the interval is then Newcombe's, from both Wilson intervals of the numbers of
    groups. None unless both sides have values.
    """
    sums: dict[Hashable, np.ndarray] = {}
    for group, value, side in zip(groups, values, first, strict=True):
        sums.setdefault(group, np.zeros(4))[[0, 1] if side else [2, 3]] += (value, 1)
    table = np.array(list(sums.values())).reshape(-1, 4)
    top, count, other_top, other_count = table.sum(0)
    if not count or not other_count:
        return None
    means = top / count, other_top / other_count
    drawn = resampled_sums(table, resamples, seed)
    drawn = drawn[(drawn[:, 1] > 0) & (drawn[:, 3] > 0)]
    differences = drawn[:, 0] / drawn[:, 1] - drawn[:, 2] / drawn[:, 3]
    low, high = np.quantile(differences, [0.025, 0.975])
    if high - low < 1e-12:
        sizes = int(np.count_nonzero(table[:, 1])), int(np.count_nonzero(table[:, 3]))
        (a, b), (c, d) = (wilson(mean * size, size) for mean, size in zip(means, sizes, strict=True))
        value = means[0] - means[1]
        low = value - sqrt((means[0] - a) ** 2 + (d - means[1]) ** 2)
        high = value + sqrt((b - means[0]) ** 2 + (means[1] - c) ** 2)
    return Estimate(float(means[0] - means[1]), float(low), float(high))


def mean_interval(values: Sequence[float], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Interval of the mean of per-question values in [0, 1]: Wilson's if all are 0 or 1, else the bootstrap's.

    If all values are equal, the bootstrap has no spread and would claim certainty; Wilson's interval is used then too.
    Raises ValueError without values.
    """
    distinct = set(values)
    if distinct <= {0, 1} or len(distinct) == 1:
        return wilson(float(sum(values)), len(values), level)
    return bootstrap_mean(values, level, resamples, seed)


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Effect:
    """Mean of a - b over questions, with questions resampled in pairs.

    `p` is two-sided, from the resampled differences on the other side of 0 (Efron and Tibshirani 1993, ch. 15), and
    never below 2 / (resamples + 1). Raises ValueError unless both have the same length, at least 1.
    """
    if len(a) != len(b):
        raise ValueError(f"cannot pair {len(a)} with {len(b)} values")
    differences = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    means = _resampled_means(differences, resamples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Effect(float(differences.mean()), float(low), float(high), _two_sided(means))


def ratio_drop(
    changed: Sequence[float], sizes: Sequence[int], original: Sequence[float], resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """1 - (mean over changed versions) / (mean over originals), with a 95 % percentile bootstrap interval.

    The bootstrap resamples originals, each together with its versions.

    Args:
        changed: for each original, the sum of its versions' values.
        sizes: the number of each original's versions, at least 1.
        original: each original's own value.

    Raises ValueError without originals, or if all their values are 0.
    """
    table = np.asarray([changed, sizes, original], dtype=float)
    if not table.size or not table[2].any():
        raise ValueError("the drop is undefined: no original has a value other than 0")
    count = table.shape[1]
    sums = resampled_sums(table.T, resamples, seed)
    sums = sums[sums[:, 2] > 0]  # a resample without any correct original has no ratio
    drawn = 1 - (sums[:, 0] / sums[:, 1]) / (sums[:, 2] / count)
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = float(1 - (table[0].sum() / table[1].sum()) / table[2].mean())
    return Estimate(value, float(low), float(high))


def crossed_bootstrap(values: Sequence[Sequence[float]], resamples: int = RESAMPLES, seed: int = 0) -> Effect:
    """Mean of a table whose rows and columns are both resampled, for seeds by questions.

    Every resample draws rows and columns with replacement, so the interval (95 %, percentile) covers the variation
    between training runs and between questions. `p` is two-sided for a mean of 0, as in `paired_bootstrap`. With only
    two or three rows, the variation between them is poorly estimated, and the interval is probably too narrow.

    Args:
        values: shape (rows, columns).

    Raises ValueError for an empty table.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or not table.size:
        raise ValueError("expected a table with at least one row and one column")
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, resamples, 500):
        count = min(500, resamples - start)
        rows, columns = (rng.multinomial(size, np.full(size, 1 / size), size=count) for size in table.shape)
        means.append(((rows @ table) * columns).sum(axis=1) / table.size)
    drawn = np.concatenate(means)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Effect(float(table.mean()), float(low), float(high), _two_sided(drawn))


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p-value of the exact McNemar test (McNemar 1947) from the questions correct only in a and only in b.

    Binomial with probability 1/2; 1 if there are no such discordant questions.
    """
    from scipy.stats import binomtest  # imported here because it takes a second

    discordant = only_a + only_b
    return float(binomtest(only_a, discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for multiple comparisons by Holm's step-down method (Holm 1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, running)
    return adjusted


def _two_sided(means: np.ndarray) -> float:
    """p-value for a mean of 0, from resampled means; sums of floats that cancel count as ties despite rounding
    errors."""
    below, above = np.count_nonzero(means <= 1e-12), np.count_nonzero(means >= -1e-12)
    p: float = min(1.0, 2 * (1 + min(below, above)) / (len(means) + 1))
    return p


def resampled_sums(table: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Column sums of `resamples` resamples of the rows with replacement, shape (resamples, columns)."""
    size = len(table)
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=resamples)
    sums: np.ndarray = drawn @ table
    return sums


def _resampled_means(values: Sequence[float] | np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of `resamples` resamples with replacement, shape (resamples,).

    Accuracies have few distinct values, so only the count of each value is simulated (a multinomial). This gives the
    same distribution as drawing questions one by one, without a (resamples, questions) table.
    """
    distinct, counts = np.unique(np.asarray(values, dtype=float), return_counts=True)
    if not len(distinct):
        raise ValueError("no values: a mean needs at least one question")
    n = counts.sum()
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=resamples)
    means: np.ndarray = drawn @ distinct / n
    return means
