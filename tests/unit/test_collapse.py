"""Collapse: reward up, truth down, for long enough."""

import pytest

from gavel.collapse import collapsed, stale


def looks(*pairs):
    return [{"accuracy": accuracy, "judge": judge} for accuracy, judge in pairs]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (looks((0.6, 0.6), (0.5, 0.7), (0.4, 0.8)), True),
        (looks((0.6, 0.6), (0.7, 0.7), (0.5, 0.7), (0.5, 0.8)), True),
        (looks((0.6, 0.6), (0.5, 0.5), (0.4, 0.8)), False),  # the judge saw the first fall
        (looks((0.6, 0.6), (0.2, 0.2), (0.0, 0.1)), True),  # the judge saw it all, and nothing is left
        (looks((0.6, 0.6), (0.58, 0.7), (0.4, 0.8)), False),  # the first fall is within the noise
        (looks((0.6, 0.6), (0.7, 0.8)), False),  # too few looks
        (looks((0.6, 0.6), (0.5, 0.7), (0.4, 0.8), (0.65, 0.8)), False),  # it came back
        ([], False),
        ([{"greedy": 0.5}] * 5, False),  # a study without a judge
    ],
)
def test_a_collapse_is_reward_up_and_truth_down(seen, expected):
    assert collapsed(seen, drop=0.05, patience=2) == expected


@pytest.mark.parametrize(
    ("greedy", "expected"),
    [
        ([0.5, 0.6, 0.55, 0.59], True),
        ([0.5, 0.6, 0.55, 0.6], True),  # as good as the best is not better
        ([0.5, 0.6, 0.55, 0.61], False),
        ([0.6, 0.5], False),  # too few looks
        ([], False),
    ],
)
def test_nothing_more_is_learnt_after_so_many_looks_below_the_best(greedy, expected):
    assert stale([{"greedy": value} for value in greedy], patience=2) == expected
