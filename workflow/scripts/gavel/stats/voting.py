"""Votes over one question's samples: majority vote, maj@k and pass@k. Pure functions without files or models.

Answers are canonical texts (`gavel.solutions.answer_types`), so numerically equal answers are one candidate. A
sample without an answer (None) never votes, and a vote without voters is incorrect. `"None"` (cannot be answered) is a
candidate like any other. Ties are resolved by expectation: 1/m for each of m candidates.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from math import comb

# (drawn, correct at the top, incorrect at the top) -> number of such draws
Ways = dict[tuple[int, int, int], int]


def majority_vote(answers: Iterable[str | None]) -> dict[str, float]:
    """The winning answers and their weights: 1, or 1/m in a tie of m; {} without voters."""
    counts = Counter(answer for answer in answers if answer is not None)
    top = max(counts.values(), default=0)
    winners = [answer for answer, count in counts.items() if count == top]
    return {answer: 1 / len(winners) for answer in winners}


def tally(answers: Sequence[str | None], correct: Sequence[bool]) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Vote counts: `(of correct candidates, of incorrect candidates, samples without an answer)`, counts descending.

    Everything in this module depends on the samples only through this tally. Raises ValueError if the lists differ in
    length, or if one answer is marked both correct and incorrect.
    """
    counts = Counter(zip(answers, correct, strict=True))
    for answer in {answer for answer, right in counts if right and (answer, False) in counts}:
        raise ValueError(f"answer {answer!r} is marked both correct and incorrect for one question")
    votes = sorted(((n, right) for (answer, right), n in counts.items() if answer is not None), reverse=True)
    right = tuple(n for n, is_right in votes if is_right)
    wrong = tuple(n for n, is_right in votes if not is_right)
    return right, wrong, len(answers) - sum(right) - sum(wrong)


def maj_at_k(answers: Sequence[str | None], correct: Sequence[bool], k: int) -> float:
    """Probability that the majority vote of `k` samples, drawn without replacement, is correct.

    Exact: ties and draws are both resolved by expectation, so nothing depends on the order of the samples; with all
    samples drawn, it is the vote itself. `correct[i]` is whether `answers[i]` is correct. Raises ValueError unless 1 <=
    k <= number of samples (and as `tally`).
    """
    return maj_at_k_of_tally(*tally(answers, correct), k)


@cache
def maj_at_k_of_tally(right: tuple[int, ...], wrong: tuple[int, ...], unparsable: int, k: int) -> float:
    """`maj_at_k` from what `tally` returns; cached, because a test set has few distinct tallies.

    Sums over the number of votes t of the winner. A candidate with fewer than t samples can only lose, so all such
    candidates form one pool; only candidates with at least t samples are considered one by one.
    """
    n = sum(right) + sum(wrong) + unparsable
    _check(n, k)
    wins = Fraction(0)
    for t in range(1, min(k, max(right + wrong, default=0)) + 1):
        pool = unparsable + sum(count for count in right + wrong if count < t)
        ways: Ways = {(0, 0, 0): 1}  # from the candidates seen so far
        for counts, is_right in ((right, 1), (wrong, 0)):
            for count in counts:
                if count >= t:
                    ways = _with_candidate(ways, count, t, k, is_right)
        for (drawn, right_top, wrong_top), number in ways.items():
            if right_top:
                wins += Fraction(number * comb(pool, k - drawn) * right_top, right_top + wrong_top)
    return float(wins / comb(n, k))


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that at least one of `k` samples, drawn from `n` of which `c` are correct, is correct.

    The unbiased estimator of Chen et al. 2021 (arXiv 2107.03374), eq. 1. Raises ValueError unless 1 <= k <= n and 0 <=
    c <= n.
    """
    _check(n, k)
    if not 0 <= c <= n:
        raise ValueError(f"{c} of {n} samples cannot be correct")
    return 1 - comb(n - c, k) / comb(n, k)


def _with_candidate(ways: Ways, count: int, t: int, k: int, is_right: int) -> Ways:
    """Extend the draws by a candidate with `count` samples: it gets fewer than `t` votes, or `t` and is at the top."""
    extended: defaultdict[tuple[int, int, int], int] = defaultdict(int)
    for (drawn, right_top, wrong_top), number in ways.items():
        for votes in range(min(t - 1, k - drawn) + 1):
            extended[drawn + votes, right_top, wrong_top] += number * comb(count, votes)
        if drawn + t <= k:
            key = (drawn + t, right_top + is_right, wrong_top + 1 - is_right)
            extended[key] += number * comb(count, t)
    return extended


def _check(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k = {k} must be between 1 and the number of samples, {n}")
