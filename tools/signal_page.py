"""The table and the figure of docs/studies/signal.md: what was measured of judges before RL, against what RL gained."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from gavel.report.cells import Cell, Table, interval, points
from gavel.report.plots.style import GREY, as_svg, label, lambda_colours, legend, mark, panel
from gavel.report.results import Results

MARKERS = {"grpo": "o", "ppo": "s"}
LIMIT = 0.5  # the default of rl.signal.min_correlation


def settings(name: str, study: Results) -> pd.DataFrame:
    """A row for each algorithm and λ < 1 of a study: the judge before RL, and the gain on the primary test set.

    Args:
        name: of the study, in the table.
    """
    if study.signal is None or study.calibration is None or study.signal["correlation"] is None:
        return pd.DataFrame()
    rows = study.seeds[(study.seeds.metric == "greedy") & (study.seeds.set == study.primary["set"])]
    rows = rows[rows.control.isna() & (rows["lambda"] < 1)]
    judge = {"auc": study.calibration["auc_within"]} | {key: study.signal[key] for key in ("correlation", "spread")}
    kept = rows[["algorithm", "lambda", "seeds", "difference", "difference_low", "difference_high"]]
    renamed = kept.rename(columns={"difference_low": "low", "difference_high": "high"})
    return renamed.assign(judge=name, **judge)


def table(rows: pd.DataFrame) -> Table:
    """The settings, by the correlation."""
    columns = ["judge", "run", "seeds", "AUC within questions", "correlation", "spread", "Δ SFT"]
    shown = Table([(title, "") for title in columns], [])
    for row in rows.sort_values("correlation").itertuples():
        algorithm, lam = rows.loc[row.Index, ["algorithm", "lambda"]]
        numbers = [f"{row.auc:.3f}", f"{row.correlation:.2f}".replace("-", "−"), f"{row.spread:.3f}"]
        cells = [Cell(text) for text in (row.judge, label("", algorithm, lam), f"{row.seeds:.0f}", *numbers)]
        shown.rows.append([*cells, Cell(f"{points(row.difference)} [{interval(row)}]")])
    return shown


def sentence(rows: pd.DataFrame) -> str:
    """How many settings gained and lost, below and above the limit."""
    parts = []
    for where, part in (("below", rows[rows.correlation < LIMIT]), ("above", rows[rows.correlation >= LIMIT])):
        gained, lost = (part.low > 0).sum(), (part.high < 0).sum()
        bounds = f"{part.correlation.min():.2f} to {part.correlation.max():.2f}".replace("-", "−")
        neither = len(part) - gained - lost
        parts.append(
            f"Of the {len(part)} settings {where} {LIMIT:g} ({bounds}), {gained} gained and {lost} lost; {neither} "
            f"{'shows' if neither == 1 else 'show'} no significant difference."
        )
    ranks = rows[["auc", "correlation", "difference"]].rank().corr().difference
    ranked = f"{ranks.correlation:.2f} for the correlation and {ranks.auc:.2f} for the AUC within questions"
    return f"{' '.join(parts)} Spearman's rank correlation with the gain is {ranked}."


@as_svg
def figure(rows: pd.DataFrame) -> Figure:
    """The gain against the correlation; hue is λ, the marker the algorithm."""
    drawn, axes = panel(width=11.2, height=3.8)
    axes.axhline(0, color=GREY, linewidth=1.2, zorder=0)
    axes.axvline(LIMIT, color=GREY, linewidth=1.2, linestyle=":", zorder=0)
    colours = lambda_colours(list(rows["lambda"]))
    for (algorithm, lam), part in rows.groupby(["algorithm", "lambda"]):
        bars = [100 * (part.difference - part.low), 100 * (part.high - part.difference)]
        style = {"color": colours[lam], "fmt": MARKERS[algorithm], "elinewidth": 1.2}
        spots = axes.errorbar(
            part.correlation, 100 * part.difference, yerr=bars, label=label("", algorithm, lam), **style
        )
        mark(spots.lines[0], label("", algorithm, lam))
    axes.set_xlabel("correlation of the judge's advantages with those of correctness, before RL")
    axes.set_ylabel("difference from SFT, points")
    legend(drawn, axes, 4)
    return drawn


def collect(studies: Iterable[tuple[str, Results]]) -> pd.DataFrame:
    """The settings of several studies, numbered. Sweeps may share a setting; the first one counts."""
    found = pd.concat([settings(name, study) for name, study in studies])
    return found.drop_duplicates([name for name in found if name != "judge"], ignore_index=True)


def folders(results: Path, sweeps: Iterable[str]) -> list[tuple[str, Path]]:
    """(name, results folder) of every variant of the sweeps that have been run."""
    return [
        (f"{sweep}: `{path.name}`", path)
        for sweep in sweeps
        for path in sorted((results / sweep).glob("*"))
        if (path / "config.yaml").exists()
    ]
