"""How well scores tell right solutions from wrong ones: the area under the ROC curve, pooled and within questions."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata


def auc(scores: Sequence[float], correct: Sequence[bool]) -> float | None:
    """Area under the ROC curve: the chance that a right solution scores above a wrong one, ties half.

    None where all solutions are right or all are wrong.
    """
    right = np.asarray(correct, dtype=bool)
    positives, negatives = int(right.sum()), int((~right).sum())
    if not positives or not negatives:
        return None
    ranks = rankdata(scores)
    return float((ranks[right].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_within(groups: Sequence[Hashable], scores: Sequence[float], correct: Sequence[bool]) -> list[float]:
    """The AUC within each question that has both right and wrong solutions.

    Their mean is what a group-relative algorithm sees; the pooled AUC also credits a judge for telling easy questions
    from hard ones.
    """
    values = [auc(own.scores, own.correct) for own in _within(groups, scores, correct)]
    return [value for value in values if value is not None]


def margins_within(groups: Sequence[Hashable], scores: Sequence[float], correct: Sequence[bool]) -> list[float]:
    """The mean score of right solutions less that of wrong ones, within each question that has both.

    A judge that orders them rightly may still give nearly the same reward.
    """
    found = []
    for own, right in _within(groups, scores, correct):
        parts = [[one for one, ok in zip(own, right, strict=True) if ok == wanted] for wanted in (True, False)]
        if all(parts):
            found.append(sum(parts[0]) / len(parts[0]) - sum(parts[1]) / len(parts[1]))
    return found


class _Scored(NamedTuple):
    """The samples of one question."""

    scores: list[float]
    correct: list[bool]


def _within(groups: Sequence[Hashable], scores: Sequence[float], correct: Sequence[bool]) -> list[_Scored]:
    """The samples of each question."""
    members: dict[Hashable, list[tuple[float, bool]]] = defaultdict(list)
    for group, value, right in zip(groups, scores, correct, strict=True):
        members[group].append((value, bool(right)))
    return [_Scored([score for score, _ in rows], [right for _, right in rows]) for rows in members.values()]
