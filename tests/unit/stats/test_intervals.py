"""Intervals and tests against scipy, statsmodels and known properties."""

from math import comb

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from gavel.stats.intervals import (
    bootstrap_mean,
    clustered_difference,
    clustered_mean,
    crossed_bootstrap,
    holm,
    mcnemar,
    mean_interval,
    paired_bootstrap,
    ratio_drop,
    wilson,
)

RNG = np.random.default_rng(0)
SCORES = RNG.binomial(16, 0.3, size=400) / 16


@pytest.mark.parametrize(("successes", "n", "level"), [(0, 10, 0.95), (10, 10, 0.95), (742, 1319, 0.95), (7, 20, 0.9)])
def test_wilson(successes, n, level):
    expected = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert wilson(successes, n, level) == pytest.approx(expected, abs=1e-12)


def test_wilson_refuses_what_is_no_proportion():
    for successes, n in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match="not a proportion"):
            wilson(successes, n)


def test_bootstrap_mean_agrees_with_scipy():
    low, high = bootstrap_mean(SCORES, resamples=20_000, seed=1)
    expected = stats.bootstrap((SCORES,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.0006)
    assert low < SCORES.mean() < high


def test_bootstrap_is_a_function_of_its_seed_and_not_of_order():
    assert bootstrap_mean(SCORES, seed=3) == bootstrap_mean(SCORES[::-1], seed=3)
    assert bootstrap_mean(SCORES, seed=3) != bootstrap_mean(SCORES, seed=4)


def test_a_lower_level_is_narrower():
    low, high = bootstrap_mean(SCORES, level=0.5)
    wide_low, wide_high = bootstrap_mean(SCORES)
    assert wide_low < low < high < wide_high


def test_intervals_cover_about_as_often_as_they_say():
    rng = np.random.default_rng(5)
    hits = 0
    for trial in range(400):
        low, high = bootstrap_mean(rng.binomial(16, 0.3, size=100) / 16, resamples=500, seed=trial)
        hits += low <= 0.3 <= high
    assert 0.90 < hits / 400 < 0.99


def test_mean_interval_chooses_by_the_values():
    assert mean_interval([1, 0, 1, 1]) == wilson(3, 4)
    assert mean_interval([0.5, 0.5]) == wilson(1, 2)
    assert mean_interval(np.array([0.5, 0.25, 1])) == bootstrap_mean([0.5, 0.25, 1])


def test_paired_bootstrap_agrees_with_scipy():
    other = np.clip(SCORES + RNG.choice([-0.125, 0, 0, 0.1875], size=400), 0, 1)
    difference, low, high, p = paired_bootstrap(other, SCORES, resamples=20_000, seed=1)
    expected = stats.bootstrap((other - SCORES,), np.mean, n_resamples=20_000, method="percentile", rng=2)
    assert difference == pytest.approx((other - SCORES).mean())
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval), abs=0.0006)
    # The mean of 400 differences is nearly normal, where the bootstrap's p is that of a z test.
    z = difference / ((other - SCORES).std() / 20)
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.01)


def test_paired_bootstrap_is_antisymmetric_in_sign_and_bounded():
    difference, low, high, p = paired_bootstrap([1, 1, 1, 1], [0, 0, 0, 0], resamples=99)
    assert (difference, low, high) == (1, 1, 1)
    assert p == 2 / 100
    assert paired_bootstrap([1, 0, 1], [1, 0, 1]) == (0, 0, 0, 1)
    # 0.1 + 0.2 - 0.3 is not quite 0: rounding must not decide a tie.
    assert paired_bootstrap([0.1 + 0.2] * 5, [0.3] * 5)[3] == 1


def test_no_values_and_unpaired_values_are_errors():
    with pytest.raises(ValueError, match="at least one question"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="cannot pair 2 with 1"):
        paired_bootstrap([1, 0], [1])


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (0, 1), (3, 9), (9, 3), (51, 189), (60, 60), (800, 700)])
def test_mcnemar(only_a, only_b):
    expected = reference_mcnemar([[5, only_a], [only_b, 5]], exact=True).pvalue if only_a + only_b else 1
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_is_exact_for_all_small_counts():
    """By whole numbers: two tails of the binomial distribution."""
    for only_a in range(61):
        for only_b in range(61):
            count = only_a + only_b
            tail = sum(comb(count, k) for k in range(min(only_a, only_b) + 1))
            assert mcnemar(only_a, only_b) == pytest.approx(min(1.0, 2 * tail / 2**count), rel=1e-12)


@pytest.mark.parametrize("p_values", [[], [0.04], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.9], [0.02, 0.02, 0.02]])
def test_holm(p_values):
    expected = list(multipletests(p_values, method="holm")[1]) if p_values else []
    assert holm(p_values) == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 16, 40, 1000])
def test_a_proportion_of_none_or_all_lies_in_its_own_interval(n):
    assert wilson(0, n)[0] == 0.0
    assert wilson(n, n)[1] == 1.0


