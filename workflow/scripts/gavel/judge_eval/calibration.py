"""Is this judge good enough to train on? Measured on solutions whose truth is known, before it gives any reward."""

import re
import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from gavel.common.errors import InputError
from gavel.judge.verdict import MAX_MISSING, Compared, Verdict
from gavel.judge_eval.records import VerdictRow, Verdicts
from gavel.stats.auc import auc, auc_within, margins_within
from gavel.stats.intervals import bootstrap_mean, clustered_mean, mean_interval

MIN_QUESTIONS = 10  # for a judge to pass the gate
BINS = 10  # of the reliability plot and the calibration error
# Figures of a probability that a solution is right, whichever others there are.
ABSOLUTE = ("accuracy", "accuracy_ci95", "accuracy_best", "threshold_best", "auc", "ece")


def calibrate(groups: Sequence[Hashable], verdicts: Sequence[Verdict], correct: Sequence[bool]) -> dict[str, Any]:
    """A judge's figures on solutions with known truth.

    Args:
        groups: each solution's question.
        verdicts: what the judge said; unasked ones (score None) are left out and counted.
        correct: the verifier's verdicts.

    All figures are of the probability that a solution is right, whatever the judge's score makes of it. A judge that
    says only how a solution stands among those of its question (`Verdict.compared`) has no such probability: accuracy,
    pooled AUC and calibration error are then None, the reliability empty, and the AUC within questions is the figure.

    Returns:
        `n`, `missing`, `questions`, `base_rate`, `mean_score`, `accuracy` at 0.5 with `accuracy_ci95`,
        `accuracy_best` at `threshold_best`, `auc`, `auc_within` (the mean) with `auc_within_ci95` over
        `auc_within_questions`,
        `margin_within` (mean probability of right solutions less that of wrong ones, of the same questions) with
        `margin_within_ci95`, `ece` (expected calibration error, 10 equal bins), `off_label_mass`, `truncated`,
        `phrasings` (None where there is one), `comparisons` (as `compared`, None for a judge of single solutions),
        `reliability` (a dict a bin) and `histogram`. Intervals are over questions.

    Raises:
        InputError: no solution was scored.
    """
    kept = [(g, v, bool(c)) for g, v, c in zip(groups, verdicts, correct, strict=True) if v.score is not None]
    if not kept:
        raise InputError(
            "the judge answered on no solution, so there is nothing to calibrate; is its server up, and if it compares "
            "solutions, has a question more than one?"
        )
    scores = np.array([v.probability for _, v, _ in kept])
    right = np.array([c for _, _, c in kept])
    hits = (scores > 0.5) == right
    thresholds = np.unique(np.append(scores, [0.0, 1.0]))
    by_threshold = _accuracies(scores, right, thresholds)
    questions = [g for g, _, _ in kept]
    within = auc_within(questions, scores.tolist(), right.tolist())
    margins = margins_within(questions, scores.tolist(), right.tolist())
    bins = np.clip((scores * BINS).astype(int), 0, BINS - 1)
    reliability = []
    for b in range(BINS):
        inside = bins == b
        n = int(inside.sum())
        row = {"low": b / BINS, "high": (b + 1) / BINS, "n": n, "judge": None, "correct": None, "ci95": None}
        if n:
            good = int(right[inside].sum())
            own = [question for question, here in zip(questions, inside, strict=True) if here]
            interval = clustered_mean(own, right[inside].astype(float).tolist())
            row |= {"judge": float(scores[inside].mean()), "correct": good / n, "ci95": list(interval)}
        reliability.append(row)
    edges = np.linspace(0, 1, 2 * BINS + 1)
    found = {
        "n": len(kept),
        "missing": len(verdicts) - len(kept),
        "questions": len(set(questions)),
        "base_rate": float(right.mean()),
        "mean_score": float(scores.mean()),
        "accuracy": float(hits.mean()),
        "accuracy_ci95": list(clustered_mean(questions, hits.astype(float).tolist())),
        "accuracy_best": float(by_threshold.max()),
        "threshold_best": float(thresholds[by_threshold.argmax()]),
        "auc": auc(scores, right),
        "auc_within": statistics.fmean(within) if within else None,
        "auc_within_ci95": list(mean_interval(within)) if within else None,
        "auc_within_questions": len(within),
        "margin_within": statistics.fmean(margins) if margins else None,
        "margin_within_ci95": list(bootstrap_mean(margins)) if len(set(margins)) > 1 else None,
        "ece": sum(r["n"] * abs(r["judge"] - r["correct"]) for r in reliability if r["n"]) / len(kept),
        "off_label_mass": statistics.fmean(v.off_label for _, v, _ in kept),
        "truncated": sum(v.truncated for _, v, _ in kept),
        "phrasings": agreement([v for _, v, _ in kept]),
        "comparisons": compared([v for _, v, _ in kept]),
        "reliability": reliability,
        "histogram": {
            "edges": edges.tolist(),
            "right": np.histogram(scores[right], edges)[0].tolist(),
            "wrong": np.histogram(scores[~right], edges)[0].tolist(),
        },
    }
    return found | dict.fromkeys(ABSOLUTE) | {"reliability": []} if found["comparisons"] else found


