"""Win rates, the Bradley-Terry fit and Elo, each against another way to the same numbers."""

import random
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from gavel.judge.ratings import PRIOR, SCALE, bradley_terry, expected_score, win_rates


def table_of(n, seed, sharp=1.0):
    rng = np.random.default_rng(seed)
    table = np.full((n, n), 0.5)
    for i, j in combinations(range(n), 2):
        table[i, j] = 1 / (1 + np.exp(-sharp * rng.normal()))
        table[j, i] = 1 - table[i, j]
    return table


def test_a_win_rate_is_the_mean_against_the_others():
    table = table_of(5, 0)
    for i, rate in enumerate(win_rates(table)):
        assert rate == pytest.approx(sum(table[i, j] for j in range(5) if j != i) / 4)
    assert win_rates(table).mean() == pytest.approx(0.5)


def test_one_that_was_hardly_compared_has_no_win_rate():
    table = table_of(5, 0)
    table[0, 1:4] = table[1:4, 0] = np.nan
    rates = win_rates(table)
    assert np.isnan(rates).tolist() == [True, False, False, False, False]
    assert rates[1] == pytest.approx(table[1, 2:].mean())
    assert np.isnan(win_rates(np.array([[0.5]]))).all()


def by_logistic_regression(table, prior):
    """Strengths as coefficients: a comparison is a row of 1 and -1, with wins and losses as weights."""
    n = len(table)
    rows, won, weights = [], [], []
    for i, j in combinations(range(n), 2):
        if np.isfinite(table[i, j]):
            rows += [np.eye(n)[i] - np.eye(n)[j]] * 2
            won, weights = [*won, 1, 0], [*weights, table[i, j], table[j, i]]
    for i in range(n):  # against one of strength 1
        rows += [np.eye(n)[i]] * 2
        won, weights = [*won, 1, 0], [*weights, prior / 2, prior / 2]
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=10_000)
    found = model.fit(np.array(rows), won, sample_weight=weights).coef_[0]
    return SCALE * (found - found.mean())


@pytest.mark.parametrize("n", [2, 3, 8, 16])
@pytest.mark.parametrize("prior", [PRIOR, 0.1])
def test_the_fit_is_that_of_a_logistic_regression(n, prior):
    table = table_of(n, n, sharp=3.0)
    assert bradley_terry(table, prior) == pytest.approx(by_logistic_regression(table, prior), abs=0.01)
    if n > 3:
        table[0, 1] = table[1, 0] = table[2, 3] = table[3, 2] = np.nan
        assert bradley_terry(table, prior) == pytest.approx(by_logistic_regression(table, prior), abs=0.01)


def test_true_strengths_come_back():
    true = np.array([-300.0, -50.0, 0.0, 100.0, 250.0])
    table = expected_score(true[:, None] - true[None, :])
    assert bradley_terry(table, prior=1e-9) == pytest.approx(true - true.mean(), abs=1e-3)


def test_400_points_are_odds_of_ten_to_one():
    assert expected_score(400) == pytest.approx(10 / 11)
    assert expected_score(0) == 0.5


def test_who_wins_all_is_rated_first_and_finitely():
    table = np.triu(np.ones((8, 8)), 1) + 0.5 * np.eye(8)
    ratings = bradley_terry(table)
    assert np.isfinite(ratings).all()
    assert (np.diff(ratings) < 0).all()
    assert 0 < expected_score(ratings[-1]) < expected_score(ratings[0]) < 1
    with pytest.raises(ValueError, match="prior=0"):
        bradley_terry(table, prior=0)


def test_rate_and_fit_order_a_whole_round_robin_alike():
    for seed in range(20):
        table = table_of(9, seed, sharp=4.0)
        assert rankdata(win_rates(table)).tolist() == rankdata(bradley_terry(table)).tolist()


def test_the_fit_forgets_the_order_and_elo_does_not():
    table = table_of(6, 4)
    order = random.Random(1).sample(range(6), 6)
    assert bradley_terry(table[np.ix_(order, order)]) == pytest.approx(bradley_terry(table)[order], abs=1e-6)
    matches = [(i, j, table[i, j]) for i, j in combinations(range(6), 2)]
    assert np.abs(sequential_elo(matches, 6) - sequential_elo(matches[::-1], 6)).max() > 1


def sequential_elo(matches, players, k=32.0):
    """Elo's rule as chess federations print it: 10 to the power of a four-hundredth."""
    ratings = np.zeros(players)
    for i, j, won in matches:
        hoped = 10 ** (ratings[i] / 400) / (10 ** (ratings[i] / 400) + 10 ** (ratings[j] / 400))
        ratings[i], ratings[j] = ratings[i] + k * (won - hoped), ratings[j] + k * ((1 - won) - (1 - hoped))
    return ratings


def test_nobody_gets_nothing():
    assert bradley_terry(np.zeros((0, 0))).shape == win_rates(np.zeros((0, 0))).shape == (0,)
