"""Whether RL has anything to learn: the baseline's responses and the judge's scores of them, before any step.

All figures are of validation questions at the rollouts' temperature, as the judge's calibration has sampled them.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypedDict

from gavel.judge_eval.records import VerdictRow
from gavel.stats.advantages import advantage_correlation
from gavel.stats.intervals import clustered_mean, mean_interval

POWER, LEVEL = 0.8, 0.05  # of the smallest difference that the test set can show


@dataclass(frozen=True)
class Plan:
    """What the study plans.

    Attributes:
        group_size: completions of each question.
        groups: questions of a step.
        rewards: whether the judge gives any reward; in a study of lambda 1 alone it gives none.
        test_questions: size of the primary comparison's test set.
        seeds: of the primary comparison.
    """

    group_size: int
    groups: int
    rewards: bool
    test_questions: int
    seeds: int


@dataclass(frozen=True)
class Limits:
    """The config's `rl.signal`; None sets no limit.

    Attributes:
        min_mixed: fraction of groups with both correct and incorrect completions.
        max_truncated: fraction of responses.
        min_correlation: of the advantages with those of correctness.
    """

    min_mixed: float | None
    max_truncated: float | None
    min_correlation: float | None


class Signal(TypedDict):
    """What RL can learn from. A value that is undefined is None; intervals are 95 %, over questions.

    Attributes:
        questions, samples: that the figures rest on.
        accuracy: fraction of correct responses.
        group_size: completions of a group: those of a rollout, or fewer if the calibration sampled fewer.
        mixed: probability that such a group has both correct and incorrect completions.
        effective_groups: expected number of them in a step.
        truncated: fraction of the responses that were cut at the limit of tokens.
        spread: standard deviation of the judge's scores within a question, root mean square.
        noise: the part of it that does not go along with correctness, also a root mean square.
        correlation: of the advantages that the judge's scores give with those of a reward for correctness.
        detectable: the smallest difference in accuracy from the baseline that the primary comparison shows with a
            probability of 80 % at the 5 % level; the variance between seeds comes on top.
        weak: why there is too little to learn from, or None.
    """

    questions: int
    samples: int
    accuracy: float
    accuracy_ci95: list[float]
    group_size: int
    mixed: float
    mixed_ci95: list[float]
    effective_groups: float
    truncated: float
    truncated_ci95: list[float]
    spread: float | None
    noise: float | None
    correlation: float | None
    correlation_ci95: list[float] | None
    detectable: float | None
    weak: str | None


def measure(rows: Sequence[VerdictRow], plan: Plan, limits: Limits) -> Signal:
    """The signal in the judged responses to unperturbed validation questions; to all of them if there are none."""
    rows = [row for row in rows if row["kind"] is None] or list(rows)
    questions, correct = [row["id"] for row in rows], [float(row["correct"]) for row in rows]
    cut = [float(not row["finished"]) for row in rows]
    members: dict[str, list[float]] = {}
    for question, right in zip(questions, correct, strict=True):
        members.setdefault(question, []).append(right)
    size = min(plan.group_size, max(len(each) for each in members.values()))
    mixed = [mixed_probability(int(sum(each)), len(each), size) for each in members.values()]
    judged = [
        (question, row["judge"], right)
        for question, row, right in zip(questions, rows, correct, strict=True)
        if row["judge"] is not None
    ]
    names, scores, rights = zip(*judged, strict=True) if judged else ((), (), ())
    found = advantage_correlation(names, scores, rights)
    spread = _spread(names, scores)
    signal: Signal = {
        "questions": len(members),
        "samples": len(rows),
        "accuracy": statistics.fmean(correct),
        "accuracy_ci95": list(clustered_mean(questions, correct)),
        "group_size": size,
        "mixed": statistics.fmean(mixed),
        "mixed_ci95": list(mean_interval(mixed)),
        "effective_groups": plan.groups * statistics.fmean(mixed),
        "truncated": statistics.fmean(cut),
        "truncated_ci95": list(clustered_mean(questions, cut)),
        "spread": spread,
        "noise": None if spread is None else spread * math.sqrt(1 - (found.value if found else 0.0) ** 2),
        "correlation": found and found.value,
        "correlation_ci95": found and [found.low, found.high],
        "detectable": detectable(list(members.values()), plan.test_questions, plan.seeds),
        "weak": None,
    }
    return signal | {"weak": weakness(signal, plan, limits)}


def mixed_probability(correct: int, n: int, size: int) -> float:
    """The probability that `size` of `n` responses, drawn without replacement, are neither all correct nor all
    incorrect; with `size` equal to the group's size an unbiased estimate (like pass@k's)."""
    size = min(size, n)
    return 1 - (math.comb(correct, size) + math.comb(n - correct, size)) / math.comb(n, size)


def detectable(outcomes: Sequence[Sequence[float]], test_questions: int, seeds: int) -> float | None:
    """The smallest difference of two accuracies that the test set shows, in [0, 1].

    The baseline is one policy, the other side is a mean over `seeds` policies. Both are taken to solve a question as
    often as the baseline's samples do, independently of each other; variance between training runs is left out.

    Args:
        outcomes: the responses to each validation question, 1 or 0; None unless a question has two.
    """
    varied = [each for each in outcomes if len(each) > 1]
    if not varied or not test_questions:
        return None
    variance = statistics.fmean(statistics.variance(each) for each in varied)
    width = NormalDist().inv_cdf(1 - LEVEL / 2) + NormalDist().inv_cdf(POWER)
    return width * math.sqrt(variance * (1 + 1 / seeds) / test_questions)


def weakness(signal: Signal, plan: Plan, limits: Limits) -> str | None:
    """Why RL has too little to learn from, or None."""
    if limits.max_truncated is not None and signal["truncated"] > limits.max_truncated:
        return (
            f"{signal['truncated']:.0%} of the responses are truncated, above {limits.max_truncated:.0%} "
            "(rl.signal.max_truncated); raise solution.max_new_tokens, or check the end token"
        )
    if limits.min_mixed is not None and signal["mixed"] < limits.min_mixed:
        hint = (
            "the student solves too few questions; train it longer with SFT, or choose easier questions"
            if signal["accuracy"] < 0.5
            else "the student solves nearly all questions; choose harder ones"
        )
        return (
            f"{signal['mixed']:.1%} of the groups would have both correct and incorrect responses, below "
            f"{limits.min_mixed:.1%} (rl.signal.min_mixed): {hint}"
        )
    correlation = signal["correlation"]
    if not plan.rewards or limits.min_correlation is None:
        return None
    if correlation is None:
        return "the judge gives all responses to a question the same score, so its reward has no signal"
    if correlation < limits.min_correlation:
        return (
            f"the judge's advantages have a correlation of {correlation:.2f} with those of correctness, below "
            f"{limits.min_correlation:g} (rl.signal.min_correlation): its reward is mostly noise"
        )
    return None


def summary_line(signal: Signal) -> str:
    """One console line."""
    parts = [f"{signal['effective_groups']:.1f} groups a step with correct and incorrect responses"]
    if signal["correlation"] is not None:
        parts.append(f"correlation with correctness {signal['correlation']:.2f}")
    if signal["detectable"] is not None:
        parts.append(f"smallest detectable difference {100 * signal['detectable']:.1f} points")
    return ", ".join(parts)


def _spread(questions: Sequence[str], scores: Sequence[float]) -> float | None:
    """Root mean square over questions of the scores' standard deviation; None unless a question has two scores."""
    members: dict[str, list[float]] = {}
    for question, score in zip(questions, scores, strict=True):
        members.setdefault(question, []).append(score)
    variances = [statistics.variance(each) for each in members.values() if len(each) > 1]
    return math.sqrt(statistics.fmean(variances)) if variances else None


def as_metrics(signal: Signal) -> dict[str, Any]:
    """The numbers, as MLflow metrics."""
    return {f"signal/{name}": value for name, value in signal.items() if isinstance(value, int | float)}
