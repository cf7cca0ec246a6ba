"""Votes against brute-force enumeration of every draw."""

import random
from collections import Counter
from fractions import Fraction
from itertools import combinations

import pytest

from gavel.stats.voting import maj_at_k, majority_vote, pass_at_k, tally


def brute_force(answers, correct, k):
    total, draws = Fraction(0), 0
    for chosen in combinations(range(len(answers)), k):
        draws += 1
        counts = Counter(answers[i] for i in chosen if answers[i] is not None)
        if counts:
            top = max(counts.values())
            winners = [answer for answer, count in counts.items() if count == top]
            right = {answers[i] for i in chosen if correct[i]}
            total += Fraction(sum(answer in right for answer in winners), len(winners))
    return float(total / draws)


def test_majority_vote():
    assert majority_vote(["18", "18", "7"]) == {"18": 1}
    assert majority_vote(["18", "7", None, None, None]) == {"18": 0.5, "7": 0.5}
    assert majority_vote(["None", "None", "3"]) == {"None": 1}
    assert majority_vote([None, None]) == {}
    assert majority_vote([]) == {}


@pytest.mark.parametrize("seed", range(40))
def test_maj_at_k_is_the_mean_over_all_draws(seed):
    rng = random.Random(seed)
    names = rng.sample(["18", "7", "0.5", "None", "3", None], rng.randint(1, 6))
    right = set(rng.sample(names, rng.randint(0, min(2, len(names))))) - {None}
    answers = rng.choices(names, k=rng.randint(1, 9))
    correct = [answer in right for answer in answers]
    for k in range(1, len(answers) + 1):
        assert maj_at_k(answers, correct, k) == pytest.approx(brute_force(answers, correct, k), abs=1e-12)


def test_maj_at_n_is_the_vote_with_ties_by_expectation():
    answers = ["18", "18", "7", "7", "3", None]
    correct = [True, True, False, False, False, False]
    assert maj_at_k(answers, correct, 6) == 0.5 == majority_vote(answers)["18"]
    assert maj_at_k([None, None], [False, False], 2) == 0
    assert maj_at_k([None, "1"], [False, True], 1) == 0.5
    assert maj_at_k([None, "1"], [False, True], 2) == 1


def test_maj_at_k_does_not_depend_on_order():
    answers = ["1", "2", "2", "3", None, "1", "4"]
    correct = [answer == "2" for answer in answers]
    pairs = list(zip(answers, correct, strict=True))
    expected = maj_at_k(answers, correct, 4)
    for seed in range(5):
        random.Random(seed).shuffle(pairs)
        assert maj_at_k(*map(list, zip(*pairs, strict=True)), 4) == expected


def test_two_right_candidates_share_the_tie_between_them():
    # 4.33 and 4.333 both match 13/3: whichever wins, the vote is right.
    assert maj_at_k(["4.33", "4.333", "5"], [True, True, False], 3) == pytest.approx(2 / 3)


def test_tally_refuses_contradictions_and_k_out_of_range():
    assert tally(["1", "2", "2", None], [False, True, True, False]) == ((2,), (1,), 1)
    with pytest.raises(ValueError, match="both correct and incorrect"):
        tally(["1", "1"], [True, False])
    with pytest.raises(ValueError, match="shorter"):
        tally(["1", "1"], [True])
    for k in (0, 3):
        with pytest.raises(ValueError, match=f"k = {k}"):
            maj_at_k(["1", "2"], [True, False], k)
        with pytest.raises(ValueError, match=f"k = {k}"):
            pass_at_k(2, 1, k)
    with pytest.raises(ValueError, match="3 of 2"):
        pass_at_k(2, 3, 1)


@pytest.mark.parametrize(("n", "c"), [(8, 0), (8, 1), (8, 5), (8, 8)])
def test_pass_at_k_is_the_mean_over_all_draws(n, c):
    for k in range(1, n + 1):
        draws = list(combinations([True] * c + [False] * (n - c), k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


@pytest.mark.timeout(60)  # enumerating the subsets would need ages
def test_many_samples_agree_with_random_draws():
    answers = ["18"] * 40 + ["7"] * 30 + [str(n) for n in range(100, 130)]
    value = maj_at_k(answers, [answer == "18" for answer in answers], 32)
    rng = random.Random(0)
    draws = [majority_vote(rng.sample(answers, 32)).get("18", 0) for _ in range(4000)]
    assert value == pytest.approx(sum(draws) / len(draws), abs=0.03)
