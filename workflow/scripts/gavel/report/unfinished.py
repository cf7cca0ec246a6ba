"""A report of what there is, when a study ends before its report: some run failed, the others are worth a look."""

import datetime
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gavel.common.errors import first_line
from gavel.evaluation.metrics import write_metrics
from gavel.report.page import render
from gavel.study import layout


def tell(unfinished: Iterable[dict[str, Any]]) -> None:
    """Write the pages of studies and say where they are; whatever goes wrong with that is said too, and no more."""
    for study in unfinished:
        try:
            page = write(study)
        except Exception as error:  # the study's own failure must stay what is seen last and first
            print(f"no report of what there is: {first_line(error)}", file=sys.stderr)
            continue
        if page is not None:
            print(f"open {page} for a report of what there is; the same command goes on", file=sys.stderr)


def write(study: dict[str, Any]) -> Path | None:
    """Write `unfinished/report.html` in the results folder, with tables of what has been evaluated.

    Nothing that the workflow makes is touched, so that the same command goes on where it stopped.

    Args:
        study: the resolved config.

    Returns:
        The page, or None where nothing has been evaluated yet.
    """
    files = [file for file in layout.scored_files(study) if Path(file[3]).exists()]
    if not files:
        return None
    made = layout.Layout(study["results_dir"]).unfinished
    write_metrics(
        files,
        layout.runs(study),
        study["evaluation"]["ks"],
        layout.primary(study),
        made.metrics,
        made.comparisons,
        made.seeds,
    )
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = {"provenance": {"generated": f"{now}, before the study was finished"}}
    render(study["results_dir"], study | facts, made.report, tables=made.root)
    return Path(made.report)
