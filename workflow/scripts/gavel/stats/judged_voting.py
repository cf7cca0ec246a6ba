"""Selecting among one question's samples by a judge's scores: best-of-k and the score-weighted vote.

Pure functions without files or models. Answers and ties are treated as in `gavel.stats.voting`. A sample without a
score (None) casts no vote, and best-of-k picks it only if no sample of the draw has a score.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import combinations
from math import comb, inf

import numpy as np

# Number of draws that estimate a weighted vote if there are more. Over 1,000 questions, the choice of draws moves a
# mean by at most 0.1 percentage points (one standard error), the choice of questions by up to 1.6.
DRAWS = 256


def best_of_k(scores: Sequence[float | None], correct: Sequence[bool], k: int) -> float:
    """Probability that the best-scored of `k` samples, drawn without replacement, is correct.

    Exact: samples with equal best scores are equally likely to be picked, and every draw counts. Raises ValueError
    unless 1 <= k <= number of samples, and for lists of different lengths.
    """
    n = len(scores)
    _check(n, k)
    groups: dict[float, list[bool]] = {}
    for score, right in zip(scores, correct, strict=True):
        groups.setdefault(-inf if score is None else score, []).append(right)
    found, left = 0.0, n
    for score in sorted(groups, reverse=True):
        members = groups[score]
        # All draws without a better score, minus those without this score too.
        ways = comb(left, k) - comb(left - len(members), k)
        found += ways / comb(n, k) * sum(members) / len(members)
        left -= len(members)
    return found


def weighted_vote(
    answers: Sequence[str | None], scores: Sequence[float | None], correct: Sequence[bool], k: int
) -> float:
    """Probability that the vote of `k` samples, each weighted by its score, is correct.

    An answer's weight is the sum of its samples' scores. The result is the mean over all draws of `k` if there are at
    most `DRAWS`, so it is exact at k = number of samples. Otherwise it is the mean over `DRAWS` draws, the same for
    every question, and unbiased.

    Raises ValueError unless 1 <= k <= number of samples, and for lists of different lengths.
    """
    n = len(answers)
    _check(n, k)
    names = list(dict.fromkeys(answer for answer, score in zip(answers, scores, strict=True) if _votes(answer, score)))
    if not names:
        return 0.0
    weights, cast = np.zeros((n, len(names))), np.zeros((n, len(names)))
    right = np.zeros(len(names))
    for i, (answer, score, is_right) in enumerate(zip(answers, scores, correct, strict=True)):
        if _votes(answer, score):
            place = names.index(answer)
            weights[i, place], cast[i, place] = score, 1
            right[place] = is_right
    drawn = draws(n, k)
    totals = np.where(drawn @ cast > 0, drawn @ weights, -np.inf)
    top = totals.max(axis=1, keepdims=True)
    winners = np.isclose(totals, top, rtol=0, atol=1e-9) & np.isfinite(totals)
    count = winners.sum(axis=1)
    return float(np.mean(np.where(count, winners @ right / np.maximum(count, 1), 0)))


@cache
def draws(n: int, k: int) -> np.ndarray:
    """Draws of k of n samples without replacement, shape (draws, n) of 0 and 1: all of them, or `DRAWS` seeded ones."""
    if comb(n, k) <= DRAWS:
        chosen: Sequence[Iterable[int]] = list(combinations(range(n), k))
    else:
        rng = np.random.default_rng((n, k))
        chosen = [rng.choice(n, k, replace=False) for _ in range(DRAWS)]
    table = np.zeros((len(chosen), n))
    for row, places in zip(table, chosen, strict=True):
        row[list(places)] = 1
    return table


def _votes(answer: str | None, score: float | None) -> bool:
    return answer is not None and score is not None


def _check(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k = {k} must be between 1 and the number of samples, {n}")
