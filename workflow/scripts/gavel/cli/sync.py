"""`gavel sync`: send what a study could not send to its MLflow server."""

import argparse
from pathlib import Path

from gavel.cli.commands import Commands, add_command
from gavel.common.errors import InputError


def add_sync(commands: Commands) -> None:
    parser = add_command(
        commands,
        "sync",
        help="send to MLflow what a study could not send while the server was down",
        description="Data that MLflow already has is not resent, so this is safe to repeat.",
        examples=["sync results/mine"],
    )
    parser.add_argument("folders", metavar="RESULTS", nargs="+", help="a study's or a sweep's results folder")
    parser.set_defaults(run=sync)


def sync(options: argparse.Namespace) -> None:
    """`gavel sync`: send what MLflow lacks from each folder; stops at the first run that the server does not take."""
    from gavel.tracking.exporter import Unavailable, export_unsent  # takes seconds; other commands should not wait
    from gavel.tracking.job_record import count_unsent
    from gavel.tracking.study import records

    for folder in options.folders:
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder; name a study's results folder, such as results/mine")
        places = (Path(folder), *sorted(Path(folder).iterdir()))
        if not any((place / "logs").is_dir() or records(place).is_dir() for place in places):
            raise InputError(f"{folder}: not a results folder (it has no folder `logs`); name one such as results/mine")
        messages: list[str] = []
        try:
            sent = sum(1 for place in places for _ in export_unsent(records(place), messages.append))
        except Unavailable as error:
            raise InputError(f"{folder}: {error}; unsent data is kept for another try") from None
        left = sum(count_unsent(records(place)) for place in places)
        messages += [f"{folder}: {sent} runs sent"] if sent else []
        messages += [f"{folder}: {left} runs are left to jobs that are still running"] if left else []
        print("\n".join(messages or [f"{folder}: MLflow has everything"]))
