"""The controls: other rewards, other baselines and upper bounds beside the runs of the grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pandas as pd

from gavel.judge.kinds import CONTROL_REWARDS
from gavel.report.baseline import control_label
from gavel.report.cells import MISSING, Cell, Table, count, difference_cell, estimate_cell, text
from gavel.report.plots.style import label
from gavel.report.results import Results

REWARDS = {0.0: "judge alone", 0.5: "judge and labels", 1.0: "labels alone"}  # by lambda
SFT_SOURCES = {
    "judge-accepted": "on samples that the judge accepts",
    "majority-vote": "on samples with the majority's answer",
    "all-answers": "on all reference solutions: an upper bound",
}


@dataclass(frozen=True)
class Kind:
    """Runs that differ only in their seed.

    Attributes:
        source: what its reward or its examples are.
        algorithm, lam: of a run of the grid; None for the baseline and for controls.
        runs: its runs.
        seeds: number of finished runs.
        values, gains: test set -> greedy accuracy (`value`, `low`, `high`), and the difference from the baseline
            (`difference`, `low`, `high`); None where there is none.
        note: on runs that did not finish.
        is_control: it is no run of the grid, and not the baseline.
        is_bound: its difference is the gap that others close a part of.
    """

    label: str
    source: str
    seeds: int
    values: Mapping[str, Any]
    gains: Mapping[str, Any]
    note: str = ""
    algorithm: str | None = None
    lam: float | None = None
    runs: Sequence[str] = ()
    is_control: bool = False
    is_bound: bool = False


def controls_table(results: Results) -> Table:
    """Greedy accuracy of every kind of run of the grid and of every control, its difference from the baseline, and the
    fraction of the gap to the upper bound that it closes; kinds with several seeds are their means.

    Without rows if every kind is a single run and there is no control.
    """
    found = kinds(results)
    if not results.controls.runs and all(kind.seeds < 2 for kind in found):
        return Table([], [])
    columns, groups = [("run", "with its reward or its examples"), ("seeds", "")], [("", 2)]
    bounds = {name: _bound(found, name) for name in results.sets}
    for name in results.sets:
        own = [
            ("greedy", "accuracy in %, with its 95 % interval"),
            (f"Δ {results.baseline.label}", "in percentage points, with the paired 95 % interval"),
        ]
        if bounds[name] is not None:
            own.append(("gap closed", "the difference as a fraction of that of RL with all answers"))
        columns += own
        groups.append((f"{name} ({results.size(name):,} questions)", len(own)))
    table = Table(columns, [], groups)
    for kind in found:
        cells = [text(kind.label, "; ".join(filter(None, (kind.source, kind.note)))), count(kind.seeds)]
        for name in results.sets:
            gain, bound = kind.gains.get(name), bounds[name]
            cells += [estimate_cell(kind.values.get(name)), difference_cell(gain)]
            cells += [] if bound is None else [_share(gain, bound)]
        table.rows.append(cells)
    return table


def kinds(results: Results) -> list[Kind]:
    """The baseline, the kinds of runs of the grid, and the controls."""
    first = results.baseline
    values = {name: results.metric(first.run, name, "greedy") for name in results.sets}
    found = [Kind(first.label, "where RL starts", 1, values, {})]
    grid = {run: about for run, about in results.runs.items() if run != first.run}
    for algorithm, lam in dict.fromkeys((about["algorithm"], about["lambda"]) for about in grid.values()):
        members = [run for run, about in grid.items() if (about["algorithm"], about["lambda"]) == (algorithm, lam)]
        rows = results.seeds[(results.seeds.algorithm == algorithm) & (results.seeds["lambda"] == lam)]
        kind = _kind(results, label("", algorithm, lam), REWARDS.get(lam, REWARDS[0.5]), members, rows)
        found.append(replace(kind, algorithm=algorithm, lam=lam))
    controls, seeds = results.controls.runs, results.controls.seeds
    for algorithm, control in dict.fromkeys((about["algorithm"], about["control"]) for about in controls.values()):
        about = {"algorithm": algorithm, "control": control}
        members = [run for run, one in controls.items() if about.items() <= one.items()]
        rows = seeds[(seeds.algorithm == algorithm) & (seeds.control == control)]
        kind = _kind(results, control_label(about), _source(algorithm, control), members, rows)
        is_bound = control == "all-answers" and algorithm != "sft"
        found.append(replace(kind, is_control=True, is_bound=is_bound))
    return found


def _source(algorithm: str, control: str) -> str:
    if algorithm == "base":
        return "before any training"
    return SFT_SOURCES[control] if algorithm == "sft" else CONTROL_REWARDS[control].source


def _kind(results: Results, name: str, source: str, members: Sequence[str], seeds: pd.DataFrame) -> Kind:
    """One kind: its row of seeds.csv for each test set, or its only finished run."""
    pooled = {row.set: row for row in seeds[seeds.metric == "greedy"].itertuples()}
    states = [(results.runs | results.controls.runs)[run]["status"] for run in members]
    note = ", ".join(dict.fromkeys(state for state in states if state != "finished"))
    if pooled:
        gains = {
            key: SimpleNamespace(difference=row.difference, low=row.difference_low, high=row.difference_high)
            for key, row in pooled.items()
        }
        return Kind(name, source, max(row.seeds for row in pooled.values()), pooled, gains, note, runs=members)
    tables = (results.controls, results)
    wanted = {"checkpoint": "last", "metric": "greedy"}
    values = {key: _first([table.metrics for table in tables], members, wanted | {"set": key}) for key in results.sets}
    wanted |= {"baseline": results.baseline.run}
    gains = {
        key: _first([table.comparisons for table in tables], members, wanted | {"set": key}) for key in results.sets
    }
    return Kind(name, source, states.count("finished"), values, gains, note, runs=members)


def _first(tables: Sequence[pd.DataFrame], runs: Sequence[str], wanted: Mapping[str, str]) -> Any:
    """The first row of any of the runs with the wanted values, or None."""
    for table in tables:
        rows = table[table.run.isin(list(runs))]
        for column, value in wanted.items():
            rows = rows[rows[column] == value]
        if len(rows):
            return next(rows.itertuples())
    return None


def _bound(found: Sequence[Kind], name: str) -> float | None:
    """The upper bound's difference from the baseline; None unless its interval lies above zero."""
    gains = [kind.gains.get(name) for kind in found if kind.is_bound]
    return next((float(gain.difference) for gain in gains if gain is not None and gain.low > 0), None)


def _share(gain: Any, bound: float) -> Cell:
    if gain is None:
        return MISSING
    share = gain.difference / bound
    return Cell(f"{100 * share:.0f} %".replace("-", "−"), sort=share)
