"""Figures of judges: how far their scores can be trusted, how good they are, and at which cost."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from gavel.report.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARKERS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    accuracy_axis,
    drawn,
    legend,
    named,
    panel,
)

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY)
ROOM = 2.0  # the axis goes on to so many times the largest cost, and as far below the smallest
BESIDE = 0.012  # of the axis, between judges that cost the same
TICKED = 300.0  # an axis of a smaller ratio has ticks at 2 and 5, too
UPRIGHT = 3  # more names of stages than this are written aslant
LEVELS = ("--", ":", "-.")  # dashes of what judges are held against
Level = tuple[str, float, float, float]  # name, value, low, high


@drawn
def judge_reliability(bins: pd.DataFrame) -> Figure:
    """Share of right solutions against the judge's score, by bin: judge, correct, low95, high95, n."""
    figure, axes = panel()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="calibrated")
    known = bins.dropna(subset=["judge", "correct"])
    spread = [(known.correct - known.low95).clip(lower=0), (known.high95 - known.correct).clip(lower=0)]
    axes.errorbar(known.judge, known.correct, yerr=spread, fmt="o-", color=BLUE, elinewidth=1.2, label="judge")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("judge's score, mean of the bin")
    axes.set_ylabel("share that is right")
    legend(figure, axes, 2)
    return figure


@drawn
def judge_histogram(edges: list[float], right: list[int], wrong: list[int]) -> Figure:
    """How many right and wrong solutions got which score; wrong ones hang below the axis."""
    figure, axes = panel()
    widths = [high - low for low, high in itertools.pairwise(edges)]
    axes.bar(edges[:-1], right, widths, align="edge", color=GREEN, label="right", linewidth=0)
    axes.bar(
        edges[:-1],
        [-count for count in wrong],
        widths,
        align="edge",
        color=VERMILLION,
        label="wrong",
        linewidth=0,
    )
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("judge's score")
    axes.set_ylabel("solutions")
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    legend(figure, axes, 2)
    return figure


@drawn
def accuracy_against_cost(
    rows: pd.DataFrame,
    text: str = "tokens read and written, a pair",
    levels: Sequence[Level] = (("chance", 0.5, 0.5, 0.5),),
) -> Figure:
    """Accuracy of each judge, or of what it has trained, against the tokens that it took, on a logarithmic axis.

    Args:
        rows: one per judge: label, tokens (above 0), accuracy, low, high.
        text: axis label.
        levels: what the points are held against, drawn across as lines, the interval as a band.
    """
    figure, axes = panel(width=5.2, height=3.4)
    for place, (name, value, low, high) in enumerate(levels):
        if high > low:
            axes.axhspan(100 * low, 100 * high, color=GREY, alpha=0.15, linewidth=0)
        axes.axhline(100 * value, color=GREY, linewidth=1, linestyle=LEVELS[place % len(LEVELS)], label=named(name))
    least, most = rows.tokens.min() / ROOM, rows.tokens.max() * ROOM
    for place, row in enumerate(rows.itertuples()):
        spread = 100 * np.array([[row.accuracy - row.low], [row.high - row.accuracy]]).clip(0)
        axes.errorbar(
            row.tokens * (most / least) ** (BESIDE * (place - (len(rows) - 1) / 2)),
            100 * row.accuracy,
            yerr=spread,
            fmt=MARKERS[place // len(COLOURS) % len(MARKERS)],
            color=COLOURS[place % len(COLOURS)],
            elinewidth=1.2,
            label=named(row.label),
        )
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most / least < TICKED else (1,)))
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.minorticks_off()
    axes.set_xlabel(text)
    accuracy_axis(axes)
    legend(figure, axes, 3)
    return figure


def _short(value: float) -> str:
    """80, 2,000, 50 k, 3 M: what has room beside its neighbours."""
    for least, unit, name in ((1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if value >= least:
            return f"{value / unit:,.3g}{name}"
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


@drawn
def judge_progress(rows: pd.DataFrame) -> Figure:
    """Accuracy on the judge benchmark of a judge as it came and after each part of its training.

    Args:
        rows: one per judge, in order: judge, accuracy, low, high.
    """
    figure, axes = panel(width=4.6)
    axes.axhline(50, color=GREY, linewidth=1, linestyle="--", label="chance")
    spread = 100 * np.array([rows.accuracy - rows.low, rows.high - rows.accuracy]).clip(0)
    axes.errorbar(
        range(len(rows)),
        100 * rows.accuracy,
        yerr=spread,
        fmt="o-",
        color=BLUE,
        elinewidth=1.2,
        label="judge benchmark",
    )
    axes.set_xticks(range(len(rows)), list(rows.judge), fontsize=8)
    axes.set_xlim(-0.4, len(rows) - 0.6)
    axes.set_xlabel("judge, after each part of its training")
    accuracy_axis(axes)
    legend(figure, axes, 2)
    return figure


@drawn
def selection_curve(validations: pd.DataFrame) -> Figure:
    """Accuracy on selection pairs while a judge is trained, stage after stage, each as wide as the others.

    Args:
        validations: one a row, in order: stage, method, step, accuracy, low, high, kept (the step that the next starts
            from).
    """
    figure, axes = panel(width=5.2)
    colours = dict(zip(dict.fromkeys(validations.method), COLOURS, strict=False))
    axes.axhline(50, color=GREY, linewidth=1, linestyle="--", label="chance")
    ticks = {}
    for place, (stage, own) in enumerate(validations.groupby("stage", sort=False)):
        colour, last = colours[own.method.iloc[0]], max(own.step.max(), 1)
        x = place + own.step / last
        spread = 100 * np.array([own.accuracy - own.low, own.high - own.accuracy]).clip(0)
        axes.errorbar(x, 100 * own.accuracy, yerr=spread, fmt="o-", color=colour, elinewidth=1, markersize=3.5)
        axes.plot(x[own.kept], 100 * own.accuracy[own.kept], "*", color=colour, markersize=11)
        ticks[place + 0.5] = f"{stage}\n{last:,.0f} steps"
        if place:
            axes.axvline(place, color=GREY, linewidth=0.8)
    for method, colour in colours.items():
        axes.plot([], [], "o-", color=colour, markersize=3.5, label=named(method))
    slanted = {"rotation": 30, "ha": "right"} if len(ticks) > UPRIGHT else {}
    axes.set_xticks(list(ticks), list(ticks.values()), fontsize=8, **slanted)
    axes.grid(axis="x", visible=False)
    accuracy_axis(axes)
    legend(figure, axes, 4)
    return figure
