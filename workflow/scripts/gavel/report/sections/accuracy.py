"""The test results: figures with their captions and data, then tables."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd

from gavel.evaluation.metrics import main_checkpoint
from gavel.report import run_selection
from gavel.report.cells import (
    MISSING,
    Cell,
    Table,
    count,
    difference_cell,
    difference_hint,
    estimate_cell,
    is_significant,
    join_words,
    p_cell,
    percent,
    text,
)
from gavel.report.figure import Figure, rl_settings, seeds_sentence
from gavel.report.plots.results import (
    MAX_ERROR_BARS,
    accuracy_against_lambda,
    accuracy_per_kind,
    curves_over_k,
    differences_from_baseline,
)
from gavel.report.plots.style import COLOUR_NAMES, label, lambda_colours
from gavel.report.results import Results
from gavel.report.sections import controls

GREEDY = "accuracy of greedy decoding, in %"
BARS = "Bars at the largest k: 95 % bootstrap intervals over questions."


def lambda_figure(results: Results) -> Figure:
    """Greedy accuracy against λ on every test set."""
    rows = results.main_metrics
    rows = rows[rows.metric == "greedy"]
    figure = Figure(
        "accuracy-against-lambda",
        missing="No RL run has been evaluated, so there is no accuracy to plot against λ.",
    )
    first = results.baseline
    if not set(rows.run) - {first.run}:
        return figure
    for name in results.sets:
        own = rows[rows.set == name]
        if set(own.run) - {first.run}:
            figure.panels.append((f"{name}, greedy", accuracy_against_lambda(own)))
    figure.data = rows
    figure.caption = (
        f"Greedy accuracy against λ on {_sizes(results)}. Bars, and the grey band for {first.name}: 95 % Wilson "
        f"intervals over questions. Final checkpoint of every RL run ({rl_settings(results)}), "
        + ("best validation checkpoint of SFT. " if first.run == "sft" else "the base model before any training. ")
        + (
            f"With more than {MAX_ERROR_BARS} seeds, individual runs are points without bars."
            if len({about.get("seed") for about in results.runs.values()} - {None}) > MAX_ERROR_BARS
            else ""
        )
    )
    return figure


def difference_figure(results: Results) -> Figure:
    """Differences from the baseline: every kind of run, control and bound on every test set."""
    first, rows = results.baseline, _differences(results)
    figure = Figure(
        f"difference-from-{first.run}",
        data=rows,
        full=True,
        missing=f"There is no comparison with {first.name}, because {first.name} or every RL run is missing.",
    )
    if len(rows):
        figure.panels.append(("Difference from " + first.name, differences_from_baseline(rows, first.name)))
    few, several = rows[~rows.control.astype(bool)] if len(rows) else rows, rows.seeds.max() > 1 if len(rows) else False
    hues = join_words([f"{name} λ = {lam:g}" for lam, name in _hues(few)])
    figure.caption = (
        f"Greedy accuracy minus {first.name}'s on the same questions, with 95 % intervals"
        + (" over seeds and questions where a row is a mean over seeds" if several else "")
        + f". One axis for all test sets. Colour: {hues}; grey: controls; ◆: bounds with all answers. An arrow is a "
        "value beyond the axis. ★: the primary comparison, named in the config before any run. The intervals are not "
        "corrected for multiple comparisons; the p-values in the tables are. " + seeds_sentence(results)
    )
    return figure


def _hues(rows: pd.DataFrame) -> list[tuple[float, str]]:
    """λ and the name of its colour."""
    colours = lambda_colours(list(rows["lambda"])) if len(rows) else {}
    return [(lam, COLOUR_NAMES[colours[lam]]) for lam in sorted(set(rows["lambda"]))] if len(rows) else []


def _differences(results: Results) -> pd.DataFrame:
    """A row for each kind of run and test set, and for a primary comparison of one seed among several."""
    named, rows = results.study["primary"], []
    greedy = named["metric"] == "greedy"
    kinds = [kind for kind in controls.kinds(results) if kind.runs]
    for kind in kinds:
        for name in results.sets:
            if (gain := kind.gains.get(name)) is not None:
                star = greedy and name == named["test_set"] and _is_primary(results, kind)
                rows.append(_difference(results, kind, name, gain) | {"primary": star})
    run, row = results.primary["run"], None
    alone = [kind for kind in kinds if run in kind.runs and not _is_primary(results, kind)]
    if alone and greedy and not results.is_pooled:
        row = results.comparison(run, results.baseline.run, named["test_set"], "greedy")
    if row is not None:
        one = replace(alone[0], label=results.names[run], seeds=1)
        rows.insert(0, _difference(results, one, named["test_set"], row) | {"primary": True})
    return pd.DataFrame(rows)


def _is_primary(results: Results, kind: controls.Kind) -> bool:
    """Whether a kind's finished runs are those of the primary comparison."""
    finished = {run for run in kind.runs if results.runs.get(run, {}).get("status") == "finished"}
    return set(results.primary["runs"]) == finished