def compared(verdicts: Sequence[Verdict]) -> dict[str, Any] | None:
    """How far a judge that compares goes by the order of the solutions, over all comparisons of all solutions.

    Returns:
        `opponents` (different solutions that one was held against, mean), `first_bias` (mean probability that whichever
        stands first wins, less 0.5), `flipped` (share of pairs whose winner changes with the order); None where nothing
        was compared. The latter two are None where all solutions of each question are equal.
    """
    known = [v.compared for v in verdicts if v.compared]
    if not known:
        return None
    pairs = sum(one.opponents for one in known)

    def mean(values: Iterable[float]) -> float | None:
        weighted = sum(one.opponents * value for one, value in zip(known, values, strict=True))
        return weighted / pairs if pairs else None

    return {
        "opponents": pairs / len(known),
        "first_bias": mean(one.first - 0.5 for one in known),
        "flipped": mean(one.flipped for one in known),
    }


def agreement(verdicts: Sequence[Verdict]) -> dict[str, Any] | None:
    """How far phrasings of the judging prompt agree: share on the `same_side` of 0.5, mean `spread` (highest - lowest).

    None where there is one phrasing.
    """
    each = np.array([v.phrasings for v in verdicts if v.phrasings])
    if not each.size:
        return None
    sides = (each > 0.5).sum(1)
    return {
        "phrasings": each.shape[1],
        "same_side": float(((sides == 0) | (sides == each.shape[1])).mean()),
        "spread": float((each.max(1) - each.min(1)).mean()),
    }


def by_length(lengths: Sequence[int]) -> list[str]:
    """Each solution's third by length, as a range of tokens: thirds of the solutions, so far as lengths tie."""
    low, high = np.quantile(lengths, [1 / 3, 2 / 3], method="inverted_cdf")
    middle = f"{high:.0f}" if high == low + 1 else f"{low + 1:.0f} to {high:.0f}"
    names = {0: f"at most {low:.0f}", 1: middle, 2: f"at least {high + 1:.0f}"}
    return [names[int(length > low) + int(length > high)] for length in lengths]


def breakdown(
    parts: Sequence[str], groups: Sequence[str], verdicts: Sequence[Verdict], correct: Sequence[bool]
) -> list[dict[str, Any]]:
    """A judge's figures for parts of the solutions apart.

    Args:
        parts: the part that each solution belongs to.

    Returns:
        For each part, in order of its first number and its name: `part`, `n`, `base_rate`, `accuracy` at 0.5 with
        `accuracy_ci95` (None for a judge that compares), `auc_within` (None where no question has both right and wrong
        solutions), `judge` (mean probability).
    """
    members: dict[str, list[tuple]] = defaultdict(list)
    for part, group, verdict, right in zip(parts, groups, verdicts, correct, strict=True):
        if verdict.score is not None:
            members[part].append((group, verdict.probability, right))
    relative = any(verdict.compared for verdict in verdicts)
    rows = []
    for part in sorted(members, key=lambda part: (int((re.findall(r"[0-9]+", part) or [0])[0]), part)):
        names, scores, rights = zip(*members[part], strict=True)
        hits = [float((score > 0.5) == right) for score, right in zip(scores, rights, strict=True)]
        within = auc_within(names, scores, rights)
        rows.append(
            {
                "part": part,
                "n": len(scores),
                "base_rate": sum(rights) / len(rights),
                "accuracy": None if relative else statistics.fmean(hits),
                "accuracy_ci95": None if relative else list(clustered_mean(names, hits)),
                "auc_within": statistics.fmean(within) if within else None,
                "judge": statistics.fmean(scores),
            }
        )
    return rows


