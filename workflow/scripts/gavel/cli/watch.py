"""`gavel watch`: a page about a study while it runs."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gavel.cli.commands import Commands, add_changes, add_command, count
from gavel.cli.status import folders
from gavel.study.layout import Layout
from gavel.study.status import Status, status


def add_watch(commands: Commands) -> None:
    parser = add_command(
        commands,
        "watch",
        help="keep a page up to date while a study runs: progress, remaining time, curves",
        description="Writes live.html into the results folder, again and again until the study has finished or Ctrl-C "
        "stops it. The page reloads itself. Reads only files, so it also watches a study on a cluster whose results "
        "folder is mounted here.",
        examples=["watch mine.yaml", "watch results/mine --every 120"],
    )
    parser.add_argument(
        "study",
        metavar="RESULTS|STUDY.yaml",
        nargs="?",
        default="results",
        help="a results folder, or the config, with which the remaining time is estimated too (%(default)s)",
    )
    add_changes(parser)
    parser.add_argument("--every", type=count, default=30, metavar="S", help="seconds between two pages (%(default)s)")
    parser.add_argument("--once", action="store_true", help="write the page once and end")
    parser.set_defaults(run=watch)


def watch(options: argparse.Namespace) -> None:
    """`gavel watch`: write the page until the study has finished."""
    from gavel.report.live import write_live  # matplotlib and pandas take seconds; other commands should not wait
    from gavel.study.remaining import weights

    studies = list(folders(options.study, options.overlays, options.settings))
    known = {folder: study for folder, study in studies if study is not None}
    parts = weights(known) if len(known) == len(studies) else {}
    title, out = _title(studies), Layout(_root(options.study, [folder for folder, _ in studies])).live

    def write(watched: bool) -> bool:
        found = _look(studies)
        return write_live(out, title, found, parts, seconds=options.every, watched=watched).finished

    finished = write(not options.once)
    print(f"open {out}", flush=True)
    if options.once or finished:
        return
    try:
        while not finished:
            time.sleep(options.every)
            finished = write(True)
    except KeyboardInterrupt:
        write(False)
        return
    print("finished", file=sys.stderr)


def _look(studies: Sequence[tuple[str, dict[str, Any] | None]]) -> list[Status]:
    return [status(folder, study) for folder, study in studies]


def _title(studies: Sequence[tuple[str, dict[str, Any] | None]]) -> str:
    """The study's question, or else its folder."""
    questions = {(study or {}).get("question") for _, study in studies}
    question = questions.pop() if len(questions) == 1 else None
    return question or ", ".join(folder for folder, _ in studies[:3]) + (" …" if len(studies) > 3 else "")


def _root(name: str, found: Sequence[str]) -> str:
    """The folder for the page: the study's results folder, or the one that holds a sweep's variants."""
    if len(found) == 1:
        return found[0]
    return name if Path(name).is_dir() else str(Path(found[0]).parent)
