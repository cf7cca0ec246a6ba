"""Choices by a judge's score against brute-force enumeration of every draw."""

import random
from collections import defaultdict
from itertools import combinations
from math import comb
from statistics import mean

import pytest

from gavel.stats import judged_voting
from gavel.stats.judged_voting import best_of_k, weighted_vote
from gavel.stats.voting import maj_at_k


def best_by_force(scores, correct, k):
    found = []
    for chosen in combinations(range(len(scores)), k):
        top = max(-1 if scores[i] is None else scores[i] for i in chosen)
        found.append(mean(correct[i] for i in chosen if (-1 if scores[i] is None else scores[i]) == top))
    return mean(found)


def vote_by_force(answers, scores, correct, k):
    found = []
    for chosen in combinations(range(len(answers)), k):
        weights, right = defaultdict(float), {}
        for i in chosen:
            if answers[i] is not None and scores[i] is not None:
                weights[answers[i]] += scores[i]
                right[answers[i]] = correct[i]
        top = max(weights.values(), default=0)
        found.append(mean(right[a] for a, w in weights.items() if abs(w - top) < 1e-9) if weights else 0)
    return mean(found)


def case(seed):
    rng = random.Random(seed)
    names = rng.sample(["18", "7", "0.5", "None", None], rng.randint(1, 5))
    answers = rng.choices(names, k=rng.randint(1, 8))
    correct = [answer in ("18", "None") for answer in answers]
    scores = [rng.choice([None, 0.0, 0.25, 0.5, 0.5, 0.9]) for _ in answers]
    return answers, scores, correct


@pytest.mark.parametrize("seed", range(40))
def test_both_are_means_over_all_draws(seed):
    answers, scores, correct = case(seed)
    for k in range(1, len(answers) + 1):
        assert best_of_k(scores, correct, k) == pytest.approx(best_by_force(scores, correct, k), abs=1e-12)
        expected = vote_by_force(answers, scores, correct, k)
        assert weighted_vote(answers, scores, correct, k) == pytest.approx(expected, abs=1e-12)


def test_one_sample_is_as_good_as_the_mean():
    answers, scores, correct = ["1", "2", "2"], [0.1, 0.9, 0.8], [True, False, False]
    assert best_of_k(scores, correct, 1) == pytest.approx(1 / 3)
    assert weighted_vote(answers, scores, correct, 1) == pytest.approx(1 / 3)


def test_a_judge_outvotes_a_majority_and_equal_scores_do_not():
    answers, correct = ["1", "2", "2"], [True, False, False]
    assert weighted_vote(answers, [0.9, 0.1, 0.1], correct, 3) == 1
    assert weighted_vote(answers, [0.5, 0.5, 0.5], correct, 3) == maj_at_k(answers, correct, 3) == 0
    assert best_of_k([0.9, 0.1, 0.1], correct, 3) == 1


def test_negative_scores_count_as_they_stand():
    # Log-odds: nobody's silence is better than a vote with a negative weight.
    assert weighted_vote(["1", "2"], [-1.0, -2.0], [True, False], 2) == 1


def test_the_estimate_over_some_draws_is_near_the_mean_over_all(monkeypatch):
    rng = random.Random(3)
    answers = [rng.choice(["1", "2", "3"]) for _ in range(12)]
    scores, correct = [rng.random() for _ in answers], [answer == "2" for answer in answers]
    estimate = weighted_vote(answers, scores, correct, 6)
    judged_voting.draws.cache_clear()
    monkeypatch.setattr(judged_voting, "DRAWS", comb(12, 6))
    exact = weighted_vote(answers, scores, correct, 6)
    judged_voting.draws.cache_clear()
    assert exact == pytest.approx(vote_by_force(answers, scores, correct, 6))
    assert estimate == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 256) ** 0.5)


@pytest.mark.parametrize("k", [0, 3])
def test_k_is_between_one_and_the_number_of_samples(k):
    with pytest.raises(ValueError, match="must be between 1"):
        best_of_k([0.5, 0.5], [True, False], k)
    with pytest.raises(ValueError, match="must be between 1"):
        weighted_vote(["1", "2"], [0.5, 0.5], [True, False], k)