def whole(rows: Sequence[VerdictRow]) -> dict[str, Any]:
    """Everything that the report shows of a judge, from `gavel.judge_eval.verdicts.judge_policy`'s rows.

    The figures of `calibrate` on problems as they were drawn, and breakdowns `by_kind` (perturbed problems too),
    `by_length` and `by_steps`.
    """

    def columns(part: Sequence[VerdictRow]) -> tuple:
        return [r["id"] for r in part], [_verdict(r) for r in part], [r["correct"] for r in part]

    unperturbed = [row for row in rows if row["kind"] is None] or list(rows)
    plain = columns(unperturbed)
    found = calibrate(*plain)
    found["by_length"] = breakdown(by_length([row["tokens"] for row in unperturbed]), *plain)
    found["by_steps"] = breakdown([f"{min(row['steps'], 9)}{'+' * (row['steps'] > 8)}" for row in unperturbed], *plain)
    kinds = [row["kind"] or "as drawn" for row in rows]
    found["by_kind"] = breakdown(kinds, *columns(rows)) if len(set(kinds)) > 1 else []
    return found


def _verdict(row: Verdicts) -> Verdict:
    held = Compared(**row["compared"]) if row.get("compared") else None
    spoken = (row["off_label_mass"], row["truncated"], row["probability"], tuple(row["phrasings"]))
    return Verdict(row["judge"], *spoken, held)


def headline(found: dict[str, Any]) -> str:
    """What to say of a judge first: its AUC within questions, and its accuracy or its position bias."""
    within = "undefined" if found["auc_within"] is None else f"{found['auc_within']:.3f}"
    told = [f"AUC within questions {within}"]
    if found["accuracy"] is not None:
        told.insert(0, f"accuracy {found['accuracy']:.3f}")
    if (found["comparisons"] or {}).get("flipped") is not None:
        told.append("position bias {first_bias:+.3f}, {flipped:.1%} of pairs flip".format(**found["comparisons"]))
    return ", ".join(told)


def too_weak(found: dict[str, Any], least: float | None, most: float | None = None) -> str | None:
    """Why a judge with these figures should not give rewards, or None.

    Args:
        least: what its AUC within questions must reach, which must also rest on enough answers and on enough questions
            that have both right and wrong solutions; None asks nothing.
        most: of its probability that may fall on other tokens than the labels, mean; None asks nothing.
    """
    if most is not None and found["off_label_mass"] > most:
        return (
            f"{found['off_label_mass']:.0%} of the judge's probability is on other tokens than its labels, above "
            f"{most:.0%} (judge.max_off_label), so it hardly answers the question; check its prompt, labels and chat "
            "template"
        )
    if least is None:
        return None
    silent = found["missing"] / (found["missing"] + found["n"])
    if silent > MAX_MISSING:
        return f"the judge gave no answer on {silent:.0%} of the solutions, so its figures say little"
    within, questions = found["auc_within"], found["auc_within_questions"]
    if questions < MIN_QUESTIONS:
        return f"the judge's AUC within questions rests on {questions} questions; {MIN_QUESTIONS} are needed"
    return None if within >= least else f"the judge's AUC within questions is {within:.3f}, below {least:g}"


def _accuracies(scores: np.ndarray, right: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Accuracy of 'score above the threshold means right', for each threshold."""
    order = np.argsort(scores)
    below = np.searchsorted(scores[order], thresholds, side="right")
    good = np.concatenate([[0], np.cumsum(right[order])])
    wrong_below, right_above = below - good[below], good[-1] - good[below]
    return (wrong_below + right_above) / len(scores)