def test_a_drop_agrees_with_scipys_bootstrap_of_the_ratio():
    rng = np.random.default_rng(7)
    original = rng.binomial(1, 0.7, size=300)
    sizes = rng.integers(1, 9, size=300)
    changed = rng.binomial(sizes, np.where(original, 0.6, 0.2))

    def drop(changed, sizes, original, axis=-1):
        return 1 - (changed.sum(axis) / sizes.sum(axis)) / original.mean(axis)

    value, low, high = ratio_drop(changed, sizes, original, resamples=20_000, seed=1)
    expected = stats.bootstrap(
        (changed, sizes, original), drop, paired=True, n_resamples=20_000, method="percentile", rng=2
    ).confidence_interval
    assert value == pytest.approx(drop(changed, sizes, original))
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.003)


def test_a_drop_is_that_of_gsm_plus():
    # GPT-4 in Li et al. 2024: 93.25 % on GSM8K, 85.58 % on GSM-Plus, PDR 8.23 %.
    assert ratio_drop([85.58], [1], [93.25])[0] == pytest.approx(0.0823, abs=5e-5)


def test_a_drop_relative_to_nothing_is_refused():
    for table in (([], [], []), ([1], [2], [0])):
        with pytest.raises(ValueError, match="drop is undefined"):
            ratio_drop(*table)


def test_one_row_is_resampled_as_its_columns_are():
    mean, low, high, p = crossed_bootstrap([SCORES - 0.25], resamples=20_000)
    expected = paired_bootstrap(SCORES, np.full(400, 0.25), resamples=20_000, seed=1)
    assert (mean, low, high) == pytest.approx(expected[:3], abs=0.0006)
    assert p == pytest.approx(expected[3], abs=0.01)


def test_a_crossed_interval_holds_the_variation_of_rows_too():
    rng = np.random.default_rng(11)
    hits = {"crossed": 0, "columns": 0}
    for trial in range(200):
        rows, columns = rng.normal(0, 0.15, size=(8, 1)), rng.normal(0, 0.4, size=(1, 200))
        table = 0.5 + rows + columns + rng.normal(0, 0.3, size=(8, 200))
        _, low, high, _ = crossed_bootstrap(table, resamples=400, seed=trial)
        hits["crossed"] += low <= 0.5 <= high
        low, high = bootstrap_mean(table.mean(axis=0), resamples=400, seed=trial)
        hits["columns"] += low <= 0.5 <= high
    assert hits["crossed"] / 200 > 0.88
    assert hits["columns"] / 200 < 0.75  # what a single level of resampling would claim


def test_a_table_needs_cells():
    for table in ([], [[]], [1.0]):
        with pytest.raises(ValueError, match="at least one row"):
            crossed_bootstrap(table)


def test_a_clustered_interval_agrees_with_scipys_bootstrap_of_groups():
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 9, size=200)
    groups = np.repeat(np.arange(200), sizes)
    values = rng.binomial(1, np.repeat(rng.beta(2, 1, size=200), sizes)).astype(float)
    sums = np.bincount(groups, weights=values)

    def mean(sums, sizes, axis=-1):
        return sums.sum(axis) / sizes.sum(axis)

    low, high = clustered_mean(groups.tolist(), values.tolist(), resamples=20_000)
    expected = stats.bootstrap((sums, sizes), mean, paired=True, n_resamples=20_000, method="percentile", rng=2)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval), abs=0.002)
    assert clustered_mean(["a", "a", "b"], [1.0, 1.0, 1.0]) == wilson(2, 2)


def test_groups_without_a_spread_between_them_have_no_certainty():
    assert clustered_mean(["a"] * 4, [1.0, 1.0, 1.0, 0.0]) == wilson(0.75, 1)
    assert clustered_mean(["a", "a", "b", "b"], [1.0, 0.0, 0.0, 1.0]) == wilson(1.0, 2)


def test_a_clustered_difference_covers_the_true_one_and_resamples_groups():
    """Two values of a group are one observation: doubling every row changes neither the value nor the interval much."""
    rng = np.random.default_rng(0)
    covered, trials = 0, 200
    for trial in range(trials):
        groups = np.repeat(np.arange(60), 4)
        rate = np.repeat(rng.uniform(-0.2, 0.2, 60), 4)  # a group's values are correlated
        first = rng.random(240) < 0.5
        values = (rng.random(240) < np.where(first, 0.7, 0.4) + rate).astype(float)
        _, low, high = clustered_difference(groups.tolist(), values.tolist(), first.tolist(), seed=trial)
        covered += low <= 0.3 <= high
    assert 0.9 <= covered / trials <= 0.99
    once = clustered_difference(groups.tolist(), values.tolist(), first.tolist())
    twice = clustered_difference(*(np.tile(part, 2).tolist() for part in (groups, values, first)))
    assert once == pytest.approx(twice, abs=1e-9)


def test_a_clustered_difference_without_spread_is_not_certain():
    value, low, high = clustered_difference(list(range(8)), [1.0] * 4 + [0.0] * 4, [True] * 4 + [False] * 4)
    assert value == 1
    assert low < 0.8
    assert high == 1


def test_a_clustered_difference_needs_both_sides():
    assert clustered_difference(["a", "b"], [1.0, 0.0], [True, True]) is None
