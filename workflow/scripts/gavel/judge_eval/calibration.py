"""A judge's calibration on verified responses, and whether it is good enough to train on, before any reward."""

import re
import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from gavel.common.errors import InputError
from gavel.judge.verdict import MAX_MISSING, ComparisonSummary, Verdict
from gavel.judge_eval.records import JudgeVerdict, VerdictRow
from gavel.stats.auc import auc, auc_within, margins_within
from gavel.stats.intervals import bootstrap_mean, clustered_difference, clustered_mean, mean_interval

MIN_QUESTIONS = 10  # minimum number of mixed-outcome questions for the gate
BINS = 10  # of the reliability plot and the calibration error
# Metrics that need the probability that a solution is correct.
RATES = ("tpr", "tpr_ci95", "fpr", "fpr_ci95", "youden_j", "youden_j_ci95")
ABSOLUTE = ("accuracy", "accuracy_ci95", "accuracy_best", "threshold_best", "auc", "ece", *RATES)


def calibrate(groups: Sequence[Hashable], verdicts: Sequence[Verdict], correct: Sequence[bool]) -> dict[str, Any]:
    """A judge's metrics on verified solutions.

    Args:
        groups: each solution's question.
        verdicts: the judge's; missing ones (score None) are left out and counted.
        correct: the verifier's verdicts.

    All metrics use the probability that a solution is correct, whatever the judge's score makes of it. A pairwise judge
    (`Verdict.compared`) ranks a solution only within its question and has no such probability: its accuracy, pooled AUC
    and calibration error are None, its reliability is empty, and the AUC within questions is the metric that counts.

    Returns:
        `n`, `missing`, `questions`, `base_rate`, `mean_score`; `accuracy` at 0.5 with `accuracy_ci95`; `tpr` and `fpr`
        (fractions of correct and of incorrect solutions above 0.5) and `youden_j` (their difference) with intervals
        (`tpr_ci95` and so on); `accuracy_best` at `threshold_best`; `auc`; `auc_within` (the mean) with
        `auc_within_ci95` over `auc_within_questions`; `margin_within` (mean probability of correct minus incorrect
        solutions of the same question) with `margin_within_ci95`; `ece` (expected calibration error, 10 equal bins);
        `off_label_mass`; `truncated`; `phrasings` (None with a single one); `comparisons` (as `position_bias`, None for
        a pointwise judge); `reliability` (one dict for each bin); and `histogram`. Intervals are over questions.

    Raises:
        InputError: no solution was scored.
    """
    kept = [(g, v, bool(c)) for g, v, c in zip(groups, verdicts, correct, strict=True) if v.score is not None]
    if not kept:
        raise InputError(
            "the judge gave no answer on any solution, so there is nothing to calibrate; check that its server is up, "
            "and for a pairwise judge that questions have several solutions"
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
        **error_rates(questions, (scores > 0.5).tolist(), right.tolist()),
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
        "comparisons": position_bias([v for _, v, _ in kept]),
        "reliability": reliability,
        "histogram": {
            "edges": edges.tolist(),
            "right": np.histogram(scores[right], edges)[0].tolist(),
            "wrong": np.histogram(scores[~right], edges)[0].tolist(),
        },
    }
    return found | dict.fromkeys(ABSOLUTE) | {"reliability": []} if found["comparisons"] else found


def error_rates(groups: Sequence[Hashable], accepted: Sequence[bool], correct: Sequence[bool]) -> dict[str, Any]:
    """The rates `RATES` at which a judge accepts correct and incorrect solutions; intervals are over questions.

    Youden's J is the slope at which accepted solutions become correct ones: at 0 the judge's verdict says nothing about
    correctness.
    """
    found: dict[str, Any] = dict.fromkeys(RATES)
    for name, side in (("tpr", True), ("fpr", False)):
        rows = [
            (group, float(yes)) for group, yes, right in zip(groups, accepted, correct, strict=True) if right == side
        ]
        if rows:
            own, values = zip(*rows, strict=True)
            found |= {name: statistics.fmean(values), f"{name}_ci95": list(clustered_mean(own, values))}
    if (j := clustered_difference(groups, [float(yes) for yes in accepted], correct)) is not None:
        found |= {"youden_j": j.value, "youden_j_ci95": [j.low, j.high]}
    return found


def position_bias(verdicts: Sequence[Verdict]) -> dict[str, Any] | None:
    """A pairwise judge's position bias, over all comparisons of all solutions.

    Returns:
        `opponents` (distinct solutions that a solution was compared with, mean), `first_bias` (mean probability that
        the solution shown first wins, minus 0.5), `flipped` (fraction of pairs whose winner changes with the order);
        None if nothing was compared. The latter two are None if all solutions of each question are equal.
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
    """How far phrasings agree: the fraction on the `same_side` of 0.5, and the mean `spread` (highest minus lowest).

    None with a single phrasing.
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
    """Each solution's tercile by length, as a range of tokens; the terciles are unequal where lengths tie."""
    low, high = np.quantile(lengths, [1 / 3, 2 / 3], method="inverted_cdf")
    middle = f"{high:.0f}" if high == low + 1 else f"{low + 1:.0f} to {high:.0f}"
    names = {0: f"at most {low:.0f}", 1: middle, 2: f"at least {high + 1:.0f}"}
    return [names[int(length > low) + int(length > high)] for length in lengths]


