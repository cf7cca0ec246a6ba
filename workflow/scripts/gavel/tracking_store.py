"""The MLflow store behind `gavel.tracking`: its creation, a quiet client, what an outage is, its web page."""

import fcntl
import hashlib
import logging
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from gavel.errors import InputError, first_line

# What a server that is down, overloaded, broken or refusing us answers; any other code means that our request
# is wrong.
OUTAGES = {
    "BAD_REQUEST",
    "CUSTOMER_UNAUTHORIZED",
    "DEADLINE_EXCEEDED",
    "ENDPOINT_NOT_FOUND",
    "INTERNAL_ERROR",
    "PERMISSION_DENIED",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_DOES_NOT_EXIST",
    "RESOURCE_EXHAUSTED",
    "TEMPORARILY_UNAVAILABLE",
    "UNAUTHENTICATED",
}


def create_store(
    uri: str, experiment: str, artifact_root: str | Path | None = None, say: Callable[[str], object] = print
) -> str | None:
    """Create the tracking database and the experiment where they do not exist; returns the experiment's id.

    Workflows call it in a rule of its own: processes that first open one SQLite file together race in its
    migration. Where the store cannot be used it prints one warning and returns None; each Tracker tries
    again.

    Args:
        uri: `sqlite:////absolute/path/mlflow.db`, or a server's `http://...`.
        experiment: its name.
        artifact_root: folder of the artifacts; by default `mlartifacts` beside an SQLite file, and a server's
            own choice otherwise.
    """
    try:
        return experiment_id(uri, experiment, artifact_root)
    except failures() as error:
        if getattr(error, "error_code", "INTERNAL_ERROR") not in OUTAGES:
            raise
        say(f"MLflow at {uri} cannot be used, going on without ({first_line(error)})")
        return None


def ui_address(uri: str, experiment: str | None, host: str, port: int) -> str:
    """The page of `mlflow server` that lists training runs; the server's front page shows GenAI traces.

    Args:
        experiment: its name; None takes the newest one in the store.

    Raises:
        InputError: there is no such experiment.
    """
    with exclusive(lock_path(uri)):
        found = client(uri).search_experiments(order_by=["creation_time DESC"])
    named = [entry for entry in found if entry.name == experiment or experiment is None and entry.name != "Default"]
    if not named:
        known = ", ".join(sorted(entry.name for entry in found if entry.name != "Default")) or "none"
        raise InputError(f"{uri}: no MLflow experiment {experiment or 'made by Gavel'!r}; it holds: {known}")
    return f"http://{host}:{port}/#/experiments/{named[0].experiment_id}?workflowType=machine_learning"


def experiment_id(uri: str, experiment: str, artifact_root: str | Path | None) -> str:
    if database := _database(uri):
        database.parent.mkdir(parents=True, exist_ok=True)
        artifact_root = artifact_root or database.with_name("mlartifacts")
    with exclusive(lock_path(uri)):
        if database and not database.exists():
            _make_database(database, Path(artifact_root))
        store = client(uri)
        found = store.get_experiment_by_name(experiment)
        if found is None:
            place = Path(artifact_root).resolve().as_uri() if artifact_root else None
            return store.create_experiment(experiment, artifact_location=place)
        if found.lifecycle_stage != "active":
            store.restore_experiment(found.experiment_id)
        return found.experiment_id


def _make_database(database: Path, artifact_root: Path) -> None:
    """Make the SQLite file under another name first: MLflow cannot go on with migrations that a kill cut off."""
    _quieten()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left in database.parent.glob(f".{database.name}.*.partial*"):
        left.unlink()
    # A name of its own, because MLflow keeps a connection for each name, to a file that may be gone.
    partial = database.with_name(f".{database.name}.{uuid.uuid4().hex}.partial")
    SqlAlchemyStore(f"sqlite:///{partial}", artifact_root.resolve().as_uri()).engine.dispose()
    os.replace(partial, database)


@cache
def client(uri: str):
    """An MLflow client that prints nothing, sends no telemetry and gives up soon on a server that is down."""
    _quieten()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _quieten() -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    for name in ("mlflow", "alembic"):
        # Above ERROR: MLflow logs a failed statement with its traceback before it raises what we report.
        logging.getLogger(name).setLevel(logging.CRITICAL)


def failures() -> tuple[type[Exception], ...]:
    """What MLflow raises; a connection's errors are OSErrors."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, OSError)


def _database(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def lock_path(uri: str) -> Path:
    if database := _database(uri):
        return database.with_name(f"{database.name}.lock")
    digest = hashlib.sha256(uri.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"gavel-mlflow-{os.getuid()}-{digest}.lock"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
