"""Studies with several seeds: what is drawn or reported once for each kind of run, an algorithm at one λ.

Tables list every run.
"""

import pandas as pd

from gavel.report.plots.style import label
from gavel.report.results import Results

Kinds = dict[str, list[str]]  # label of a kind of run -> its runs


def kinds_of_run(results: Results) -> Kinds:
    """The kinds of RL runs, in the order of the grid."""
    kinds: Kinds = {}
    for run, about in results.runs.items():
        if run != results.baseline.run:
            kinds.setdefault(label(run, about["algorithm"], about["lambda"]), []).append(run)
    return kinds


def has_seeds(results: Results) -> bool:
    """Whether some kind of run has several seeds."""
    return any(len(runs) > 1 for runs in kinds_of_run(results).values())


def selected_runs(results: Results) -> list[str]:
    """The runs that are described individually: the baseline and one of each kind.

    That is the one with the primary comparison's seed, or else the first.
    """
    seed, kinds = results.study["primary"]["seed"], kinds_of_run(results)
    chosen = [next((run for run in runs if results.runs[run]["seed"] == seed), runs[0]) for runs in kinds.values()]
    return [*(run for run in results.runs if run == results.baseline.run), *chosen]


def mean_of_seeds(rows: pd.DataFrame, groups: Kinds) -> pd.DataFrame:
    """Rows of metrics.csv with each kind's runs merged: their mean as value, their lowest and highest as interval.

    `run` becomes the kind's label.
    """
    named = {run: name for name, runs in groups.items() for run in runs}
    rows = rows.assign(run=rows.run.map(named).fillna(rows.run), low=rows.value, high=rows.value)
    keys = ["run", "algorithm", "lambda", "set", "metric", "k"]
    made = rows.groupby(keys, sort=False, dropna=False)
    return made.agg(value=("value", "mean"), low=("low", "min"), high=("high", "max")).reset_index()


def omission_note(results: Results) -> str:
    """A sentence on how many runs are described individually; empty if all are."""
    if not has_seeds(results):
        return ""
    kinds = kinds_of_run(results)
    return f" Shown: one seed of each algorithm and λ, {len(kinds)} of {sum(map(len, kinds.values()))} runs."


def averaging_note(results: Results) -> str:
    """A sentence on how several seeds are drawn; empty for a single one."""
    return " Thick: mean over the seeds of an algorithm and λ; thin: each seed." if has_seeds(results) else ""