def _difference(results: Results, kind: controls.Kind, name: str, gain: Any) -> dict[str, Any]:
    """One row of the figure, without `primary`."""
    return {
        "label": kind.label,
        "set": name,
        "title": f"{name} ({results.size(name):,} questions)",
        "algorithm": kind.algorithm,
        "lambda": kind.lam,
        "seeds": kind.seeds,
        "difference": gain.difference,
        "low": gain.low,
        "high": gain.high,
        "control": kind.is_control,
        "bound": kind.is_bound,
    }


def vote_figure(results: Results) -> Figure:
    """maj@k and pass@k curves of every run, a panel of each per test set."""
    rows = results.main_metrics
    rows = rows[rows.metric.isin(["greedy", "maj", "pass"])]
    figure = Figure(
        "maj-at-k", data=rows, missing="Only greedy responses were generated, so there are no votes to show."
    )
    if not results.top_k:
        return figure
    groups = run_selection.kinds_of_run(results) if run_selection.has_seeds(results) else {}
    if groups:
        rows = run_selection.mean_of_seeds(rows, groups)
    for name in results.sets:
        for metric in ("maj", "pass"):
            own = rows[rows.set == name]
            if (own.metric == metric).any():
                svg = curves_over_k(own, results.names | {k: k for k in groups}, metric)
                figure.panels.append((f"{name}, {metric}@k", svg))
        figure.shown = figure.shown or len(figure.panels)
    figure.caption = (
        f"Greedy decoding is at the left edge. On {_sizes(results)}. {_sampling(results)}; ties count by expectation, "
        "samples without an answer do not vote. "
        + ("Bars at the largest k: lowest and highest seed." if groups else BARS)
        + (" Lines are means over seeds." if groups else "")
    )
    return figure


def kinds_figure(results: Results) -> Figure:
    """Greedy accuracy per perturbation kind: for each such test set, a panel per algorithm."""
    figure = Figure("accuracy-per-kind", wide=True, missing="No test set has perturbation kinds.")
    rows = results.main_metrics
    rows = rows[rows.metric.str.startswith("greedy_kind:")]
    first = results.baseline.run
    grid_runs = [about for run, about in results.runs.items() if run != first]
    seed = min((about["seed"] for about in grid_runs if about["seed"] is not None), default=None)
    grid = [(run, about["algorithm"], about["lambda"]) for run, about in results.runs.items()]
    for name in dict.fromkeys(rows.set):
        for algorithm in dict.fromkeys(about["algorithm"] for about in grid_runs) or [first]:
            runs = {
                run for run, about in results.runs.items() if about["algorithm"] == algorithm and about["seed"] == seed
            }
            own = rows[(rows.set == name) & rows.run.isin(runs | {first})]
            if len(own):
                svg = accuracy_per_kind(own, results.names, results.study.get("unseen_kinds") or (), grid)
                figure.panels.append((f"{name}, {algorithm.upper()}", svg))
    figure.data = rows
    unseen = results.study.get("unseen_kinds")
    figure.caption = (
        "Greedy accuracy per perturbation kind, with 95 % Wilson intervals"
        + (f" (seed {seed})" if len({about["seed"] for about in grid_runs}) > 1 else "")
        + ". "
        + (f"†: wording that is absent from pretraining ({join_words(list(unseen))}). " if unseen else "")
        + "Intervals are not corrected for the number of kinds: interpret a single kind with care."
    )
    return figure


def _sizes(results: Results) -> str:
    return join_words([f"{name} ({results.size(name):,} questions)" for name in results.sets])


def _sampling(results: Results) -> str:
    """A sentence on how maj@k is computed."""
    options = results.study["evaluation"]
    parts = [f"{number:,} of {name}" for name, number in options["sampled_questions"].items() if number]
    return (
        f"maj@k: exact expectation over {options['samples']} samples per question at temperature "
        f"{options['temperature']:g}{f' for {join_words(parts)}' if parts else ''}"
    )


