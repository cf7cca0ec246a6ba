"""Plots of test results: accuracy against λ, differences from the baseline, maj@k and pass@k, kinds, studies."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from gavel.report.baseline import BASELINES
from gavel.report.cells import interval, percent, points
from gavel.report.plots.style import (
    DASHES,
    GREY,
    INK,
    MARKERS,
    accuracy_axis,
    as_svg,
    label,
    lambda_colours,
    legend,
    legend_label,
    mark,
    panel,
    run_styles,
)

MAX_ERROR_BARS = 5  # seeds at one λ whose error bars fit side by side
MAX_UPRIGHT_NAMES = 4  # more names than this are rotated
SERIES_DASHES = (":", "-.", (0, (1, 3)))  # of a run's second series and the others
LEGEND_WIDTH = 66  # characters of the labels that fit beside each other
MIN_TICK_GAP = 0.1  # of the axis; where studies are closer, the axis has round numbers instead of their places
LOG_AXIS_RATIO = 8.0  # ratio of the largest to the smallest x above which the axis is logarithmic


@as_svg
def accuracy_against_lambda(rows: pd.DataFrame) -> Figure:
    """One accuracy metric on one test set against λ: a grey line per algorithm, the baseline as a band.

    Args:
        rows: rows of metrics.csv, one per run: algorithm, lambda, seed, value, low, high. Several seeds are drawn as
            points side by side, with the line through their means.
    """
    figure, axes = panel()
    baseline = rows[rows.algorithm.isin(BASELINES)]
    for row in baseline.itertuples():
        axes.axhspan(100 * row.low, 100 * row.high, color=GREY, alpha=0.22, linewidth=0)
        axes.axhline(100 * row.value, color=GREY, label=BASELINES[row.algorithm].label)
    grid_runs = rows[~rows.algorithm.isin(BASELINES)]
    algorithms, colours = list(dict.fromkeys(grid_runs.algorithm)), lambda_colours(list(grid_runs["lambda"]))
    for place, algorithm in enumerate(algorithms):
        own = grid_runs[grid_runs.algorithm == algorithm].sort_values(["lambda", "seed"])
        # Side by side, so that intervals at the same λ do not overlap.
        shift = 0.022 * (place - (len(algorithms) - 1) / 2)
        means = own.groupby("lambda").value.mean()
        most = own.groupby("lambda").size().max()
        marker, dash = MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)]
        line = {"color": GREY, "linestyle": dash, "marker": marker, "markevery": [], "linewidth": 1.2}
        axes.plot(means.index + shift, 100 * means, label=legend_label(algorithm.upper()), **line)
        for lam, group in own.groupby("lambda"):
            within = np.arange(len(group)) - (len(group) - 1) / 2
            bars = 100 * np.array([group.value - group.low, group.high - group.value]).clip(0)
            drawn = axes.errorbar(
                lam + shift + min(0.012, 0.02 / most) * within,
                100 * group.value,
                yerr=bars if most <= MAX_ERROR_BARS else None,
                alpha=1 if most <= MAX_ERROR_BARS else 0.5,
                fmt=marker,
                color=colours[lam],
                elinewidth=1.2,
            )
            kind = label("", algorithm, lam)
            values = [f"{percent(row.value)} % ({percent(row.low)}–{percent(row.high)})" for row in group.itertuples()]
            _mark_all(drawn, kind, f"{kind}: {', '.join(values)}")
    axes.set_xlabel("λ (0: judge only, 1: verifier only)")
    accuracy_axis(axes)
    axes.set_xlim(-0.07, 1.07)
    axes.set_xticks(sorted(set(grid_runs["lambda"])) or [0, 1])
    legend(figure, axes, 4)
    return figure


@as_svg
def differences_from_baseline(rows: pd.DataFrame, baseline: str = "SFT") -> Figure:
    """Paired differences from the baseline: a row for each kind of run, a column for each test set, one axis.

    The axis covers the grid and the upper bounds. A control beyond it is an arrow at the edge, with its value.

    Args:
        rows: one for each kind of run and test set: label, set, title (of the column), algorithm, lambda (NaN for a
            control), difference, low, high, primary, control, bound.
        baseline: its name in a sentence.
    """
    labels, sets = list(dict.fromkeys(rows.label)), list(dict.fromkeys(rows.set))
    figure = Figure(figsize=(11.2, 0.34 * len(labels) + 1.15), layout="constrained")
    columns = figure.subplots(1, len(sets), sharex=True, sharey=True, squeeze=False)[0]
    left, right = _range(rows[~rows.control.astype(bool) | rows.bound.astype(bool)])
    once = rows[~rows.control.astype(bool)].drop_duplicates("label")
    styles = run_styles(list(zip(once.label, once.algorithm, once["lambda"], strict=True)))
    for axes, name in zip(columns, sets, strict=True):
        own = rows[rows.set == name]
        axes.axvline(0, color=GREY, linewidth=1.2)
        for row in own.itertuples():
            value, low, high = 100 * row.difference, 100 * row.low, 100 * row.high
            style = styles.get(row.label, {"color": INK if row.bound else GREY, "marker": "D" if row.bound else "s"})
            place, inside = labels.index(row.label), left <= value <= right
            shape = "*" if row.primary else style["marker"] if inside else "<" if value < left else ">"
            at = min(max(value, left), right)
            spread = [[max(0.0, at - max(low, left))], [max(0.0, min(high, right) - at)]] if inside else None
            drawn = axes.errorbar(
                at, place, xerr=spread, fmt=shape, color=style["color"], markersize=12 if row.primary else 6
            )
            _mark_all(drawn, row.label, f"{row.label}, {name}: {points(row.difference)} points ({interval(row)})")
            if not inside:
                side = {"ha": "left", "xytext": (8, -3)} if value < left else {"ha": "right", "xytext": (-8, -3)}
                shown = points(row.difference)
                axes.annotate(shown, (at, place), textcoords="offset points", color=style["color"], **side)
        axes.set_title(own.title.iloc[0], loc="left")
        axes.grid(axis="y", visible=False)
        axes.set_xlim(left, right)
    starred = set(rows[rows.primary.astype(bool)].label)
    columns[0].set_yticks(range(len(labels)), [name + " ★" * (name in starred) for name in labels])
    columns[0].set_ylim(len(labels) - 0.4, -0.6)
    figure.supxlabel(f"difference from {baseline}, percentage points", fontsize=10)
    return figure


def _range(rows: pd.DataFrame) -> tuple[float, float]:
    """Limits in points that hold every interval, and 0, with a margin."""
    low, high = 100 * min(rows.low.min(), 0.0), 100 * max(rows.high.max(), 0.0)
    margin = 0.06 * max(high - low, 1.0)
    return low - margin, high + margin


@as_svg
def curves_over_k(rows: pd.DataFrame, names: dict[str, str], metric: str = "maj") -> Figure:
    """maj@k or pass@k against k on one test set, a line per run, with greedy accuracy at the left edge.

    Args:
        rows: rows of metrics.csv, those of greedy decoding too: run, algorithm, lambda, metric, k, value, low, high.
        names: run → label.
        metric: `maj` or `pass`.
    """
    runs = rows.drop_duplicates("run")
    figure, axes = panel(height=2.7 + 0.19 * ((len(runs) + 1) // 2))
    styles = run_styles([(row.run, row.algorithm, row[1]) for row in _plain(runs)])
    top = rows.k.max()
    for place, run in enumerate(runs.run):
        own, style = rows[rows.run == run], styles[run]
        votes = own[own.metric == metric].sort_values("k")
        (line,) = axes.plot(votes.k, 100 * votes.value, label=legend_label(names[run]), markevery=[-1], **style)
        values = ", ".join(f"{percent(row.value)} % at {row.k}" for row in votes.itertuples())
        mark(line, names[run], f"{names[run]}, {metric}@k: {values}")
        last = votes[votes.k == top]
        shift = 1 + 0.04 * (place - (len(runs) - 1) / 2)
        drawn = axes.errorbar(
            last.k * shift,
            100 * last.value,
            yerr=100 * np.array([last.value - last.low, last.high - last.value]).clip(0),
            fmt="none",
            color=style["color"],
            elinewidth=1,
        )
        _mark_all(drawn, names[run])
        greedy = own[own.metric == "greedy"]
        at = 0.5 * shift * np.ones(len(greedy))
        (spot,) = axes.plot(at, 100 * greedy.value, style["marker"], color=style["color"])
        mark(spot, names[run])
    ticks = sorted(set(rows[rows.metric == metric].k))
    axes.set_xscale("log", base=2)
    axes.set_xticks([0.5, *ticks], ["greedy", *map(str, ticks)])
    axes.minorticks_off()
    axes.set_xlabel("k (number of samples)")
    accuracy_axis(axes)
    legend(figure, axes, 2)
    return figure


@as_svg
def accuracy_per_kind(
    rows: pd.DataFrame,
    names: dict[str, str],
    unseen: Collection[str] = (),
    grid: Sequence[tuple[str, str, float | None]] = (),
) -> Figure:
    """Greedy accuracy per perturbation kind: a dot with its interval for each run.

    Args:
        rows: rows of metrics.csv with metric `greedy_kind:<kind>`: run, algorithm, lambda, metric, value, low, high.
        names: run → label.
        unseen: kinds to mark with a dagger.
        grid: (run, algorithm, λ) of all runs of the study, which decide the styles; by default those of `rows`.
    """
    kinds = list(dict.fromkeys(rows.metric.str.partition(":")[2]))
    runs = rows.drop_duplicates("run")
    styles = run_styles(grid or [(row.run, row.algorithm, row[1]) for row in _plain(runs)])
    figure, axes = panel(width=6.2, height=len(kinds) * (0.14 + 0.075 * len(runs)) + 1.0)
    for place, run in enumerate(runs.run):
        own = rows[rows.run == run].set_index("metric").reindex([f"greedy_kind:{kind}" for kind in kinds])
        drawn = axes.errorbar(
            100 * own.value,
            np.arange(len(kinds)) + 0.7 * ((place + 0.5) / len(runs) - 0.5),
            xerr=100 * np.array([own.value - own.low, own.high - own.value]).clip(0),
            fmt=styles[run]["marker"],
            color=styles[run]["color"],
            markersize=4.5,
            elinewidth=1.1,
            capsize=0,
            label=legend_label(names[run]),
        )
        _mark_all(drawn, names[run])
    axes.set_yticks(range(len(kinds)), [kind + (" †" if kind in unseen else "") for kind in kinds])
    axes.set_ylim(len(kinds) - 0.45, -0.55)
    for line in range(len(kinds) - 1):
        axes.axhline(line + 0.5, color=INK, alpha=0.12, linewidth=0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 100)
    axes.set_xlabel("greedy accuracy, %")
    legend(figure, axes, 2)
    return figure


@as_svg
def accuracy_against(rows: pd.DataFrame, text: str, baseline: str | None = None) -> Figure:
    """Accuracy of each run on one test set, or its gain, against the quantity in which the studies differ.

    Args:
        rows: one per study and run: study, x, run, series, label, algorithm, lambda, value, low, high. The same run in
            several series is drawn as several lines.
        text: label of the x axis; empty if x only numbers the studies.
        baseline: with its name, `value`, `low` and `high` are differences from it, and a line marks 0.
    """
    figure, axes = panel(width=11.2 if baseline else 5.2, height=3.4)
    unit = "points" if baseline else "%"
    once = rows.drop_duplicates("run")  # not by lambda, which the baseline lacks
    styles = run_styles(list(zip(once.run, once.algorithm, once["lambda"], strict=True)))
    spots = rows.groupby("study", sort=False).x.first()
    logarithmic = bool(text) and spots.min() > 0 and spots.max() / spots.min() > LOG_AXIS_RATIO
    scale, back = (np.log, np.exp) if logarithmic else (lambda x: x, lambda x: x)
    width = np.ptp(scale(spots)) or 1.0
    series_of = rows.groupby("run").series.unique()
    lines = rows.groupby(["run", "series"], sort=False)
    for place, ((run, series), own) in enumerate(lines):
        own = own.sort_values("x")
        x = back(scale(own.x) + 0.012 * width * (place - (len(lines) - 1) / 2))
        spread = 100 * np.array([own.value - own.low, own.high - own.value]).clip(0)
        style = styles[run] | ({} if text else {"linestyle": "none"})
        name = own.label.iloc[0]
        if number := list(series_of[run]).index(series):
            style |= {"markerfacecolor": "white", "alpha": 0.8, "linestyle": SERIES_DASHES[(number - 1) % 3]}
        if len(series_of[run]) > 1 and series:
            name += f" ({series})"
        drawn = axes.errorbar(x, 100 * own.value, yerr=spread, label=legend_label(name), elinewidth=1.2, **style)
        values = [f"{row.study} {percent(row.value)} {unit}" for row in own.itertuples()]
        _mark_all(drawn, own.label.iloc[0], f"{name}: {', '.join(values)}")
    if baseline:
        axes.axhline(0, color=GREY, linewidth=1.2, zorder=0)
    if logarithmic:
        axes.set_xscale("log")
    places = spots.reset_index().groupby("x", sort=True).study.agg(list)
    gaps = np.diff(scale(np.array(places.index, dtype=float))) / width
    if not text:
        slanted = {} if len(spots) <= MAX_UPRIGHT_NAMES else {"rotation": 35, "ha": "right"}
        axes.set_xticks(list(spots), list(spots.index), **slanted)
    elif logarithmic or (gaps >= MIN_TICK_GAP).all():
        ticks = [f"{x:,.3g}" + (f"\n{own[0]}" if len(own) == 1 else "") for x, own in places.items()]
        axes.set_xticks(list(places.index), ticks)
    axes.minorticks_off()
    axes.set_xlabel(text)
    accuracy_axis(axes)
    if baseline:
        axes.set_ylabel(f"difference from {baseline}, points")
    longest = max(map(len, axes.get_legend_handles_labels()[1]), default=0)
    columns = LEGEND_WIDTH * (2 if baseline else 1) // (longest + 6)
    legend(figure, axes, max(1, min(4 if baseline else 3, columns)))
    return figure


def _plain(runs: pd.DataFrame):
    """Rows (lambda, run, algorithm) of `itertuples`, which renames the first because `lambda` is a keyword."""
    return runs[["lambda", "run", "algorithm"]].itertuples()


def _mark_all(drawn: ErrorbarContainer, run: str, hint: str = "") -> None:
    """Mark an error bar's points, with a hint, and its bars."""
    spots, caps, bars = drawn.lines
    if spots is not None:
        mark(spots, run, hint)
    for artist in (*caps, *bars):
        mark(artist, run)
