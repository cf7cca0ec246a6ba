"""`gavel track`: what a study could not send to its MLflow server."""

import argparse
from pathlib import Path

from gavel.common.errors import InputError


def add_track(commands) -> None:
    parser = commands.add_parser(
        "track",
        help="send to MLflow what a study could not send while the server was down",
        description="Each folder is a study's results, or a sweep's. What had arrived already is not sent again.",
    )
    parser.add_argument("folders", metavar="RESULTS", nargs="+")
    parser.set_defaults(run=track)


def track(options: argparse.Namespace) -> None:
    """`gavel track`: send the kept files of each folder; the first that the server does not take ends it."""
    from gavel.tracking.study import unsent_folder  # seconds that the other commands need not wait
    from gavel.tracking.unsent import send

    for folder in options.folders:
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder; name a study's results, such as results/mine")
        places = (Path(folder), *sorted(Path(folder).iterdir()))
        if not any((place / name).is_dir() for place in places for name in ("logs", "mlflow-unsent")):
            raise InputError(f"{folder}: no study's results (there is no folder `logs`); name one such as results/mine")
        count, said = 0, []
        for results in places:
            for path, sent in send(unsent_folder(results), said.append):
                if not sent:
                    raise InputError(f"{path} is kept for another try: {' '.join(said)}")
                count += 1
        print("\n".join([*said, f"{folder}: {count} runs sent" if count else f"{folder}: MLflow has everything"]))