def main_results_table(results: Results, *, other: bool = False) -> Table:
    """Greedy accuracy, maj@k and the difference from the baseline on each test set, with 95 % intervals; rows are runs.

    The highest value of a column is bold only if its difference from the baseline has an interval above zero. With
    `other`, the rows are the runs' other checkpoints (RL: best by validation, SFT: last), which have greedy responses
    only.
    """
    first = results.baseline
    k = None if other else results.top_k
    places = {run: main_checkpoint(run) for run in results.runs}
    if other:
        flipped = {run: "best" if place == "last" else "last" for run, place in places.items()}
        known = set(zip(results.metrics.run, results.metrics.checkpoint, strict=True))
        places = {run: place for run, place in flipped.items() if (run, place) in known}
    measures = [("greedy", 1)] + ([("maj", k)] if k else [])
    columns, groups, filled = [("run", "")], [("", 1)], []
    for name in results.sets:
        for metric, number in measures:
            rows = {run: results.metric(run, name, metric, number, place) for run, place in places.items()}
            top = max((row.value for row in rows.values() if row), default=None)
            cells = []
            for run, row in rows.items():
                gain = results.comparison(run, first.run, name, metric, number, places[run])
                cells.append(estimate_cell(row, bold=bool(row and gain and row.value == top and gain.low > 0)))
            filled.append(cells)
        gains = [results.comparison(run, first.run, name, "greedy", 1, place) for run, place in places.items()]
        filled.append([difference_cell(row) for row in gains])
        columns += [("greedy", GREEDY)]
        columns += [(f"maj@{k}", f"accuracy of the majority vote of {k} samples, in %")] if k else []
        columns += [(f"Δ {first.label}", difference_hint(first))]
        groups.append((f"{name} ({results.size(name):,} questions)", len(measures) + 1))
    table = Table(columns, [], groups)
    for place, run in enumerate(places):
        state = results.runs[run]["status"]
        note = f"{places[run]} checkpoint" if other else "" if state == "finished" else state
        table.rows.append([text(results.names[run], note), *(column[place] for column in filled)])
    return table


def comparison_table(results: Results, rows: pd.DataFrame, *, matched: bool = False) -> Table:
    """Rows of comparisons.csv; `matched` adds a column on whether both runs had the same training budget."""
    columns = [
        ("set", "test set"),
        ("run", ""),
        ("against", ""),
        ("difference", "percentage points, with the paired 95 % interval"),
        ("p", "two-sided, paired bootstrap"),
        ("p, Holm", "corrected for multiple comparisons, except for the primary one"),
        ("gained / lost", "questions that only this run / only the baseline answers correctly"),
    ]
    table = Table(columns + ([("budget", "steps, completions and learning rate of both runs")] if matched else []), [])
    for row in rows.itertuples():
        measure = row.metric if row.metric == "greedy" else f"{row.metric}@{row.k}"
        if row.checkpoint == "best":
            measure += ", best checkpoint"
        discordant = MISSING
        if not pd.isna(row.gained):
            discordant = Cell(f"+{row.gained:.0f} / −{row.lost:.0f}", sort=row.gained - row.lost)
        cells = [
            text(row.set),
            text(results.names.get(row.run, row.run), measure + (", primary ★" if row.primary else "")),
            text(results.names.get(row.baseline, row.baseline)),
            difference_cell(row, bold=is_significant(row)),
            p_cell(row.p, row.p),
            p_cell(row.p_adjusted, row.p),
            discordant,
        ]
        table.rows.append(cells + ([_budget(results, row.run, row.baseline)] if matched else []))
    return table


def _budget(results: Results, first: str, second: str) -> Cell:
    def of(run: str) -> dict[str, Any]:
        about = results.runs[run]
        rate = (about.get("settings") or {}).get("learning_rate")
        return {"steps": about.get("steps"), "completions": about.get("completions"), "learning rate": rate}

    a, b = of(first), of(second)
    changed = [f"{key} {a[key]} against {b[key]}" for key in a if a[key] != b[key]]
    return text("; ".join(changed)) if changed else text("the same")


def seeds_table(results: Results) -> Table:
    """Mean accuracy over seeds and the difference from the baseline per test set; without rows for a single seed."""
    columns = [("run", ""), ("set", "test set"), ("metric", ""), ("seeds", ""), ("mean", "over seeds, in %")]
    columns += [
        ("range", "lowest and highest seed, in %"),
        (f"Δ {results.baseline.label}", "in percentage points, seeds and questions resampled"),
    ]
    table = Table([*columns, ("p, Holm", "corrected over the rows of this table, except for the primary one")], [])
    for row in results.seeds.to_dict("records"):
        name = label("", row["algorithm"], row["lambda"])
        primary, own = results.is_primary(row), SimpleNamespace(**row)
        gain = SimpleNamespace(difference=own.difference, low=own.difference_low, high=own.difference_high)
        table.rows.append(
            [text(name, "primary ★" * primary), text(own.set)]
            + [text(own.metric if own.metric == "greedy" else f"{own.metric}@{own.k}")]
            + [
                count(own.seeds),
                estimate_cell(own),
                Cell(f"{percent(own.lowest)}–{percent(own.highest)}", sort=own.lowest),
            ]
            + [difference_cell(gain, bold=own.p_adjusted < 0.05), p_cell(own.p_adjusted, own.p)]
        )
    return table
