"""Plots of judges: calibration, accuracy, cost, and training."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from gavel.report.plots.style import (
    DASHES,
    GREY,
    INK,
    MARKERS,
    accuracy_axis,
    as_svg,
    legend,
    legend_label,
    panel,
)

AXIS_MARGIN = 2.0  # factor by which the axis extends beyond the largest and the smallest cost
LABEL_OFFSET = 0.012  # shift between neighbouring judges, as a fraction of the axis
FINE_TICKS_RATIO = 300.0  # an axis that spans a smaller ratio also has ticks at 2 and 5
MAX_UPRIGHT_NAMES = 3  # more stage names than this are rotated
LEVEL_DASHES = ("--", ":", "-.")  # dashes of the reference lines
Level = tuple[str, float, float, float]  # name, value, low, high


@as_svg
def judge_reliability(bins: pd.DataFrame) -> Figure:
    """Reliability diagram: fraction correct against the judge's mean score, one row per bin.

    Args:
        bins: judge, correct, low95, high95; bins without solutions have no values.
    """
    figure, axes = panel()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="calibrated")
    known = bins.dropna(subset=["judge", "correct"])
    spread = [(known.correct - known.low95).clip(lower=0), (known.high95 - known.correct).clip(lower=0)]
    axes.errorbar(known.judge, known.correct, yerr=spread, fmt="o-", color=INK, elinewidth=1.2, label="judge")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("judge score (bin mean)")
    axes.set_ylabel("fraction correct")
    legend(figure, axes, 2)
    return figure


@as_svg
def judge_roc(scores: Sequence[float], correct: Sequence[bool]) -> Figure:
    """ROC curve of the judge's scores over all solutions, with its place at a threshold of 0.5."""
    values, right = np.asarray(scores, dtype=float), np.asarray(correct, dtype=bool)
    order = np.argsort(-values, kind="stable")
    last = np.append(np.diff(values[order]) != 0, True)  # ties are one step
    tpr, fpr = (np.append(0.0, (side[order].cumsum() / max(1, side.sum()))[last]) for side in (right, ~right))
    figure, axes = panel()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="chance")
    axes.plot(fpr, tpr, color=INK, label="judge")
    accepted = values > 0.5
    place = ((accepted & ~right).sum() / max(1, (~right).sum()), (accepted & right).sum() / max(1, right.sum()))
    axes.plot(*place, "o", color=INK, markersize=8, label="at 0.5")
    axes.set_xlabel("wrong solutions accepted")
    axes.set_ylabel("correct solutions accepted")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    legend(figure, axes, 3)
    return figure


@as_svg
def gain_under_judges(judges: pd.DataFrame, auc: float, low: float, high: float) -> Figure:
    """What simulated judges did to a tiny student, with the place of this judge.

    Args:
        judges: auc_within, difference, low, high, one row per simulated judge.
        auc, low, high: this judge's AUC within questions, with its interval.
    """
    figure, axes = panel()
    axes.axhline(0, color=GREY, linewidth=1.2)
    axes.axvspan(low, high, color=GREY, alpha=0.25, linewidth=0)
    axes.axvline(auc, color=INK, linestyle="--", label="this judge")
    spread = 100 * np.array([judges.difference - judges.low, judges.high - judges.difference]).clip(0)
    axes.errorbar(
        judges.auc_within, 100 * judges.difference, yerr=spread, fmt="o-", color=INK, elinewidth=1.2, label="simulated"
    )
    axes.set_xlabel("AUC within questions")
    axes.set_ylabel("gain, percentage points")
    legend(figure, axes, 2)
    return figure


@as_svg
def judge_histogram(edges: list[float], right: list[int], wrong: list[int]) -> Figure:
    """Histogram of the judge's scores: correct solutions above the axis, wrong ones below."""
    figure, axes = panel()
    widths = [high - low for low, high in itertools.pairwise(edges)]
    axes.bar(edges[:-1], right, widths, align="edge", color=INK, alpha=0.8, label="correct", linewidth=0)
    axes.bar(
        edges[:-1],
        [-count for count in wrong],
        widths,
        align="edge",
        color=GREY,
        alpha=0.6,
        label="wrong",
        linewidth=0,
    )
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("judge score")
    axes.set_ylabel("solutions")
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    legend(figure, axes, 2)
    return figure


