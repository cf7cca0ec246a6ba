"""What other judges would have rewarded: the replays of section `replay`."""

from pathlib import Path
from typing import Any

import pandas as pd

from gavel.common.files import read_json
from gavel.report.cells import MISSING, Cell, Table, count, percent, text
from gavel.report.figure import Figure
from gavel.report.plots.replay import replay_figure
from gavel.report.results import Results
from gavel.report.run_selection import omission_note, selected_runs


def replays_table(results: Results) -> Table:
    """A row for each judge and run; its `columns` explain the values."""
    table = Table(
        [
            ("judge", ""),
            ("run", ""),
            ("completions", "that were judged again"),
            ("no reward", "fraction of the completions without a replayed reward, in %"),
            ("agreement", "of pairs of a question's completions that the run's reward tells apart: ordered alike"),
            ("correlation", "of the advantages under both rewards"),
            ("AUC of the run's reward", "within questions, against the truth, with its 95 % interval"),
            ("AUC replayed", "the same of the replayed reward"),
            ("diverges at step", "first of three replayed steps in a row with a correlation below 0.5"),
        ],
        [],
    )
    for judge, rows in _summaries(results).items():
        for row in rows:
            cells = [text(judge), text(results.names.get(row["run"], row["run"])), count(row["completions"])]
            cells += [Cell(percent(row["missing"]), sort=row["missing"])]
            cells += [_number(row["agreement"]), _number(row["correlation"])]
            cells += [_auc(row["auc_original"]), _auc(row["auc_replayed"]), count(row["diverges_at"])]
            table.rows.append(cells)
    return table


def replay_figures(results: Results) -> list[Figure]:
    """One figure for each judge: correlation and AUC by step."""
    found = []
    for judge in _summaries(results):
        table = pd.read_csv(results.files.replay(judge).steps)
        runs = {run: rows.drop(columns="run").to_dict("records") for run, rows in table.groupby("run", sort=False)}
        grid = {run: (results.runs[run]["algorithm"], results.runs[run]["lambda"]) for run in selected_runs(results)}
        shown = {run: rows for run, rows in runs.items() if run in grid}
        found.append(
            Figure(
                f"replay-{judge}",
                full=True,
                panels=[(judge, replay_figure(shown, grid, f"judge {judge}"))],
                data=table,
                caption=f"The completions of the grid's runs, judged again by {judge}.{omission_note(results)} Left: "
                "how the advantages under both rewards correlate (1: training would have taken the same direction). "
                "Middle and right: AUC of each reward within questions, against the truth (0.5: chance).",
            )
        )
    return found


def _summaries(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Judge -> the summaries of its replayed runs (`gavel.replay.study.RunSummary`)."""
    files = {judge: results.files.replay(judge) for judge in results.study["replay"]["judges"]}
    whole = {judge: own for judge, own in files.items() if Path(own.summary).exists() and Path(own.steps).exists()}
    return {judge: read_json(own.summary)["runs"] for judge, own in whole.items()}


def _number(value: float | None) -> Cell:
    return MISSING if value is None else Cell(f"{value:.3f}".replace("-", "−"), sort=value)


def _auc(value: list[float] | None) -> Cell:
    if value is None:
        return MISSING
    auc, low, high = value
    return Cell(f"{auc:.3f}", f"{low:.3f}–{high:.3f}", sort=auc)
