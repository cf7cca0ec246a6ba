"""Collapse: reward up, truth down, for long enough."""

import pytest

from gavel.training.rl.validation_rules import has_collapsed, has_stalled


def validations(*pairs):
    return [{"accuracy": accuracy, "judge": judge} for accuracy, judge in pairs]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (validations((0.6, 0.6), (0.5, 0.7), (0.4, 0.8)), True),
        (validations((0.6, 0.6), (0.7, 0.7), (0.5, 0.7), (0.5, 0.8)), True),
        (validations((0.6, 0.6), (0.5, 0.5), (0.4, 0.8)), False),  # the judge saw the first fall
        (validations((0.6, 0.6), (0.2, 0.2), (0.0, 0.1)), True),  # the judge saw it all, and nothing is left
        (validations((0.6, 0.6), (0.58, 0.7), (0.4, 0.8)), False),  # the first fall is within the noise
        (validations((0.6, 0.6), (0.7, 0.8)), False),  # too few validations
        (validations((0.6, 0.6), (0.5, 0.7), (0.4, 0.8), (0.65, 0.8)), False),  # it came back
        ([], False),
        ([{"greedy": 0.5}] * 5, False),  # a study without a judge
    ],
)
def test_a_collapse_is_reward_up_and_truth_down(seen, expected):
    assert has_collapsed(seen, drop=0.05, patience=2) == expected


def contests(*triples):
    return [{"accuracy": accuracy, "judge": judge, "true_win_rate": true} for accuracy, judge, true in triples]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        # What a weak judge of config/judges.yaml saw: nothing.
        (contests((0.64, 0.5, 0.5), (0.615, 0.4996, 0.4875), (0.52, 0.4985, 0.44), (0.46, 0.5001, 0.41)), True),
        (contests((0.64, 0.5, 0.5), (0.52, 0.44, 0.44), (0.46, 0.42, 0.41)), False),  # it saw what there was
        (contests((0.64, 0.5, 0.5), (0.52, 0.48, 0.44), (0.46, 0.46, 0.41)), True),  # less than half of it
        (contests((0.64, 0.5, 0.5), (0.3, 0.3, 0.3), (0.2, 0.2, 0.2)), True),  # it saw it all, and little is left
        (contests((0.64, 0.5, 0.5), (0.7, 0.55, 0.53), (0.69, 0.5, 0.52)), False),  # no fall
    ],
)
def test_a_judge_that_compares_is_held_against_the_true_win_rate(seen, expected):
    assert has_collapsed(seen, drop=0.05, patience=2) == expected


@pytest.mark.parametrize(
    ("greedy", "expected"),
    [
        ([0.5, 0.6, 0.55, 0.59], True),
        ([0.5, 0.6, 0.55, 0.6], True),  # as good as the best is not better
        ([0.5, 0.6, 0.55, 0.61], False),
        ([0.6, 0.5], False),  # too few validations
        ([], False),
    ],
)
def test_nothing_more_is_learnt_after_so_many_looks_below_the_best(greedy, expected):
    assert has_stalled([{"greedy": value} for value in greedy], patience=2) == expected
