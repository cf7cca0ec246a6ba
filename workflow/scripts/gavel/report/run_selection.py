"""Figures of studies with too many runs to draw each: one seed of each kind of run, or the mean over its seeds.

A kind of run is an algorithm at one λ. Tables always list every run.
"""

import pandas as pd

from gavel.report.plots.style import label
from gavel.report.results import Results

LIMIT = 12  # with more RL runs than this, figures do not draw every seed

Kinds = dict[str, list[str]]  # label of a kind of run -> its runs


def kinds_of_run(results: Results) -> Kinds:
    """The kinds of RL runs, in the order of the grid; empty if every run is drawn."""
    grid_runs = {run: about for run, about in results.runs.items() if run != results.baseline.run}
    kinds: Kinds = {}
    for run, about in grid_runs.items():
        kinds.setdefault(label(run, about["algorithm"], about["lambda"]), []).append(run)
    return kinds if len(grid_runs) > LIMIT and len(kinds) < len(grid_runs) else {}


def selected_runs(results: Results) -> list[str]:
    """The runs that are drawn or described individually: all, or one of each kind.

    That is the one with the primary comparison's seed, or else the first.
    """
    groups = kinds_of_run(results)
    if not groups:
        return list(results.runs)
    seed = results.study["primary"]["seed"]
    chosen = [next((run for run in runs if results.runs[run]["seed"] == seed), runs[0]) for runs in groups.values()]
    return [*(run for run in results.runs if run == results.baseline.run), *chosen]


def mean_by_step(tables: dict[str, pd.DataFrame], groups: Kinds) -> dict[str, pd.DataFrame]:
    """Kind -> the mean of its runs' tables at each step; kinds without a table are left out."""
    means = {}
    for name, runs in groups.items():
        if parts := [tables[run] for run in runs if run in tables]:
            means[name] = pd.concat(parts).groupby("step").mean(numeric_only=True).reset_index()
    return means


def mean_of_seeds(rows: pd.DataFrame, groups: Kinds) -> pd.DataFrame:
    """Rows of metrics.csv with each kind's runs merged: their mean as value, their lowest and highest as interval.

    `run` becomes the kind's label.
    """
    named = {run: name for name, runs in groups.items() for run in runs}
    rows = rows.assign(run=rows.run.map(named).fillna(rows.run), low=rows.value, high=rows.value)
    keys = ["run", "algorithm", "lambda", "set", "metric", "k"]
    made = rows.groupby(keys, sort=False, dropna=False)
    return made.agg(value=("value", "mean"), low=("low", "min"), high=("high", "max")).reset_index()


def omission_note(results: Results, what: str = "Shown") -> str:
    """A sentence on how many runs are drawn; empty if all are."""
    groups = kinds_of_run(results)
    if not groups:
        return ""
    count = sum(len(runs) for runs in groups.values())
    return f" {what}: one seed of each algorithm and λ, {len(groups)} of {count} runs; the CSV has all."


def averaging_note(results: Results) -> str:
    """A sentence saying that lines are means over seeds; empty if every run is drawn."""
    return " Each line is the mean over the seeds of an algorithm and λ; the CSV has every run." * bool(
        kinds_of_run(results)
    )