def breakdown(
    parts: Sequence[str], groups: Sequence[str], verdicts: Sequence[Verdict], correct: Sequence[bool]
) -> list[dict[str, Any]]:
    """A judge's metrics for each part of the solutions.

    Args:
        parts: the part that each solution belongs to.

    Returns:
        For each part, in order of its first number and its name: `part`, `n`, `base_rate`, `accuracy` at 0.5 with
        `accuracy_ci95` (None for a pairwise judge), `auc_within` (None if no question has both correct and incorrect
        solutions), `judge` (mean probability).
    """
    members: dict[str, list[tuple[str, float | None, bool]]] = defaultdict(list)
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


def judge_report(rows: Sequence[VerdictRow]) -> dict[str, Any]:
    """Everything that the report shows about a judge, from `gavel.judge_eval.verdicts.judge_policy`'s rows.

    The metrics of `calibrate` on unperturbed questions, and breakdowns `by_kind` (perturbed questions too), `by_length`
    and `by_steps`. `reference` has the metrics of the same judge with the gold answer in its prompt, an upper bound, if
    it was asked so.
    """

    def columns(part: Sequence[VerdictRow]) -> tuple[list[str], list[Verdict], list[bool]]:
        return [r["id"] for r in part], [_verdict(r) for r in part], [r["correct"] for r in part]

    unperturbed = [row for row in rows if row["kind"] is None] or list(rows)
    plain = columns(unperturbed)
    calibration = calibrate(*plain)
    calibration["by_length"] = breakdown(by_length([row["tokens"] for row in unperturbed]), *plain)
    calibration["by_steps"] = breakdown(
        [f"{min(row['steps'], 9)}{'+' * (row['steps'] > 8)}" for row in unperturbed], *plain
    )
    kinds = [row["kind"] or "as drawn" for row in rows]
    calibration["by_kind"] = breakdown(kinds, *columns(rows)) if len(set(kinds)) > 1 else []
    bounds = [row["reference"] for row in unperturbed if "reference" in row]
    if bounds:
        found = calibrate(plain[0], [_verdict(bound) for bound in bounds], plain[2])
        calibration["reference"] = {
            key: value for key, value in found.items() if key not in ("reliability", "histogram")
        }
    return calibration


def _verdict(row: JudgeVerdict) -> Verdict:
    comparisons = ComparisonSummary(**row["compared"]) if row.get("compared") else None
    columns = (row["off_label_mass"], row["truncated"], row["probability"], tuple(row["phrasings"]))
    return Verdict(row["judge"], *columns, comparisons)


def summary_line(found: dict[str, Any]) -> str:
    """One console line about a judge: its AUC within questions, and its accuracy or its position bias."""
    within = "undefined" if found["auc_within"] is None else f"{found['auc_within']:.3f}"
    parts = [f"AUC within questions {within}"]
    if found["accuracy"] is not None:
        parts.insert(0, f"accuracy {found['accuracy']:.3f}")
    if (found["comparisons"] or {}).get("flipped") is not None:
        parts.append("position bias {first_bias:+.3f}, {flipped:.1%} of pairs flip".format(**found["comparisons"]))
    return ", ".join(parts)


def weakness(found: dict[str, Any], min_auc: float | None, max_off_label: float | None = None) -> str | None:
    """Why a judge with these metrics should not give rewards, or None.

    Args:
        min_auc: minimum AUC within questions, which must also rest on enough answers and on enough questions with both
            correct and incorrect solutions; None skips these checks.
        max_off_label: maximum mean probability mass on other tokens than the label words; None skips this check.
    """
    if max_off_label is not None and found["off_label_mass"] > max_off_label:
        return (
            f"{found['off_label_mass']:.0%} of the judge's probability is on other tokens than its label words, above "
            f"{max_off_label:.0%} (judge.max_off_label), so it rarely answers the question; check its prompt, label "
            "words and chat template"
        )
    if min_auc is None:
        return None
    unanswered = found["missing"] / (found["missing"] + found["n"])
    if unanswered > MAX_MISSING:
        return f"the judge gave no answer on {unanswered:.0%} of the solutions, so its metrics are unreliable"
    within, questions = found["auc_within"], found["auc_within_questions"]
    if questions < MIN_QUESTIONS:
        counted = f"{questions} question{'s' * (questions != 1)}"
        return f"the judge's AUC within questions rests on {counted}; {MIN_QUESTIONS} are needed"
    return None if within >= min_auc else f"the judge's AUC within questions is {within:.3f}, below {min_auc:g}"


def _accuracies(scores: np.ndarray, right: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Accuracy of 'a score above the threshold means correct', for each threshold."""
    order = np.argsort(scores)
    below = np.searchsorted(scores[order], thresholds, side="right")
    good = np.concatenate([[0], np.cumsum(right[order])])
    wrong_below, right_above = below - good[below], good[-1] - good[below]
    return (wrong_below + right_above) / len(scores)
