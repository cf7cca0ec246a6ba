"""Intervals and paired tests for accuracies. The unit is the question: samples of one question are not
independent.

Every random number comes from the `seed` argument. Nothing here knows what was measured.
"""

from collections.abc import Hashable, Sequence
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

# Enough that the ends of a 95 % interval move by about 0.1 standard error from seed to seed.
RESAMPLES = 2000


class Interval(NamedTuple):
    """The ends of an interval."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Effect(NamedTuple):
    """A mean or a mean difference, the ends of its interval, and the two-sided p of its being 0."""

    value: float
    low: float
    high: float
    p: float


def wilson(successes: float, n: int, level: float = 0.95) -> Interval:
    """Wilson score interval for a proportion (Wilson 1927), within [0, 1].

    Fractional successes are allowed: for a mean of values between 0 and 1 the interval is conservative.
    Raises ValueError unless 0 <= successes <= n and n >= 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} are no proportion")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # Exactly 0 and 1 at the ends, where rounding would leave the proportion a hair outside its own interval.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return Interval(low, 1.0 if successes == n else min(1.0, centre + half))


def bootstrap_mean(values: Sequence[float], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Percentile bootstrap interval of the mean over questions; `values` has one number a question.

    Raises ValueError for no values.
    """
    means = _resampled_means(values, resamples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def clustered_mean(
    groups: Sequence[Hashable], values: Sequence[float], resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """95 % percentile bootstrap interval of a mean of values in [0, 1] that are alike within groups: groups are drawn.

    Where all groups have the same mean (or there is one) the bootstrap has no spread and would claim certainty: it is
    Wilson's then, for as many draws as there are groups. Raises ValueError for no values.
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
    drawn = _resampled_sums(np.asarray(list(sums.values()), dtype=float), resamples, seed)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return Interval(float(low), float(high))


def mean_interval(values: Sequence[float], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Interval of the mean of per-question values in [0, 1]: Wilson's if all are 0 or 1, else the
    bootstrap's.

    Where all values are equal the bootstrap has no spread and would claim certainty; Wilson's interval is
    used too. Raises ValueError for no values.
    """
    distinct = set(values)
    if distinct <= {0, 1} or len(distinct) == 1:
        return wilson(float(sum(values)), len(values), level)
    return bootstrap_mean(values, level, resamples, seed)


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Effect:
    """Mean of a - b over questions, questions resampled in pairs.

    `p` is two-sided, from the resampled differences on the other side of 0 (Efron and Tibshirani 1993, ch.
    15), never below 2 / (resamples + 1). Raises ValueError unless both have the same length, at least 1.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} values are not pairs")
    differences = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    means = _resampled_means(differences, resamples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Effect(float(differences.mean()), float(low), float(high), _two_sided(means))


def ratio_drop(
    changed: Sequence[float], sizes: Sequence[int], original: Sequence[float], resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """1 - (mean over changed versions) / (mean over originals) with a 95 % percentile bootstrap over
    originals, each drawn together with its versions.

    Args:
        changed: sum over each original's versions of their values.
        sizes: number of each original's versions, at least 1.
        original: each original's own value.

    Raises ValueError for no originals, or where all their values are 0.
    """
    table = np.asarray([changed, sizes, original], dtype=float)
    if not table.size or not table[2].any():
        raise ValueError("a drop relative to nothing is not defined")
    count = table.shape[1]
    sums = _resampled_sums(table.T, resamples, seed)
    sums = sums[sums[:, 2] > 0]  # a draw without any right original has no ratio
    drawn = 1 - (sums[:, 0] / sums[:, 1]) / (sums[:, 2] / count)
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = float(1 - (table[0].sum() / table[1].sum()) / table[2].mean())
    return Estimate(value, float(low), float(high))


def crossed_bootstrap(values: Sequence[Sequence[float]], resamples: int = RESAMPLES, seed: int = 0) -> Effect:
    """Mean of a table, rows and columns both resampled, for seeds by questions.

    Every draw takes rows with replacement and columns with replacement, so that the interval (95 %, percentile) holds
    the variation between training runs and that between questions. `p` is two-sided for a mean of 0, as in
    `paired_bootstrap`. Of two or three rows the variation is known badly, and the interval is rather too narrow.

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
    """Two-sided p of the exact McNemar test (McNemar 1947) from the discordant questions: right only in a,
    only in b.

    Binomial with probability 1/2; 1 without any discordant question.
    """
    from scipy.stats import binomtest  # here, since it takes a second to import

    discordant = only_a + only_b
    return float(binomtest(only_a, discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number by Holm's step-down method (Holm 1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, running)
    return adjusted


def _two_sided(means: np.ndarray) -> float:
    """p of a mean of 0, from resampled means; sums of floats that cancel count as ties, whatever their rounding."""
    below, above = np.count_nonzero(means <= 1e-12), np.count_nonzero(means >= -1e-12)
    p: float = min(1.0, 2 * (1 + min(below, above)) / (len(means) + 1))
    return p


def _resampled_sums(table: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Column sums of `resamples` draws of rows with replacement, shape (resamples, columns)."""
    size = len(table)
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=resamples)
    sums: np.ndarray = drawn @ table
    return sums


def _resampled_means(values: Sequence[float] | np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of `resamples` draws with replacement, shape (resamples,).

    Accuracies have few distinct values, so how often each is drawn (a multinomial) is all that is simulated:
    the same distribution as drawing questions one by one, without a (resamples, questions) table.
    """
    distinct, counts = np.unique(np.asarray(values, dtype=float), return_counts=True)
    if not len(distinct):
        raise ValueError("no values: a mean needs at least one question")
    n = counts.sum()
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=resamples)
    means: np.ndarray = drawn @ distinct / n
    return means
