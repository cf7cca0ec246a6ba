"""The page of a study that is still running: its jobs, the remaining time and the curves so far."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from gavel.common.journal import Journal
from gavel.report.cells import Cell, Table, count, text
from gavel.report.figure import Figure
from gavel.report.page import relative_url, write_page
from gavel.report.plots.training import sft_curve, training_curve
from gavel.study.layout import Layout
from gavel.study.remaining import Weights, Work, work
from gavel.study.status import Run, Status, validated

CURVES = 24  # limit for the panels of one page
STATES = ("done", "running", "failed", "stopped", "waiting")
ORDER = {"running": 0, "failed": 1, "stopped": 2, "done": 3, "waiting": 4}  # of the runs
MEASURES = {"greedy": "greedy accuracy", "accuracy": "accuracy", "judge": "judge's mean score"}


class State(NamedTuple):
    """Where the studies of a page are.

    Attributes:
        work: None if their configs are not known.
        finished: whether every report is written and nothing is left to do.
    """

    work: Work | None
    running: int
    failed: int
    finished: bool


def state(studies: Sequence[Status], weights: Weights) -> State:
    """Where some studies are.

    Args:
        weights: of their jobs; empty if their configs are not known.
    """
    states = [job.state for study in studies for job in study.jobs]
    running = states.count("running")
    found = work(weights, studies) if weights else None
    left = found.jobs - found.done if found else running
    finished = bool(studies) and not running and not left and all(study.report for study in studies)
    return State(found, running, states.count("failed"), finished)


def write_live(
    out: str | Path, title: str, studies: Sequence[Status], weights: Weights, *, seconds: int, watched: bool = True
) -> State:
    """Write the page.

    Args:
        title: what the studies are called together.
        studies: one, or the variants of a sweep.
        weights: of their jobs (`gavel.study.remaining.weights`); empty if their configs are not known.
        seconds: until the page is written again; it reloads itself then.
        watched: whether it will be written again.
    """
    found = state(studies, weights)
    several = len(studies) > 1
    context = {
        "title": title,
        "sentence": _sentence(found),
        "share": found.work.share if found.work else None,
        "problems": _problems(studies, several, out),
        "stages": _stages(studies),
        "runs": _runs(studies, several),
        "figure": _curves(studies, several),
        "reports": [(study.folder, relative_url(study.report, out)) for study in studies if study.report],
        "partial": [
            (study.folder, relative_url(page, out))
            for study in studies
            if Path(page := Layout(study.folder).unfinished.report).exists()
        ],
        "written": time.strftime("%Y-%m-%d %H:%M:%S"),
        "epoch": int(time.time()),
        "seconds": seconds,
        "watched": watched and not found.finished,
    }
    write_page("page.live.j2", context, out)
    return found


def _sentence(found: State) -> str:
    if found.finished:
        return "Finished: every job is done."
    counted = f" {found.work}." if found.work else ""
    if found.running:
        return f"Running: {found.running} job{'s' * (found.running > 1)} at the moment.{counted}"
    failed = f"{found.failed} job{'s have' if found.failed > 1 else ' has'} failed. " if found.failed else ""
    return f"No job is running. {failed}The same command continues the study.{counted}"


def _problems(studies: Sequence[Status], several: bool, out: str | Path) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{Path(study.folder).name}: {job.rule} {job.of}" if several else f"{job.rule} {job.of}",
            "state": job.state,
            "error": job.error,
            "log": relative_url(job.log, out),
        }
        for study in studies
        for job in study.problems
    ]


def _stages(studies: Sequence[Status]) -> Table:
    """Jobs by stage and state, over all studies."""
    totals: dict[str, dict[str, int]] = {}
    for study in studies:
        for stage in study.stages:
            row = totals.setdefault(stage.name, dict.fromkeys(STATES, 0))
            for name in STATES:
                row[name] += getattr(stage, name) or 0
    known = any(stage.waiting is not None for study in studies for stage in study.stages)
    shown = [name for name in STATES if any(row[name] for row in totals.values()) and (name != "waiting" or known)]
    rows = [[text(stage), *(count(row[name]) for name in shown)] for stage, row in totals.items()]
    return Table([("jobs", ""), *((name, "") for name in shown)], rows)


def _runs(studies: Sequence[Status], several: bool) -> Table:
    columns = [("run", ""), ("state", ""), ("step", ""), ("validated at step", "")]
    columns += [(f"{title}, %" if name != "judge" else title, "") for name, title in MEASURES.items()]
    return Table(columns, [_run(name, run) for name, run, _ in _named(studies, several)])


def _run(name: str, run: Run) -> list[Cell]:
    row = run.validation or {}
    step = count(run.step)
    if run.step is not None and run.steps:
        step = Cell(f"{run.step:,} of {run.steps:,}", sort=run.step / run.steps)
    cells = [text(name), text(run.state), step, count(row.get("step"))]
    for measure in MEASURES:
        value = row.get(measure)
        shown = "" if value is None else f"{value:.2f}" if measure == "judge" else f"{100 * value:.1f}"
        cells.append(Cell(shown, sort=float("-inf") if value is None else value))
    return cells


def _named(studies: Sequence[Status], several: bool) -> list[tuple[str, Run, Status]]:
    """All runs with what they are called on the page: running ones first, those that have not started last."""
    found = [
        (f"{Path(study.folder).name}: {run.name}" if several else run.name, run, study)
        for study in studies
        for run in study.runs
    ]
    return sorted(found, key=lambda one: ORDER[one[1].state])


def _curves(studies: Sequence[Status], several: bool) -> Figure:
    """Validation curves: of running runs first, then of others that have started."""
    figure = Figure("curves", missing="No run has been validated yet.")
    found = [
        (name, run, table)
        for name, run, study in _named(studies, several)
        if (table := validations(study.folder, run.name)) is not None
    ]
    for name, run, table in found[:CURVES]:
        sampled = "accuracy" in table and table.accuracy.notna().any()
        figure.panels.append((f"{name} ({run.state})", training_curve({name: table}) if sampled else sft_curve(table)))
    if found:
        figure.data = pd.concat([table.assign(run=name) for name, _, table in found])
    left = f" Shown: {CURVES} of {len(found)} runs, running ones first; the CSV has all." if len(found) > CURVES else ""
    figure.caption = (
        "Samples for validation questions so far. RL: solid, true accuracy with its 95 % interval; dashed, the judge's "
        f"mean reward. SFT: greedy accuracy.{left}"
    )
    return figure


def validations(folder: str, run: str) -> pd.DataFrame | None:
    """A run's validations so far, from its journal or, once it is done, its monitor.csv; None before the first."""
    rows = [validated(row) for row in Journal(Path(folder, "state", run, "monitor.jsonl")).rows()]
    if rows:
        return pd.DataFrame(rows)
    path = Path(Layout(folder).runs(run).monitor)
    table = pd.read_csv(path) if path.exists() else pd.DataFrame()
    return None if table.empty else table
