"""Collapse: reward up, truth down, for long enough."""

import pytest

from gavel.collapse import collapsed


def looks(*pairs):
    return [{"accuracy": accuracy, "judge": judge} for accuracy, judge in pairs]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (looks((0.6, 0.6), (0.5, 0.7), (0.4, 0.8)), True),
        (looks((0.6, 0.6), (0.7, 0.7), (0.5, 0.7), (0.5, 0.8)), True),
        (looks((0.6, 0.6), (0.5, 0.5), (0.4, 0.8)), False),  # the judge saw the first fall
        (looks((0.6, 0.6), (0.58, 0.7), (0.4, 0.8)), False),  # the first fall is within the noise
        (looks((0.6, 0.6), (0.7, 0.8)), False),  # too few looks
        (looks((0.6, 0.6), (0.5, 0.7), (0.4, 0.8), (0.65, 0.8)), False),  # it came back
        ([], False),
        ([{"greedy": 0.5}] * 5, False),  # a study without a judge
    ],
)
def test_a_collapse_is_reward_up_and_truth_down(seen, expected):
    assert collapsed(seen, drop=0.05, patience=2) == expected
