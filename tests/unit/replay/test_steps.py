"""Two rewards of one rollout: agreement, correlation and AUC by brute force."""

import itertools
import random

import numpy as np
import pytest

from gavel.replay.steps import Rollout, agreement, divergence, question_aucs, step_row
from gavel.stats.advantages import advantages, correlation


def rollout(seed, missing=0.1):
    rng = random.Random(seed)
    groups = [group for group in range(6) for _ in range(4)]
    values = [[rng.choice([0.0, 0.5, 1.0]) if rng.random() > missing else None for _ in groups] for _ in range(2)]
    right = [rng.choice([True, False, None]) for _ in groups]
    return Rollout(7, [f"q{group % 4}" for group in groups], groups, *values, right)


def by_hand(groups, first, second):
    alike = []
    for i, j in itertools.combinations(range(len(groups)), 2):
        if groups[i] != groups[j] or None in (first[i], first[j], second[i], second[j]) or first[i] == first[j]:
            continue
        a, b = first[i] > first[j], second[i] - second[j]
        alike.append(0.5 if b == 0 else float(a == (b > 0)))
    return sum(alike) / len(alike) if alike else None


@pytest.mark.parametrize("seed", range(20))
def test_agreement_is_that_of_all_pairs(seed):
    one = rollout(seed)
    found = agreement(np.array(one.groups), *(np.array(values, dtype=float) for values in (one.original, one.replayed)))
    assert found == pytest.approx(by_hand(one.groups, one.original, one.replayed))


def test_a_reward_agrees_with_itself_and_not_with_its_opposite():
    groups, values = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.3, 0.5, 0.5, 0.9])
    assert agreement(groups, values, values) == 1
    assert agreement(groups, values, -values) == 0
    assert agreement(groups, values, np.ones(6)) == 0.5
    assert agreement(groups, np.ones(6), values) is None


def test_advantages_are_centred_in_their_groups_without_missing_ones():
    found = advantages(np.array([0, 0, 0, 1, 1]), np.array([1.0, 0.0, np.nan, 0.3, np.nan]))
    assert found[[0, 1, 3]].tolist() == pytest.approx([0.5, -0.5, 0.0])
    assert np.isnan(found[[2, 4]]).all()


def test_correlation_leaves_out_missing_values_and_needs_spread():
    a = np.array([1.0, 2.0, 3.0, np.nan])
    assert correlation(a, 2 * a + 1) == pytest.approx(1)
    assert correlation(a, -a) == pytest.approx(-1)
    assert correlation(a, np.ones(4)) is None
    assert correlation(a[:1], a[:1]) is None


@pytest.mark.parametrize("seed", range(5))
def test_aucs_are_those_of_groups_with_both_kinds(seed):
    one = rollout(seed)
    wanted = []
    for group in range(6):
        rows = [
            (reward, right)
            for own, reward, right in zip(one.groups, one.original, one.correct, strict=True)
            if own == group and reward is not None and right is not None
        ]
        pairs = [(a > b) + 0.5 * (a == b) for a, ok in rows for b, other in rows if ok and not other]
        if pairs:
            wanted.append((f"q{group % 4}", pytest.approx(sum(pairs) / len(pairs))))
    assert question_aucs(one, one.original) == wanted


def test_a_rollout_without_any_reward_has_no_numbers():
    empty = Rollout(1, ["q", "q"], [0, 0], [None, None], [None, None], [None, None])
    row = step_row(empty)
    assert row["missing"] == 1
    defined = {key for key, value in row.items() if value is not None}
    assert defined == {"step", "completions", "missing"}


@pytest.mark.parametrize(
    ("correlations", "wanted"),
    [
        ([0.9, 0.4, 0.4, 0.4], 2),
        ([0.9, 0.4, 0.6, 0.4, None, 0.1], 4),
        ([0.4, 0.4], None),
        ([0.9, 0.8, 0.7], None),
        ([None, None, None], 1),
    ],
)
def test_rewards_diverge_where_the_correlation_stays_low(correlations, wanted):
    rows = [{"step": step, "correlation": value, "agreement": 0.5} for step, value in enumerate(correlations, start=1)]
    assert divergence(rows, below=0.5, patience=3) == wanted


def test_a_step_without_anything_to_agree_on_says_nothing():
    rows = [{"step": step, "correlation": None, "agreement": None} for step in range(1, 9)]
    assert divergence(rows, below=0.5, patience=3) is None
    told = {"correlation": 0.1, "agreement": 0.4}
    assert divergence([rows[0] | told, rows[1], rows[2] | told, rows[3] | told], below=0.5, patience=3) == 1
