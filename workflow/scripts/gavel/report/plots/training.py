"""Plots of training: curves of one run, and diagnostics of all runs."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gavel.report.plots.style import (
    GREY,
    INK,
    as_svg,
    label,
    legend,
    legend_label,
    mark,
    panel,
    run_styles,
)
from gavel.training.rl.validation_rules import ALARM, WATCH

POINTS = 200  # limit for a curve; a longer one is drawn as the means of this many blocks
MARGIN = 0.04  # of the range of the curves, left free above and below
CURVES = {  # column of monitor.csv -> name in the legend and line; a pairwise judge has the last ones too
    "accuracy": ("true accuracy", {"marker": "o"}),
    "judge": ("judge reward", {"linestyle": "--", "marker": "s", "markerfacecolor": "none"}),
    "true_win_rate": ("true win rate", {"linestyle": ":"}),
}
PAIRWISE = {"judge": "judge win rate"}  # names that differ then
WATCHING = ({"linestyle": "-."}, {"linestyle": ":"}, {"linestyle": "--"}, {"linestyle": "-"})


def curve_limits(monitors: Iterable[pd.DataFrame]) -> tuple[float, float]:
    """Limits of the y axis that hold every run's curves and intervals, so that panels can share them."""
    columns = [*CURVES, "accuracy_low", "accuracy_high"]
    values = [
        monitor[column]
        for monitor in monitors
        for column in monitor.columns
        if column in columns or column.startswith(WATCH)
    ]
    known = pd.concat(values).dropna() if values else pd.Series([0.0, 1.0])
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    margin = MARGIN * max(high - low, 0.05)
    return max(0.0, low - margin), min(1.0, high + margin)


@as_svg
def training_curve(
    monitors: Mapping[str, pd.DataFrame],
    color: str = INK,
    limits: tuple[float, float] | None = None,
    best_step: int | None = None,
) -> Figure:
    """Judge reward and true accuracy of validation samples, as fractions: of one run, or of several seeds.

    A single run has its 95 % interval. Of several, each is a thin line, and their mean a thick one.

    Args:
        monitors: run -> its monitor.csv: step and, where present, accuracy, accuracy_low, accuracy_high, judge,
            true_win_rate (with a pairwise judge), collapsed (its first 1 is marked); for judges that watch,
            watch_<name>, and alarm_<name> (its first 1 is marked).
        color: of all lines; those of judges that watch are grey.
        limits: of the y axis (`curve_limits`).
        best_step: of a single run; marked with a thin line.
    """
    figure, axes = panel(height=2.6)
    only = next(iter(monitors.values())) if len(monitors) == 1 else None
    if only is not None and {"accuracy_low", "accuracy_high"} <= set(only):
        band = only.dropna(subset=["accuracy_low", "accuracy_high"])
        axes.fill_between(band.step, band.accuracy_low, band.accuracy_high, color=color, alpha=0.18, linewidth=0)
    pairwise = any("true_win_rate" in monitor for monitor in monitors.values())
    for column, (text, line) in CURVES.items():
        name = PAIRWISE.get(column, text) if pairwise else text
        _mean_curve(axes, monitors, column, name, {"color": color, "markersize": 3.5} | line)
    for place, name in enumerate(watcher_names(monitors.values())):
        line = {"color": GREY} | WATCHING[place % len(WATCHING)]
        _mean_curve(axes, monitors, WATCH + name, f"watching: {name}", line)
        _first(axes, monitors, ALARM + name, "alarm", GREY)
    if best_step is not None:
        axes.axvline(best_step, color=GREY, linewidth=0.9, linestyle="--")
    _first(axes, monitors, "collapsed", "collapse", INK)
    axes.set_ylim(*(limits or curve_limits(monitors.values())))
    axes.set_xlabel("step")
    legend(figure, axes, 2)
    return figure


def watcher_names(monitors: Iterable[pd.DataFrame]) -> list[str]:
    """The judges of `judge.watch` that scored samples of some runs."""
    known = [str(column) for monitor in monitors for column in monitor.columns[monitor.notna().any()]]
    return list(dict.fromkeys(column.removeprefix(WATCH) for column in known if column.startswith(WATCH)))


