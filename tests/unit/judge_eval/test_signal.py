"""Whether there is anything to learn: a student that never answers, a judge that is a coin, and a good study."""

import itertools
import math
import random
import re

import pytest

from gavel.judge_eval.signal import Limits, Plan, Signal, detectable, measure, mixed_probability
from helpers.typed_rows import assert_typed

PLAN = Plan(group_size=8, groups=24, rewards=True, test_questions=1000, seeds=3)
LIMITS = Limits(min_mixed=0.05, max_truncated=0.5, min_correlation=0.25)


def responses(solved=lambda rng: rng.random(), score=lambda right, rng: 0.9 * right, cut=0.0, questions=200):
    """Eight judged responses to each question; `solved` draws how often a question is solved."""
    rng, rows = random.Random(0), []
    for number in range(questions):
        rate = solved(rng)
        for _ in range(8):
            right = rng.random() < rate
            rows.append(
                {"id": f"q{number}", "kind": None, "correct": right, "judge": score(right, rng)}
                | {"finished": rng.random() >= cut}
            )
    return rows


def test_a_good_study_passes():
    found = measure(responses(score=lambda right, rng: 0.3 + 0.4 * right + 0.1 * rng.random()), PLAN, LIMITS)
    assert_typed([found], Signal)
    assert found["weak"] is None
    assert (found["questions"], found["samples"], found["group_size"]) == (200, 1600, 8)
    assert found["mixed_ci95"][0] < found["mixed"] < found["mixed_ci95"][1]
    assert found["mixed"] == pytest.approx(7 / 9, abs=0.08)  # of a rate that is uniform: 1 - 2/9
    assert found["effective_groups"] == pytest.approx(24 * found["mixed"])
    assert found["correlation"] > 0.95
    assert found["noise"] < 0.2 * found["spread"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solved": lambda rng: 0.0}, r"^0\.0% of the groups .*the student solves too few questions"),
        ({"solved": lambda rng: 1.0}, "the student solves nearly all questions; choose harder ones"),
        ({"score": lambda right, rng: float(rng.random() < 0.5)}, "its reward is mostly noise"),
        ({"score": lambda right, rng: 0.7}, "the same score"),
        ({"score": lambda right, rng: 1.0 - right}, r"correlation of -1\.00"),
        ({"cut": 0.8}, "of the responses are truncated, above 50%"),
    ],
    ids=["never answers", "solves all", "coin", "constant", "inverted", "truncated"],
)
def test_a_study_without_signal_is_weak(changes, message):
    assert re.search(message, measure(responses(**changes), PLAN, LIMITS)["weak"])


def test_a_coins_correlation_is_not_told_from_0():
    found = measure(responses(score=lambda right, rng: float(rng.random() < 0.5)), PLAN, LIMITS)
    low, high = found["correlation_ci95"]
    assert low < 0 < high
    assert high - low < 0.2
    assert found["noise"] == pytest.approx(found["spread"], rel=0.01)


def test_what_is_switched_off_stops_nothing():
    nothing = Limits(None, None, None)
    assert measure(responses(solved=lambda rng: 0.0, cut=1.0), PLAN, nothing)["weak"] is None
    alone = Plan(8, 24, rewards=False, test_questions=1000, seeds=1)  # lambda 1: the judge rewards no run
    assert measure(responses(score=lambda right, rng: 0.5), alone, LIMITS)["weak"] is None


def test_missing_scores_and_perturbed_questions_are_left_out():
    rows = responses()
    rows[0] |= {"judge": None}
    rows += [{"id": "p", "kind": "paraphrase", "correct": False, "judge": 1.0, "finished": False}] * 8
    found = measure(rows, PLAN, LIMITS)
    assert found["truncated"] == 0
    assert found["correlation"] == pytest.approx(1.0)


@pytest.mark.parametrize(("correct", "n", "size"), [(0, 8, 8), (8, 8, 8), (3, 8, 8), (3, 8, 4), (1, 8, 2), (2, 4, 8)])
def test_mixed_groups_are_counted(correct, n, size):
    outcomes = [True] * correct + [False] * (n - correct)
    drawn = [len(set(group)) > 1 for group in itertools.combinations(outcomes, min(size, n))]
    assert mixed_probability(correct, n, size) == pytest.approx(sum(drawn) / len(drawn))


def test_the_detectable_difference_is_found_four_times_out_of_five():
    rng, questions, seeds, found = random.Random(1), 400, 2, 0
    rates = [rng.random() for _ in range(questions)]
    wanted = detectable([[float(rng.random() < rate) for _ in range(32)] for rate in rates], questions, seeds)
    for _ in range(400):
        differences = [sum(rng.random() < rate for _ in range(seeds)) / seeds - (rng.random() < rate) for rate in rates]
        mean = sum(differences) / questions
        error = math.sqrt(sum((x - mean) ** 2 for x in differences) / (questions - 1) / questions)
        found += abs(mean + wanted) > 1.96 * error
    assert found / 400 == pytest.approx(0.8, abs=0.06)
    assert detectable([[1.0]], 100, 1) is None
