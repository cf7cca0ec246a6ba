"""What simulated judges of several qualities did to a tiny student: measured by the study in docs/studies/dial.md."""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

FILE = "simulated_judges.csv"  # in this package; `tools/write_readme.py` writes it


class MeasuredJudge(NamedTuple):
    """A simulated judge, whose errors belong to the text, and what GRPO without labels gained under it.

    Attributes:
        difference, low, high: accuracy minus SFT's, in [-1, 1], with a 95 % interval over seeds and questions.
    """

    auc_within: float
    youden_j: float
    difference: float
    low: float
    high: float


@cache
def measured_judges() -> tuple[MeasuredJudge, ...]:
    """All of them, by quality."""
    with files("gavel.judge_eval").joinpath(FILE).open(encoding="utf-8") as handle:
        rows = [MeasuredJudge(**{key: float(value) for key, value in row.items()}) for row in csv.DictReader(handle)]
    return tuple(sorted(rows))


def neighbours(auc_within: float) -> list[MeasuredJudge]:
    """The ones whose AUC within questions is next below and above; only one beyond the lowest and the highest."""
    below = [judge for judge in measured_judges() if judge.auc_within <= auc_within]
    above = [judge for judge in measured_judges() if judge.auc_within > auc_within]
    return below[-1:] + above[:1]
