"""Two rewards of the same rollout compared with each other and with the truth.

Rewards are compared within groups, the completions of one question, because an algorithm whose baseline is the group's
mean learns from nothing else.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np

from gavel.stats.advantages import advantages, correlation
from gavel.stats.auc import auc
from gavel.stats.intervals import clustered_mean


class StepRow(TypedDict):
    """One rollout under its original reward and under another one. A value that is undefined is None.

    Attributes:
        completions: number of completions; the other columns leave out those without a reward.
        missing: fraction that the other reward lacks.
        original, replayed: mean rewards.
        correct: fraction of the completions whose correctness is known that are correct.
        agreement: of the pairs of a group's completions that the original reward tells apart, the fraction that the
            other one orders in the same way; ties count half.
        correlation: of the advantages (a reward minus its group's mean), over completions.
        auc_original, auc_replayed: AUC within questions against the truth, mean over groups.
    """

    step: int
    completions: int
    missing: float
    original: float | None
    replayed: float | None
    correct: float | None
    agreement: float | None
    correlation: float | None
    auc_original: float | None
    auc_replayed: float | None


class Rollout(NamedTuple):
    """A rollout's completions `(N,)` with two rewards and the truth; None where unknown.

    Attributes:
        questions: id of each completion's question.
        groups: of each completion; those of a group are adjacent.
    """

    step: int
    questions: Sequence[str]
    groups: Sequence[int]
    original: Sequence[float | None]
    replayed: Sequence[float | None]
    correct: Sequence[bool | None]


def step_row(rollout: Rollout) -> StepRow:
    """Compare both rewards on one rollout."""
    original, replayed = (np.array(values, dtype=float) for values in (rollout.original, rollout.replayed))
    groups = np.asarray(rollout.groups)
    known = [right for right in rollout.correct if right is not None]
    return {
        "step": rollout.step,
        "completions": len(groups),
        "missing": float(np.isnan(replayed).mean()),
        "original": _mean(original),
        "replayed": _mean(replayed),
        "correct": sum(known) / len(known) if known else None,
        "agreement": agreement(groups, original, replayed),
        "correlation": correlation(advantages(groups, original), advantages(groups, replayed)),
        "auc_original": _mean(np.array([value for _, value in question_aucs(rollout, rollout.original)])),
        "auc_replayed": _mean(np.array([value for _, value in question_aucs(rollout, rollout.replayed)])),
    }


def agreement(groups: np.ndarray, first: np.ndarray, second: np.ndarray) -> float | None:
    """Of the pairs within groups that `first` tells apart, the fraction that `second` orders alike; ties count half.

    Pairs with a missing reward (NaN) are left out; None without pairs.
    """
    alike, pairs = 0.0, 0
    for group in np.unique(groups):
        inside = groups == group
        a, b = first[inside], second[inside]
        orders = [np.sign(values[:, None] - values[None, :])[np.triu_indices(len(a), 1)] for values in (a, b)]
        told = np.isfinite(orders[0]) & np.isfinite(orders[1]) & (orders[0] != 0)
        one, other = orders[0][told], orders[1][told]
        alike += float((one == other).sum() + 0.5 * (other == 0).sum())
        pairs += int(told.sum())
    return alike / pairs if pairs else None


def question_aucs(rollout: Rollout, rewards: Sequence[float | None]) -> list[tuple[str, float]]:
    """(question, AUC of a reward) of each group that has both correct and incorrect completions."""
    members: dict[int, list[tuple[float, bool]]] = {}
    questions = dict(zip(rollout.groups, rollout.questions, strict=True))
    for group, reward, right in zip(rollout.groups, rewards, rollout.correct, strict=True):
        if reward is not None and right is not None:
            members.setdefault(group, []).append((reward, right))
    found = ((group, auc(*zip(*rows, strict=True))) for group, rows in members.items())
    return [(questions[group], value) for group, value in found if value is not None]


def divergence(rows: Sequence[StepRow], below: float, patience: int) -> int | None:
    """The first of `patience` consecutive steps at which the advantages' correlation is below `below`; None if there is
    none.

    A reward that is the same for all completions of a question counts as uncorrelated with one that tells them apart. A
    step at which the original reward tells nothing apart says nothing, and ends no sequence.
    """
    apart: list[int] = []
    for row in rows:
        if row["agreement"] is None:
            continue
        apart = [*apart, row["step"]] if row["correlation"] is None or row["correlation"] < below else []
        if len(apart) == patience:
            return apart[0]
    return None


def mean_with_interval(groups: Sequence[str], values: Sequence[float]) -> tuple[float, float, float] | None:
    """Mean of values in [0, 1] and its 95 % interval, resampled by group; None without values."""
    if not values:
        return None
    low, high = clustered_mean(groups, values)
    return sum(values) / len(values), low, high


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
