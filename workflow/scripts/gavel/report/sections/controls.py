"""The controls: other rewards, other baselines and upper bounds beside the runs of the grid."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from gavel.judge.kinds import CONTROL_REWARDS
from gavel.report.baseline import control_label
from gavel.report.cells import MISSING, Cell, Table, count, difference_cell, estimate_cell, percent, text
from gavel.report.plots.style import label
from gavel.report.results import Results

SFT_SOURCES = {
    "judge-accepted": "rejection sampling: SFT's own samples of RL's questions that the judge accepts",
    "majority-vote": "SFT's own samples of RL's questions that have the majority's answer",
    "all-answers": "the reference solutions of all of RL's questions: an upper bound",
}


def controls_table(results: Results) -> Table:
    """Greedy accuracy of every control and of every kind of run of the grid, its difference from the baseline, and the
    share of the gap to the upper bound that it closes; kinds with several seeds are their means."""
    columns = [("run", ""), ("reward or examples", ""), ("seeds", "")]
    groups = [("", 3)]
    for name in results.sets:
        columns += [
            ("greedy", "accuracy in %, with its 95 % interval"),
            (f"Δ {results.baseline.label}", "in percentage points, with the paired 95 % interval"),
            ("gap closed", "the difference as a share of that of RL with all answers"),
        ]
        groups.append((f"{name} ({results.size(name):,} questions)", 3))
    table = Table(columns, [], groups)
    if not results.controls.runs:
        return table
    rows = _kinds(results)
    bounds = {name: _bound(rows, name) for name in results.sets}
    for kind in rows:
        cells = [text(kind["label"], kind["note"]), text(kind["source"]), count(kind["seeds"])]
        for name in results.sets:
            value, gain = kind["values"].get(name), kind["gains"].get(name)
            cells += [estimate_cell(value), difference_cell(gain), _share(gain, bounds[name])]
        table.rows.append(cells)
    return table


def _kinds(results: Results) -> list[dict[str, Any]]:
    """What differs only in its seed is one kind: the baseline, those of the grid, and the controls."""
    first, found = results.baseline, []
    values = {name: results.metric(first.run, name, "greedy") for name in results.sets}
    found.append(_kind(first.label, "where all others start", 1, values, {}))
    for algorithm, lam in dict.fromkeys(
        (about["algorithm"], about["lambda"]) for run, about in results.runs.items() if run != first.run
    ):
        members = {
            run: about
            for run, about in results.runs.items()
            if (about["algorithm"], about["lambda"]) == (algorithm, lam)
        }
        rows = results.seeds[(results.seeds.algorithm == algorithm) & (results.seeds["lambda"] == lam)]
        found.append(_summary(results, label("", algorithm, lam), "judge and labels", members, rows))
    names = dict.fromkeys((about["algorithm"], about["control"]) for about in results.controls.runs.values())
    for algorithm, control in names:
        about = {"algorithm": algorithm, "control": control}
        members = {
            run: one
            for run, one in results.controls.runs.items()
            if (one["algorithm"], one["control"]) == (algorithm, control)
        }
        table = results.controls.seeds
        rows = table[(table.algorithm == algorithm) & (table.control == control)]
        kind = _summary(results, control_label(about), _source(algorithm, control), members, rows)
        found.append(kind | {"bound": algorithm not in ("sft", "base") and control == "all-answers"})
    return found


def _source(algorithm: str, control: str) -> str:
    if algorithm == "base":
        return "the student before any training"
    return SFT_SOURCES[control] if algorithm == "sft" else CONTROL_REWARDS[control].source


def _kind(name: str, source: str, seeds: int, values: Mapping[str, Any], gains: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "label": name,
        "note": "",
        "source": source,
        "seeds": seeds,
        "values": values,
        "gains": gains,
        "bound": False,
    }


def _summary(
    results: Results, name: str, source: str, members: Mapping[str, Mapping[str, Any]], seeds: Any
) -> dict[str, Any]:
    """One kind: its row of seeds.csv for each test set, or its only run."""
    pooled = {row.set: row for row in seeds[seeds.metric == "greedy"].itertuples()}
    if pooled:
        gains = {
            key: SimpleNamespace(difference=row.difference, low=row.difference_low, high=row.difference_high)
            for key, row in pooled.items()
        }
        return _kind(name, source, max(row.seeds for row in pooled.values()), pooled, gains)
    values: dict[str, Any] = {}
    gains = {}
    for run in members:
        for name_of_set in results.sets:
            values.setdefault(name_of_set, _row(results.controls.metrics, results.metrics, run, name_of_set))
            gains.setdefault(name_of_set, _gain(results, run, name_of_set))
    failed = [one["status"] for one in members.values() if one["status"] != "finished"]
    kind = _kind(name, source, len(members) - len(failed), values, gains)
    return kind | {"note": ", ".join(dict.fromkeys(failed))}


def _row(controls: Any, grid: Any, run: str, name: str) -> Any:
    for table in (controls, grid):
        rows = table[
            (table.run == run) & (table.checkpoint == "last") & (table.set == name) & (table.metric == "greedy")
        ]
        for row in rows.itertuples():
            return row
    return None


def _gain(results: Results, run: str, name: str) -> Any:
    for table in (results.controls.comparisons, results.comparisons):
        rows = table[
            (table.run == run)
            & (table.baseline == results.baseline.run)
            & (table.checkpoint == "last")
            & (table.set == name)
            & (table.metric == "greedy")
        ]
        for row in rows.itertuples():
            return row
    return None


def _bound(kinds: list[dict[str, Any]], name: str) -> float | None:
    """The upper bound's difference from the baseline; None unless its interval lies above zero."""
    for kind in kinds:
        gain = kind["gains"].get(name)
        if kind["bound"] and gain is not None:
            return float(gain.difference) if gain.low > 0 else None
    return None


def _share(gain: Any, bound: float | None) -> Cell:
    if gain is None or bound is None:
        return MISSING
    return Cell(f"{percent(gain.difference / bound)} %".replace("-", "−"), sort=gain.difference / bound)
