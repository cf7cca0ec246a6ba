"""The report's figures: functions from data frames to an SVG text; no file is read, no metric computed."""

from gavel.plots.comparison import accuracy_against
from gavel.plots.judges import accuracy_against_cost, judge_progress, selection_curve
from gavel.plots.results import BARRED, accuracy_against_lambda, difference_from_sft, kinds, maj_curves
from gavel.plots.rulegraph import as_table, rulegraph
from gavel.plots.training import diagnostic, judge_histogram, judge_reliability, sft_curve, training_curve

__all__ = [
    "BARRED",
    "accuracy_against",
    "accuracy_against_cost",
    "accuracy_against_lambda",
    "as_table",
    "diagnostic",
    "difference_from_sft",
    "judge_histogram",
    "judge_progress",
    "judge_reliability",
    "kinds",
    "maj_curves",
    "rulegraph",
    "selection_curve",
    "sft_curve",
    "training_curve",
]
