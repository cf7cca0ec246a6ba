"""Choosing among one question's samples by a judge's scores: best-of-k and the judge-weighted vote.

Pure functions; no files, no models. Answers and ties are as in `gavel.stats.voting`; a sample without a score (None)
casts no vote, and is picked only from draws in which none has one.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import combinations
from math import comb, inf

import numpy as np

# Draws by which a weighted vote is estimated where there are more. Over 1,000 questions their choice moves a mean by at
# most 0.1 points (one standard error), the choice of questions by up to 1.6.
DRAWS = 256


def best_of_k(scores: Sequence[float | None], correct: Sequence[bool], k: int) -> float:
    """Probability that the best-scored of `k` of the samples, drawn without replacement, is right.

    Exact: of equal best scores each is picked as often, and every draw counts. Raises ValueError unless
    1 <= k <= number of samples, and for lists of different lengths.
    """
    n = len(scores)
    _check(n, k)
    groups: dict[float, list[bool]] = {}
    for score, right in zip(scores, correct, strict=True):
        groups.setdefault(-inf if score is None else score, []).append(right)
    found, left = 0.0, n
    for score in sorted(groups, reverse=True):
        members = groups[score]
        # All draws without a better score, less those without this one either.
        ways = comb(left, k) - comb(left - len(members), k)
        found += ways / comb(n, k) * sum(members) / len(members)
        left -= len(members)
    return found


def weighted_vote(
    answers: Sequence[str | None], scores: Sequence[float | None], correct: Sequence[bool], k: int
) -> float:
    """Probability that the vote of `k` of the samples, each with the weight of its score, is right.

    An answer's weight is the sum of its samples' scores. The mean over all draws of `k` where these are at most
    `DRAWS`, so exact at k = number of samples; else over `DRAWS` draws, the same for every question: unbiased.

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
    """Draws of k of n samples without replacement, (draws, n) of 0 and 1: all of them, or `DRAWS` seeded ones."""
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
        raise ValueError(f"k = {k} needs between 1 and the number of samples, {n}")
