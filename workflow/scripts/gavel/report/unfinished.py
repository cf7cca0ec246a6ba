"""A report of the runs evaluated so far, for a study that ended before its report because some run failed."""

import datetime
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from gavel.common.errors import first_line
from gavel.common.files import write_text
from gavel.common.redaction import redact_config
from gavel.evaluation.metrics import write_metrics
from gavel.report.page import render
from gavel.report.results import plain_types
from gavel.study import layout


def write_reports(unfinished: Iterable[dict[str, Any]]) -> None:
    """Write the pages of unfinished studies, and print their paths and how to continue.

    An error is printed and not raised.
    """
    for study in unfinished:
        try:
            page = write(study)
        except Exception as error:  # it must not hide the failure of the study
            print(f"could not write a report of the runs evaluated so far: {first_line(error)}", file=sys.stderr)
            continue
        if page is not None:
            print(f"open {page} for a report of the runs evaluated so far", file=sys.stderr)
    print("finished jobs are kept, and the same command continues the study", file=sys.stderr)


def write(study: dict[str, Any]) -> Path | None:
    """Write `unfinished/report.html`, the tables behind it and the config in the results folder.

    No output of the workflow is touched, so the same command resumes the study.

    Args:
        study: the resolved config.

    Returns:
        The page, or None if no run has been evaluated yet.
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
    write_text(made.config, yaml.safe_dump(plain_types(redact_config(study)), sort_keys=False, allow_unicode=True))
    render(study["results_dir"], study | facts, made.report, tables=made.root)
    return Path(made.report)
