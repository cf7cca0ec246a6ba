"""Is this judge good enough to train on? Measured on solutions whose truth is known, before it pays any reward."""

import statistics
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from gavel.judge import Verdict
from gavel.statistics import wilson

BINS = 10  # of the reliability plot and the calibration error


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


def auc_within(groups: Sequence[str], scores: Sequence[float], correct: Sequence[bool]) -> tuple[float | None, int]:
    """Mean AUC over the questions that have both right and wrong solutions, and how many those are.

    This is what a group-relative algorithm sees; the pooled AUC also credits a judge for telling easy questions from
    hard ones.
    """
    members = defaultdict(list)
    for group, value, right in zip(groups, scores, correct, strict=True):
        members[group].append((value, right))
    values = [auc(*zip(*rows, strict=True)) for rows in members.values()]
    values = [value for value in values if value is not None]
    return (statistics.fmean(values) if values else None), len(values)


def calibrate(groups: Sequence[str], verdicts: Sequence[Verdict], correct: Sequence[bool]) -> dict:
    """A judge's figures on solutions with known truth.

    Args:
        groups: each solution's question.
        verdicts: what the judge said; unasked ones (score None) are left out and counted.
        correct: the verifier's verdicts.

    Returns:
        `n`, `missing`, `questions`, `base_rate`, `accuracy` at 0.5 with `accuracy_ci95` (Wilson), `accuracy_best` at
        `threshold_best`, `auc`, `auc_within` over `auc_within_questions`, `ece` (expected calibration error, 10 equal
        bins), `off_label_mass`, `truncated`, `reliability` (a dict a bin) and `histogram`.

    Raises:
        ValueError: no solution was scored.
    """
    kept = [(g, v, bool(c)) for g, v, c in zip(groups, verdicts, correct, strict=True) if v.score is not None]
    if not kept:
        raise ValueError("the judge scored no solution, so there is nothing to calibrate")
    scores = np.array([v.score for _, v, _ in kept])
    right = np.array([c for _, _, c in kept])
    hits = int(((scores > 0.5) == right).sum())
    thresholds = np.unique(np.append(scores, [0.0, 1.0]))
    by_threshold = _accuracies(scores, right, thresholds)
    within, within_questions = auc_within([g for g, _, _ in kept], scores.tolist(), right.tolist())
    bins = np.clip((scores * BINS).astype(int), 0, BINS - 1)
    reliability = []
    for b in range(BINS):
        inside = bins == b
        n = int(inside.sum())
        row = {"low": b / BINS, "high": (b + 1) / BINS, "n": n, "judge": None, "correct": None, "ci95": None}
        if n:
            good = int(right[inside].sum())
            row |= {"judge": float(scores[inside].mean()), "correct": good / n, "ci95": list(wilson(good, n))}
        reliability.append(row)
    edges = np.linspace(0, 1, 2 * BINS + 1)
    return {
        "n": len(kept),
        "missing": len(verdicts) - len(kept),
        "questions": len({g for g, _, _ in kept}),
        "base_rate": float(right.mean()),
        "accuracy": hits / len(kept),
        "accuracy_ci95": list(wilson(hits, len(kept))),
        "accuracy_best": float(by_threshold.max()),
        "threshold_best": float(thresholds[by_threshold.argmax()]),
        "auc": auc(scores, right),
        "auc_within": within,
        "auc_within_questions": within_questions,
        "ece": sum(r["n"] * abs(r["judge"] - r["correct"]) for r in reliability if r["n"]) / len(kept),
        "off_label_mass": statistics.fmean(v.off_label for _, v, _ in kept),
        "truncated": sum(v.truncated for _, v, _ in kept),
        "reliability": reliability,
        "histogram": {
            "edges": edges.tolist(),
            "right": np.histogram(scores[right], edges)[0].tolist(),
            "wrong": np.histogram(scores[~right], edges)[0].tolist(),
        },
    }


def _accuracies(scores: np.ndarray, right: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Accuracy of 'score above the threshold means right', for each threshold."""
    order = np.argsort(scores)
    below = np.searchsorted(scores[order], thresholds, side="right")
    good = np.concatenate([[0], np.cumsum(right[order])])
    wrong_below, right_above = below - good[below], good[-1] - good[below]
    return (wrong_below + right_above) / len(scores)