@as_svg
def accuracy_against_cost(
    rows: pd.DataFrame,
    text: str = "tokens per pair (read and written)",
    levels: Sequence[Level] = (("chance", 0.5, 0.5, 0.5),),
) -> Figure:
    """Accuracy of each judge, or of the policy trained with it, against its tokens on a logarithmic axis.

    Args:
        rows: one per judge: label, tokens (above 0), accuracy, low, high.
        text: label of the x axis.
        levels: reference levels, drawn as horizontal lines with their intervals as bands.
    """
    figure, axes = panel(width=5.2, height=3.4)
    for place, (name, value, low, high) in enumerate(levels):
        if high > low:
            axes.axhspan(100 * low, 100 * high, color=GREY, alpha=0.15, linewidth=0)
        axes.axhline(
            100 * value,
            color=GREY,
            linewidth=1,
            linestyle=LEVEL_DASHES[place % len(LEVEL_DASHES)],
            label=legend_label(name),
        )
    left, right = rows.tokens.min() / AXIS_MARGIN, rows.tokens.max() * AXIS_MARGIN
    for place, row in enumerate(rows.itertuples()):
        spread = 100 * np.array([[row.accuracy - row.low], [row.high - row.accuracy]]).clip(0)
        axes.errorbar(
            row.tokens * (right / left) ** (LABEL_OFFSET * (place - (len(rows) - 1) / 2)),
            100 * row.accuracy,
            yerr=spread,
            fmt=MARKERS[place % len(MARKERS)],
            color=INK,
            markerfacecolor=(INK, "none", GREY)[place // len(MARKERS) % 3],
            elinewidth=1.2,
            label=legend_label(row.label),
        )
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if right / left < FINE_TICKS_RATIO else (1,)))
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.minorticks_off()
    axes.set_xlabel(text)
    accuracy_axis(axes)
    legend(figure, axes, 3)
    return figure


def _short(value: float) -> str:
    """A tick label that fits beside its neighbours: 80, 2,000, 50 k, 3 M."""
    for minimum, unit, name in ((1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if value >= minimum:
            return f"{value / unit:,.3g}{name}"
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


@as_svg
def judge_progress(rows: pd.DataFrame) -> Figure:
    """Accuracy on the judge benchmark, before training and after each part of it.

    Args:
        rows: one per judge, in the order of training: judge, accuracy, low, high.
    """
    figure, axes = panel(width=4.6)
    axes.axhline(50, color=GREY, linewidth=1, linestyle="--", label="chance")
    spread = 100 * np.array([rows.accuracy - rows.low, rows.high - rows.accuracy]).clip(0)
    axes.errorbar(
        range(len(rows)),
        100 * rows.accuracy,
        yerr=spread,
        fmt="o-",
        color=INK,
        elinewidth=1.2,
        label="judge benchmark",
    )
    axes.set_xticks(range(len(rows)), list(rows.judge))
    axes.set_xlim(-0.4, len(rows) - 0.6)
    axes.set_xlabel("judge (after each part of its training)")
    accuracy_axis(axes)
    legend(figure, axes, 2)
    return figure


@as_svg
def selection_curve(validations: pd.DataFrame, verifier: bool = False) -> Figure:
    """Accuracy on selection pairs during a judge's training; every stage is drawn equally wide.

    Args:
        verifier: it is the AUC within questions instead.
        validations: one per row, in order: stage, method, step, accuracy, low, high, kept (whether the next stage
            starts from this step).
    """
    figure, axes = panel(width=5.2)
    methods = list(dict.fromkeys(validations.method))
    styles = {
        method: {"marker": MARKERS[place % len(MARKERS)], "linestyle": DASHES[place % len(DASHES)], "color": INK}
        for place, method in enumerate(methods)
    }
    axes.axhline(50, color=GREY, linewidth=1, linestyle="--", label="chance")
    ticks = {}
    for place, (stage, own) in enumerate(validations.groupby("stage", sort=False)):
        style, last = styles[own.method.iloc[0]], max(own.step.max(), 1)
        x = place + own.step / last
        spread = 100 * np.array([own.accuracy - own.low, own.high - own.accuracy]).clip(0)
        axes.errorbar(x, 100 * own.accuracy, yerr=spread, elinewidth=1, markersize=3.5, **style)
        axes.plot(x[own.kept], 100 * own.accuracy[own.kept], "*", color=INK, markersize=11)
        ticks[place + 0.5] = f"{stage}\n{last:,.0f} steps"
        if place:
            axes.axvline(place, color=GREY, linewidth=0.8)
    for method, style in styles.items():
        axes.plot([], [], markersize=3.5, label=legend_label(method), **style)
    slanted = {"rotation": 30, "ha": "right"} if len(ticks) > MAX_UPRIGHT_NAMES else {}
    axes.set_xticks(list(ticks), list(ticks.values()), **slanted)
    axes.grid(axis="x", visible=False)
    accuracy_axis(axes)
    if verifier:
        axes.set_ylabel("AUC within questions, %")
    legend(figure, axes, 4)
    return figure
