"""What is drawn of a study with more runs than a figure can tell apart: one seed of each kind of run, or their mean.

A kind of run is an algorithm at a λ. Tables hold every run, whatever their number.
"""

import pandas as pd

from gavel.report.plots.style import label
from gavel.report.results import Results

MOST = 24  # RL runs of several seeds that figures still draw one by one

Kinds = dict[str, list[str]]  # label of a kind of run -> its runs


def kinds_of_run(results: Results) -> Kinds:
    """The kinds of RL runs, in the order of the grid; empty where every run is drawn by itself."""
    cells = {run: about for run, about in results.runs.items() if run != "sft"}
    found: Kinds = {}
    for run, about in cells.items():
        found.setdefault(label(run, about["algorithm"], about["lambda"]), []).append(run)
    return found if len(cells) > MOST and len(found) < len(cells) else {}


def shown_runs(results: Results) -> list[str]:
    """Runs that are drawn or told one by one: all, or of each kind the one with the primary comparison's seed, else
    the first."""
    groups = kinds_of_run(results)
    if not groups:
        return list(results.runs)
    seed = results.study["primary"]["seed"]
    cells = [next((run for run in runs if results.runs[run]["seed"] == seed), runs[0]) for runs in groups.values()]
    return [*(run for run in results.runs if run == "sft"), *cells]


def mean_by_step(tables: dict[str, pd.DataFrame], groups: Kinds) -> dict[str, pd.DataFrame]:
    """Kind -> the mean over its runs' tables at every step; kinds without a table are left out."""
    found = {}
    for name, runs in groups.items():
        if own := [tables[run] for run in runs if run in tables]:
            found[name] = pd.concat(own).groupby("step").mean(numeric_only=True).reset_index()
    return found


def mean_of_seeds(rows: pd.DataFrame, groups: Kinds) -> pd.DataFrame:
    """Rows of metrics.csv with each kind's runs made one: their mean, and the lowest and highest of them as interval.

    `run` becomes the kind's label.
    """
    named = {run: name for name, runs in groups.items() for run in runs}
    rows = rows.assign(run=rows.run.map(named).fillna(rows.run), low=rows.value, high=rows.value)
    keys = ["run", "algorithm", "lambda", "set", "metric", "k"]
    made = rows.groupby(keys, sort=False, dropna=False)
    return made.agg(value=("value", "mean"), low=("low", "min"), high=("high", "max")).reset_index()


def left_out(results: Results, what: str = "Shown") -> str:
    """How many runs are not drawn; empty where all are."""
    groups = kinds_of_run(results)
    if not groups:
        return ""
    count = sum(len(runs) for runs in groups.values())
    return f" {what}: one seed of each algorithm and λ, {len(groups)} of {count} runs; the CSV has all."


def averaged(results: Results) -> str:
    """That lines are means; empty where every run has its own."""
    return " Each line is the mean over the seeds of an algorithm and λ; the CSV has every run." * bool(
        kinds_of_run(results)
    )
