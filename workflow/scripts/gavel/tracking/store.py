"""An MLflow store: creating it, a quiet client for it, its error codes in an outage."""

import logging
import os
import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KEY = "gavel.key"  # the tag that names a run's job

# Error codes of a server that is down, overloaded, broken or denies access; any other code means that our request is
# wrong.
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
LOCK_TIMEOUT_S = 60.0  # maximum wait for another process's lock; after it, the store counts as unavailable


def experiment_id(uri: str, experiment: str, lock: FileLock, artifact_root: str | Path | None = None) -> str:
    """The id of an experiment, which is created if it does not exist, as is the SQLite file. Raises `mlflow_errors()`.

    Args:
        uri: `sqlite:////absolute/path/mlflow.db`, or a server's `http://...`.
        lock: from `store_lock`: processes that open a new SQLite file at the same time race in its migration.
        artifact_root: artifact folder; by default `mlartifacts` beside an SQLite file, and otherwise the server's
            choice.
    """
    if database := _database(uri):
        database.parent.mkdir(parents=True, exist_ok=True)
        artifact_root = Path(artifact_root or database.with_name("mlartifacts"))
    # No lock for a server: all jobs would queue up for one that does not answer.
    with nullcontext() if uri.startswith("http") else lock:
        if database and artifact_root and not database.exists():
            _make_database(database, Path(artifact_root))
        return _find_experiment(client(uri), experiment, artifact_root)


def _find_experiment(store: "MlflowClient", experiment: str, artifact_root: str | Path | None) -> str:
    from mlflow.exceptions import MlflowException

    existing = store.get_experiment_by_name(experiment)
    if existing is None:
        place = Path(artifact_root).resolve().as_uri() if artifact_root else None
        try:
            return str(store.create_experiment(experiment, artifact_location=place))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        existing = store.get_experiment_by_name(experiment)  # another process was faster
    if not existing.experiment_id:
        raise ConnectionError("the server there is not an MLflow server")
    if existing.lifecycle_stage != "active":
        store.restore_experiment(existing.experiment_id)
    return str(existing.experiment_id)


def _make_database(database: Path, artifact_root: Path) -> None:
    """Create the SQLite file under another name first: MLflow cannot resume migrations that a kill interrupted."""
    _quieten()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left in database.parent.glob(f".{database.name}.*.partial*"):
        left.unlink()
    # A unique name: MLflow caches a connection for each name, possibly to a file that is gone.
    partial = database.with_name(f".{database.name}.{uuid.uuid4().hex}.partial")
    SqlAlchemyStore(f"sqlite:///{partial}", artifact_root.resolve().as_uri()).engine.dispose()
    os.replace(partial, database)


@cache
def client(uri: str) -> "MlflowClient":
    """An MLflow client that prints nothing, sends no telemetry and quickly gives up on a server that is down."""
    _quieten()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _quieten() -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    # MLflow's own retry may repeat a request that was received, and so create a run twice.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    for name in ("mlflow", "alembic"):
        # Above ERROR: MLflow logs a failed statement with its traceback before it raises the error that we report.
        logging.getLogger(name).setLevel(logging.CRITICAL)


def request_timeout_s() -> float:
    """How long a request may take, in seconds."""
    _quieten()
    return float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"])


def mlflow_errors() -> tuple[type[Exception], ...]:
    """The exceptions that MLflow raises; connection errors are OSErrors."""
    _quieten()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, OSError)


def _database(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def store_lock(uri: str, folder: str | Path) -> FileLock:
    """The lock under which processes create runs and experiments; acquiring it raises TimeoutError after a minute.

    Args:
        folder: the lock's folder unless the store is an SQLite file; on a disk that all processes share.
    """
    database = _database(uri)
    place = database.with_name(f"{database.name}.lock") if database else Path(folder, ".lock")
    return FileLock(place, timeout=LOCK_TIMEOUT_S)


class RunIds(NamedTuple):
    """MLflow's ids of a run."""

    experiment: str
    run: str


def find_runs(uri: str, experiment: str) -> dict[str, RunIds]:
    """Key of each active run of an experiment -> its ids. Raises `mlflow_errors()`."""
    store = client(uri)
    existing = store.get_experiment_by_name(experiment)
    if existing is None:
        return {}
    runs = store.search_runs([existing.experiment_id], order_by=["attributes.start_time ASC"], max_results=50_000)
    return {run.data.tags[KEY]: RunIds(existing.experiment_id, run.info.run_id) for run in runs if KEY in run.data.tags}


def active_runs(store: "MlflowClient", experiment: str, key: str) -> "Sequence[Run]":
    """Active runs with a key, newest first; more than one only if processes did not share the lock file."""
    runs: Sequence[Run] = store.search_runs(
        [experiment], filter_string=f"tags.`{KEY}` = '{key}'", order_by=["attributes.start_time DESC"]
    )
    return runs
