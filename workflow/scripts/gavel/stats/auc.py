"""How well scores separate correct from incorrect solutions: the area under the ROC curve, pooled and per question."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata


def auc(scores: Sequence[float], correct: Sequence[bool]) -> float | None:
    """Area under the ROC curve: the probability that a correct solution scores above an incorrect one, ties half.

    None if all solutions are correct or all are incorrect.
    """
    right = np.asarray(correct, dtype=bool)
    positives, negatives = int(right.sum()), int((~right).sum())
    if not positives or not negatives:
        return None
    ranks = rankdata(scores)
    return float((ranks[right].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_within(groups: Sequence[Hashable], scores: Sequence[float], correct: Sequence[bool]) -> list[float]:
    """The AUC within each question that has both correct and incorrect solutions.

    Their mean is what a group-relative algorithm sees; the pooled AUC also credits a judge for separating easy
    questions from hard ones.
    """
    values = [auc(samples.scores, samples.correct) for samples in _within(groups, scores, correct)]
    return [value for value in values if value is not None]


def margins_within(groups: Sequence[Hashable], scores: Sequence[float], correct: Sequence[bool]) -> list[float]:
    """The reward margin within each question: the mean score of its correct solutions minus that of its incorrect ones.

    Questions without both are left out. A judge that ranks solutions perfectly may still give them nearly equal
    rewards.
    """
    margins = []
    for values, right in _within(groups, scores, correct):
        parts = [[value for value, ok in zip(values, right, strict=True) if ok == wanted] for wanted in (True, False)]
        if all(parts):
            margins.append(sum(parts[0]) / len(parts[0]) - sum(parts[1]) / len(parts[1]))
    return margins


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
