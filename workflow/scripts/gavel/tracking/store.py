"""An MLflow store: its creation, a quiet client, what an outage is, its web page."""

import logging
import os
import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock

from gavel.common.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KEY = "gavel.key"  # the tag that names a run's job

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
PATIENCE_S = 60.0  # nobody waits longer for another process's lock; then the store counts as out of reach


def ui_address(database: Path, experiment: str | None, host: str, port: int) -> str:
    """The page of `mlflow server` that lists training runs; the server's front page shows GenAI traces.

    Args:
        database: the SQLite file.
        experiment: its name; None takes the newest one in the store.

    Raises:
        InputError: there is no such experiment.
    """
    uri = f"sqlite:///{database}"
    with store_lock(uri, database.parent):
        found = client(uri).search_experiments(order_by=["creation_time DESC"])
    named = [entry for entry in found if entry.name == experiment or (experiment is None and entry.name != "Default")]
    if not named:
        known = ", ".join(sorted(entry.name for entry in found if entry.name != "Default")) or "none"
        raise InputError(f"{uri}: no MLflow experiment {experiment or 'made by Gavel'!r}; it holds: {known}")
    return f"http://{host}:{port}/#/experiments/{named[0].experiment_id}?workflowType=machine_learning"


def experiment_id(uri: str, experiment: str, lock: FileLock, artifact_root: str | Path | None = None) -> str:
    """The id of an experiment; it and the SQLite file are created where they do not exist. Raises `failures()`.

    Args:
        uri: `sqlite:////absolute/path/mlflow.db`, or a server's `http://...`.
        lock: of `store_lock`: processes that first open one SQLite file together race in its migration.
        artifact_root: folder of the artifacts; by default `mlartifacts` beside an SQLite file, and a server's
            own choice otherwise.
    """
    if database := _database(uri):
        database.parent.mkdir(parents=True, exist_ok=True)
        artifact_root = Path(artifact_root or database.with_name("mlartifacts"))
    # A server is asked without the lock, lest all jobs queue up for one that does not answer.
    with nullcontext() if uri.startswith("http") else lock:
        if database and artifact_root and not database.exists():
            _make_database(database, Path(artifact_root))
        return _find_experiment(client(uri), experiment, artifact_root)


def _find_experiment(store: "MlflowClient", experiment: str, artifact_root: str | Path | None) -> str:
    from mlflow.exceptions import MlflowException

    found = store.get_experiment_by_name(experiment)
    if found is None:
        place = Path(artifact_root).resolve().as_uri() if artifact_root else None
        try:
            return str(store.create_experiment(experiment, artifact_location=place))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = store.get_experiment_by_name(experiment)  # another process was quicker
    if not found.experiment_id:
        raise ConnectionError("what answers there is no MLflow server")
    if found.lifecycle_stage != "active":
        store.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


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
def client(uri: str) -> "MlflowClient":
    """An MLflow client that prints nothing, sends no telemetry and gives up soon on a server that is down."""
    _quieten()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _quieten() -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    # MLflow's own retry sends a request again that may have been heard: two runs of one name.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    for name in ("mlflow", "alembic"):
        # Above ERROR: MLflow logs a failed statement with its traceback before it raises what we report.
        logging.getLogger(name).setLevel(logging.CRITICAL)


def failures() -> tuple[type[Exception], ...]:
    """What MLflow raises; a connection's errors are OSErrors."""
    _quieten()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, OSError)


def _database(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def store_lock(uri: str, folder: str | Path) -> FileLock:
    """By which processes agree who creates what a store lacks; raises TimeoutError when they keep it for a minute.

    Args:
        folder: where the lock lies unless the store is an SQLite file; on a disk that all of the processes share.
    """
    database = _database(uri)
    place = database.with_name(f"{database.name}.lock") if database else Path(folder, ".lock")
    return FileLock(place, timeout=PATIENCE_S)


class Place(NamedTuple):
    """The ids by which MLflow knows a run."""

    experiment: str
    run: str


def find_runs(uri: str, experiment: str) -> dict[str, Place]:
    """Key of each active run of an experiment -> where it is. Raises as MLflow does."""
    store = client(uri)
    found = store.get_experiment_by_name(experiment)
    if found is None:
        return {}
    runs = store.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"], max_results=50_000)
    return {run.data.tags[KEY]: Place(found.experiment_id, run.info.run_id) for run in runs if KEY in run.data.tags}


def active_runs(store: "MlflowClient", experiment: str, key: str) -> "Sequence[Run]":
    """Active runs of a key, newest first; more than one only if processes did not share the lock file."""
    found: Sequence[Run] = store.search_runs(
        [experiment], filter_string=f"tags.`{KEY}` = '{key}'", order_by=["attributes.start_time DESC"]
    )
    return found
