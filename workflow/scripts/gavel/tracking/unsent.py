"""What MLflow still lacked when a job ended: a file for each run, sent later by the study's report or `gavel track`.

`Tracker.finish` writes it. It holds all that is needed, curves included; of attached files it names the paths.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from gavel.common.files import read_json
from gavel.tracking.mlflow import Tracker, unsent_lock
from gavel.tracking.store import exclusive


def kept(folder: str | Path) -> list[Path]:
    """The files of a study's runs that MLflow lacks something of."""
    return sorted(Path(folder).glob("*.json"))


def send(folder: str | Path, say: Callable[[str], object] = print) -> Iterator[tuple[Path, bool]]:
    """Send what is kept, a file at a time; yields each file and whether MLflow has all of its run now.

    The file is removed then. What had arrived already is not sent again, and a job that begins meanwhile waits until
    its own file is done.

    Raises:
        InputError: a file cannot be read.
        TimeoutError: another process is sending.
    """
    for path in kept(folder):
        with exclusive(unsent_lock(path)):
            if not path.exists():  # sent by another process, or its job runs again
                continue
            left = read_json(path)
            tracker = Tracker(**left["run"], say=say)
            tracker.mirror(left["rows"])
            for name, place in left["files"]:
                if Path(name).exists():
                    tracker.artifact(name, place)
                else:
                    say(f"{name} is gone and will be missing in the MLflow run {tracker.key}")
            sent = tracker.finish(**left["end"])
            if sent:
                path.unlink()
        yield path, sent
