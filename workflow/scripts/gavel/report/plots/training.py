"""Plots of training: curves of one run, and diagnostics of all runs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gavel.report.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    as_svg,
    label,
    legend,
    legend_label,
    panel,
    run_styles,
)
from gavel.training.rl.validation_rules import ALARM, WATCH

WATCHING = (GREEN, PURPLE, ORANGE, SKY)  # colours of judges that watch
POINTS = 200  # limit for a curve; a longer one is drawn as the means of this many blocks


@as_svg
def training_curve(monitor: pd.DataFrame, best_step: int | None = None) -> Figure:
    """Judge reward and true accuracy of one run's validation samples, from 0 to 1.

    Args:
        monitor: step and, where present, accuracy, accuracy_low, accuracy_high, judge, judge_wrong, true_win_rate (with
            a pairwise judge), collapsed (its first 1 is marked); for judges that watch, watch_<name>, and alarm_<name>
            (its first 1 is marked).
        best_step: marked with a thin line.
    """
    figure, axes = panel(height=2.8)
    if {"accuracy_low", "accuracy_high"} <= set(monitor):
        band = monitor.dropna(subset=["accuracy_low", "accuracy_high"])
        axes.fill_between(band.step, band.accuracy_low, band.accuracy_high, color=BLUE, alpha=0.18, linewidth=0)
    judged = ("judge reward", "accepted but wrong")
    if "true_win_rate" in monitor:
        judged = ("judge win rate", "preferred but wrong")
    for column, text, style in (
        ("accuracy", "true accuracy", {"color": BLUE, "marker": "o"}),
        ("true_win_rate", "true win rate", {"color": BLUE, "linestyle": "--"}),
        ("judge", judged[0], {"color": VERMILLION, "marker": "s"}),
        ("judge_wrong", judged[1], {"color": VERMILLION, "linestyle": ":"}),
    ):
        if column in monitor and monitor[column].notna().any():
            known = monitor.dropna(subset=[column])
            axes.plot(known.step, known[column], markersize=3.5, label=text, **style)
    _watching(axes, monitor)
    if best_step is not None:
        axes.axvline(best_step, color=GREY, linewidth=0.9, linestyle="--")
    if "collapsed" in monitor and (monitor.collapsed == 1).any():
        first = monitor.step[monitor.collapsed == 1].min()
        axes.axvline(first, color=VERMILLION, linewidth=1.6)
        axes.annotate("collapse", (first, 1), (3, -10), textcoords="offset points", color=VERMILLION, fontsize=8)
    axes.set_ylim(0, 1)
    axes.set_xlabel("step")
    legend(figure, axes, 3)
    return figure


def watcher_names(monitor: pd.DataFrame) -> list[str]:
    """The judges of `judge.watch` that scored samples of a run."""
    known = [str(column) for column in monitor.columns[monitor.notna().any()]]
    return [column.removeprefix(WATCH) for column in known if column.startswith(WATCH)]


def _watching(axes: Axes, monitor: pd.DataFrame) -> None:
    """The mean scores of the judges that watch, and their first alarms."""
    for place, name in enumerate(watcher_names(monitor)):
        column, color = WATCH + name, WATCHING[place % len(WATCHING)]
        known = monitor.dropna(subset=[column])
        axes.plot(known.step, known[column], markersize=3.5, label=f"watching: {name}", color=color, linestyle="-.")
        alarm = ALARM + name
        if alarm in monitor and (monitor[alarm] == 1).any():
            first = monitor.step[monitor[alarm] == 1].min()
            axes.axvline(first, color=color, linewidth=1.2, linestyle="-.")
            axes.annotate("alarm", (first, 0), (3, 4), textcoords="offset points", color=color, fontsize=8)


@as_svg
def diagnostic(training: dict[str, pd.DataFrame], runs: list[tuple[str, str, float]], column: str) -> Figure:
    """One column of training.csv against the step, a line per run: thin as logged, thick as a moving mean.

    Args:
        training: run → rows with step and `column`, for runs that logged it.
        runs: (run, algorithm, λ) of all runs in drawing order; a run's style is the same in every panel.
        column: the column to draw; rows without a value are skipped.
    """
    figure, axes = panel(height=2.6)
    styles, named = run_styles(runs), set()
    for run, algorithm, lam in (each for each in runs if each[0] in training):
        rows = training[run].dropna(subset=[column])[["step", column]]
        if len(rows) > POINTS:  # long runs would fill the page with megabytes of points that no screen can show
            rows = rows.groupby(np.arange(len(rows)) * POINTS // len(rows)).mean()
        smooth = rows[column].rolling(max(1, len(rows) // 12), min_periods=1).mean()
        style = {key: styles[run][key] for key in ("color", "linestyle")}
        axes.plot(rows.step, rows[column], alpha=0.2, linewidth=0.8, **style)
        kind = label("", algorithm, lam)  # seeds share a line style and an entry of the legend
        axes.plot(rows.step, smooth, label=None if kind in named else legend_label(kind), **style)
        named.add(kind)
    axes.set_xlabel("step")
    legend(figure, axes, 3)
    return figure


@as_svg
def sft_curve(monitor: pd.DataFrame, best_step: int | None = None) -> Figure:
    """Greedy validation accuracy during SFT, by epoch or step.

    Args:
        monitor: step, greedy and, where present, epoch, greedy_low, greedy_high.
        best_step: the selected checkpoint, marked with a star; None while none is selected.
    """
    figure, axes = panel()
    x = "epoch" if "epoch" in monitor and monitor.epoch.notna().all() else "step"
    if {"greedy_low", "greedy_high"} <= set(monitor):
        axes.fill_between(
            monitor[x],
            100 * monitor.greedy_low,
            100 * monitor.greedy_high,
            color=BLUE,
            alpha=0.18,
            linewidth=0,
        )
    axes.plot(monitor[x], 100 * monitor.greedy, "o-", color=BLUE, label="validation accuracy", markersize=4)
    best = monitor[monitor.step == best_step]
    if not best.empty:
        axes.plot(best[x], 100 * best.greedy, "*", color=VERMILLION, markersize=13, label="selected checkpoint")
    axes.set_xlabel(x)
    axes.set_ylabel("greedy accuracy, %")
    axes.set_ylim(bottom=0)
    legend(figure, axes, 2)
    return figure
