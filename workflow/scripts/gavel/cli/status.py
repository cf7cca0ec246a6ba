"""`gavel status`: how far a study is, from the files in its results folder."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gavel.cli.commands import Commands, add_changes, add_command
from gavel.cli.cost import studies_in
from gavel.common.errors import InputError
from gavel.study import config_files
from gavel.study.layout import Layout
from gavel.study.remaining import weights, work
from gavel.study.results_version import check_version
from gavel.study.schema.study import fill_defaults
from gavel.study.smoke import SMOKE_CONFIG
from gavel.study.status import Job, Run, Stage, Status, status

# Metrics of the last validation -> how they are shown.
METRICS = {"greedy": "greedy {:.1%}", "accuracy": "accuracy {:.1%}", "judge": "judge {:.3f}"}


def add_status(commands: Commands) -> None:
    parser = add_command(
        commands,
        "status",
        help="how far a study is: its jobs by stage, and each run's step and last validation",
        description="Reads the logs and journals in the results folder, also while the study runs; starts nothing. "
        "Which finished jobs are outdated, `gavel run STUDY.yaml --dry-run` tells.",
        examples=["status", "status results/mine", "status mine.yaml --json"],
    )
    parser.add_argument(
        "study",
        metavar="RESULTS|STUDY.yaml",
        nargs="?",
        default="results",
        help="a results folder, or the config, with which jobs that have not started are counted too (%(default)s)",
    )
    add_changes(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=show_status)


def show_status(options: argparse.Namespace) -> None:
    """`gavel status`: print a page for the study, or one for each variant of a sweep."""
    studies = list(folders(options.study, options.overlays, options.settings))
    found = [status(folder, study) for folder, study in studies]
    if options.json:
        print(json.dumps([asdict(one) for one in found]))
        return
    print("\n\n".join("\n".join(page(one)) for one in found))
    if known := {folder: study for folder, study in studies if study is not None}:
        print(f"\n{work(weights(known), [one for one in found if one.folder in known])}")


def folders(
    name: str, overlays: Sequence[str] = (), settings: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """The results folders that the argument names, each with its resolved config if that is known.

    Args:
        overlays, settings: changes of a config (`gavel.study.config_files.read_changed`).

    Raises:
        InputError: there is no such file or folder, no study has run in the folder, or a newer version of Gavel has.
    """
    path = Path(name)
    if Path(config_files.find(name)).is_file():
        for study in studies_in(name, overlays, settings).values():
            check_version(study["results_dir"])
            yield study["results_dir"], study
        return
    if not path.is_dir():
        raise InputError(f"{name}: no such file or folder; name a study's results folder or its config")
    if (path / "logs").is_dir():
        yield name, _config(path)
        return
    below = [folder for folder in sorted(path.iterdir()) if (folder / "logs").is_dir()]
    if not below:
        raise InputError(f"{name}: no study has run here (there is no folder `logs`); name one such as results/mine")
    yield from ((str(folder), _config(folder)) for folder in below)


def _config(folder: Path) -> dict[str, Any] | None:
    """The config in a results folder; before the report is there, only a smoke run has one."""
    check_version(folder)
    if (written := Path(Layout(folder).config)).exists():
        return fill_defaults(config_files.read(written))
    if (smoke := folder / SMOKE_CONFIG).exists():
        return next(iter(studies_in(str(smoke)).values()))
    return None


def page(found: Status) -> list[str]:
    """The lines of a study's page."""
    lines = [f"# {found.folder}", "", *_stages(found.stages)]
    if found.runs:
        lines += ["", *_aligned([["run", "state", "step", "last validation"], *map(_run, found.runs)])]
    if found.problems:
        lines += ["", *map(_problem, found.problems)]
    return [*lines, "", f"open {found.report}" if found.report else "no report yet"]


def _stages(stages: Sequence[Stage]) -> list[str]:
    states = [state for state in ("done", "running", "failed", "stopped") if any(getattr(one, state) for one in stages)]
    states += ["waiting"] if any(one.waiting is not None for one in stages) else []
    rows = [[one.name, *(str(getattr(one, state) or "") for state in states)] for one in stages]
    return _aligned([["jobs", *states], *rows])


def _run(run: Run) -> list[str]:
    step = "" if run.step is None else f"{run.step:,} of {run.steps:,}" if run.steps is not None else f"{run.step:,}"
    if not run.validation:
        return [run.name, run.state, step, ""]
    shown = [text.format(run.validation[key]) for key, text in METRICS.items() if run.validation.get(key) is not None]
    return [run.name, run.state, step, f"step {run.validation['step']:,}: {', '.join(shown)}"]


def _problem(job: Job) -> str:
    name = f"{job.rule} {job.of}".rstrip()
    return f"{job.state}: {name}: {job.error} (log: {job.log})"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
