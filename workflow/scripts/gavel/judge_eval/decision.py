"""Whether a judge is good enough to train on: yes, no or unclear."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from gavel.judge.verdict import MAX_MISSING
from gavel.judge_eval.calibration import MIN_QUESTIONS

# Minimum AUC within questions, where a config sets none. It lies between the AUCs of judges under which a tiny student
# lost (up to 0.80) and gained (from 0.9): docs/tutorials/judge.md.
MIN_AUC = 0.85
MIN_DISTANCE = 0.005  # distance of an AUC from the minimum below which the number of questions is not estimated
TRAIN = "train, and watch the monitor: a judge that is good on today's responses may be hacked by tomorrow's"
REPLACE = "try a stronger judge, another prompt, reasoning, or a verifier trained on your labels (judge.verifier)"


class Decision(NamedTuple):
    """The answer for one judge.

    Attributes:
        answer: `yes`, `no`, or `unclear` where the interval contains the minimum.
        why: one sentence.
        advice: what to do next.
        questions: how many questions with both correct and incorrect responses would decide, if it is unclear and can
            be estimated.
    """

    answer: Literal["yes", "no", "unclear"]
    why: str
    advice: str
    questions: int | None = None


def decide(found: Mapping[str, Any], min_auc: float, max_off_label: float | None = 0.5) -> Decision:
    """Decide by the AUC within questions and its interval, unless the judge rarely answers at all.

    Args:
        found: metrics as of `gavel.judge_eval.calibration.calibrate`.
        min_auc: minimum AUC within questions.
        max_off_label: maximum mean probability of other tokens than the label words; None sets none.
    """
    off_label, missing = found.get("off_label_mass"), found.get("missing") or 0
    if missing > MAX_MISSING * (missing + found["n"]):
        share = missing / (missing + found["n"])
        why = f"the judge gave no answer on {share:.0%} of the responses, so its metrics are unreliable"
        return Decision("unclear", why, "find out why it does not answer, and ask again")
    if max_off_label is not None and off_label is not None and off_label > max_off_label:
        why = f"{off_label:.0%} of its probability is on other tokens than its label words, so it rarely answers"
        return Decision("no", why, "check its prompt, label words and chat template")
    auc, interval, questions = found["auc_within"], found["auc_within_ci95"], found["auc_within_questions"] or 0
    if auc is None or interval is None or questions < MIN_QUESTIONS:
        counted = f"{questions} question{'s' * (questions != 1)}"
        why = f"its AUC within questions rests on {counted} with both correct and incorrect responses"
        advice = f"label several responses to each of at least {MIN_QUESTIONS} questions, and better to a hundred"
        return Decision("unclear", why, advice, MIN_QUESTIONS)
    measured = f"its AUC within questions is {auc:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
    if interval[0] >= min_auc:
        return Decision("yes", f"{measured}, at least {min_auc:g}", TRAIN)
    if interval[1] < min_auc:
        return Decision("no", f"{measured}, below {min_auc:g}", REPLACE)
    why, needed = f"{measured}, and the interval contains {min_auc:g}", _needed(auc, interval, questions, min_auc)
    if needed is None:
        return Decision("unclear", why, "it is so near the minimum that more labels would hardly decide")
    advice = f"label responses to about {needed:,} such questions in all; these are {questions:,}"
    return Decision("unclear", why, advice, needed)


def _needed(auc: float, interval: Sequence[float], questions: int, min_auc: float) -> int | None:
    """How many questions narrow the interval, whose width falls with their square root, to the distance from the
    minimum; None if that is too small to tell."""
    distance, half = abs(auc - min_auc), (interval[1] - interval[0]) / 2
    return (
        max(questions + 1, math.ceil(round(questions * (half / distance) ** 2, 6))) if distance > MIN_DISTANCE else None
    )