def _mean_curve(axes: Axes, monitors: Mapping[str, pd.DataFrame], column: str, name: str, line: dict[str, Any]) -> None:
    """A column of each run as a thin line, if there are several, and of their mean."""
    known = {
        run: monitor.dropna(subset=[column])[["step", column]]
        for run, monitor in monitors.items()
        if column in monitor and monitor[column].notna().any()
    }
    if not known:
        return
    if len(known) > 1:
        for run, own in known.items():
            thin = {key: value for key, value in line.items() if not key.startswith("marker")}
            (drawn,) = axes.plot(own.step, own[column], alpha=0.4, linewidth=0.8, **thin)
            mark(drawn, hint=f"{run}: {name}")
    mean = pd.concat(known.values()).groupby("step")[column].mean()
    axes.plot(mean.index, mean, label=legend_label(name), **line)


def _first(axes: Axes, monitors: Mapping[str, pd.DataFrame], column: str, text: str, color: str) -> None:
    """Mark the first step of each run at which a column is 1, with a text at the earliest."""
    firsts = [
        monitor.step[monitor[column] == 1].min()
        for monitor in monitors.values()
        if column in monitor and (monitor[column] == 1).any()
    ]
    for step in firsts:
        axes.axvline(step, color=color, linewidth=1.2, linestyle="-." if color == GREY else "-")
    if firsts:
        counted = f"{text} ({len(firsts)} of {len(monitors)})" if len(monitors) > 1 else text
        at = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "color": color}
        axes.annotate(counted, (min(firsts), 0 if color == GREY else 1), (3, 4 if color == GREY else -10), **at)


@as_svg
def diagnostic(training: dict[str, pd.DataFrame], runs: list[tuple[str, str, float]], column: str) -> Figure:
    """One column of training.csv against the step, a thick line for each algorithm and λ.

    Of several seeds, the thick line is the mean of their moving means, which are thin; of one, it is the moving mean,
    and thin is each step as logged.

    Args:
        training: run → rows with step and `column`, for runs that logged it.
        runs: (run, algorithm, λ) of all runs in drawing order; a run's style is the same in every panel.
        column: the column to draw; rows without a value are skipped.
    """
    figure, axes = panel(height=2.6)
    styles = run_styles(runs)
    kinds: dict[str, list[str]] = {}
    for run, algorithm, lam in (each for each in runs if each[0] in training):
        kinds.setdefault(label("", algorithm, lam), []).append(run)
    for kind, members in kinds.items():
        style = {key: styles[members[0]][key] for key in ("color", "linestyle")}
        logged = {run: _blocks(training[run].dropna(subset=[column])[["step", column]]) for run in members}
        smooth = {run: _moving_mean(rows) for run, rows in logged.items()}
        for rows in (smooth if len(members) > 1 else logged).values():
            (thin,) = axes.plot(rows.step, rows[column], alpha=0.3, linewidth=0.8, **style)
            mark(thin, kind)
        mean = pd.concat(smooth.values()).groupby("step")[column].mean()
        (thick,) = axes.plot(mean.index, mean, label=legend_label(kind), **style)
        mark(thick, kind, kind)
    axes.set_xlabel("step")
    legend(figure, axes, 3)
    return figure


def _blocks(rows: pd.DataFrame) -> pd.DataFrame:
    """A long run's rows as means of blocks: every step would be megabytes of points that no screen can show."""
    return rows.groupby(np.arange(len(rows)) * POINTS // len(rows)).mean() if len(rows) > POINTS else rows


def _moving_mean(rows: pd.DataFrame) -> pd.DataFrame:
    mean = rows.drop(columns="step").rolling(max(1, len(rows) // 12), min_periods=1).mean()
    return mean.assign(step=rows.step)


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
            color=GREY,
            alpha=0.18,
            linewidth=0,
        )
    axes.plot(monitor[x], 100 * monitor.greedy, "o-", color=GREY, label="validation accuracy", markersize=4)
    best = monitor[monitor.step == best_step]
    if not best.empty:
        axes.plot(best[x], 100 * best.greedy, "*", color=INK, markersize=13, label="selected checkpoint")
    axes.set_xlabel(x)
    axes.set_ylabel("greedy accuracy, %")
    axes.set_ylim(bottom=0)
    legend(figure, axes, 2)
    return figure
