"""The MLflow mirror: one parent run for the study, one child for each job. Nothing is read back from it.

A run has a stable key (the tag `gavel.key`) and exactly one active run holds it: the same job continues its
run, a job whose inputs have changed (another `digest`) gets a new one and the old one is soft-deleted.
Metrics come from a file (`gavel.journal`), so a lost or unreachable store costs a warning and is filled up at
the next chance.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from gavel.errors import first_line
from gavel.journal import Journal
from gavel.tracking_store import (
    OUTAGES,
    client,
    create_store,
    exclusive,
    experiment_id,
    failures,
    lock_path,
    ui_address,
)

__all__ = ["Tracker", "create_store", "ui_address"]

KEY = "gavel.key"
DIGEST = "gavel.digest"

# MLflow's limits on one request and on the length of a param's value.
_BATCH = 1000
_PARAMS = 100
_VALUE_LENGTH = 6000
# After a failure nothing is sent for so long, lest every training step wait for a dead server's time-out.
_PAUSE_S = 60.0


class Tracker:
    """The active MLflow run of one job (or of the study), as a context manager that sets its final status.

    An exception ends the run as FAILED, Ctrl-C as KILLED. While the store cannot be used, methods print one
    warning, do nothing and try again a minute later, and at the end; wrong arguments raise as usual.

    Args:
        uri: tracking URI.
        experiment: name of the experiment.
        key: stable name of the job, `<study>/<rule>/<run>`, or `<study>` for the parent run.
        name: what MLflow's list shows.
        tags, params: written to the run; a param that the run has already stays as it is (MLflow forbids
            changes).
        parent_key: key of the parent run, made if missing.
        digest: of all that the job's result depends on; None continues whatever run has the key.
        artifact_root: as in `create_store`, should the store have to be made.
        lock: file by which processes agree who creates a run; by default beside an SQLite file, else in the
            temporary folder. On several nodes it must be on a disk that they share.
        say: where the warning goes.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        key: str,
        name: str,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        parent_key: str | None = None,
        digest: str | None = None,
        artifact_root: str | Path | None = None,
        lock: str | Path | None = None,
        say: Callable[[str], object] = print,
    ):
        self.uri, self.experiment, self.key, self.name = uri, experiment, key, name
        self.tags = {tag: str(value) for tag, value in (tags or {}).items() if value is not None}
        self.params = {param: str(value)[:_VALUE_LENGTH] for param, value in (params or {}).items()}
        self.parent_key, self.digest, self.artifact_root = parent_key, digest, artifact_root
        self.lock = Path(lock) if lock else lock_path(uri)
        self.say = say
        self.run_id: str | None = None
        self._logged: dict[tuple[str, int], float] | None = None
        self._warned = False
        self._retry_at = 0.0
        self._attempt(lambda: None)

    def mirror(self, rows: Journal | Iterable[Mapping], up_to_step: int | None = None) -> None:
        """Log the journal's metrics up to a step, usually that of the last checkpoint, that MLflow lacks.

        A (metric, step) is never logged twice; of several rows for it the last counts. Null values are passed
        over. Where MLflow holds another value for one, its run shows an earlier attempt whose checkpoints are
        gone: it is replaced by a new run that holds all of this journal.
        """
        rows = rows.rows() if isinstance(rows, Journal) else rows
        wanted = {
            (metric, row["step"]): (value, row.get("time"))
            for row in rows
            if up_to_step is None or row["step"] <= up_to_step
            for metric, value in row["metrics"].items()
            if value is not None and math.isfinite(value)
        }
        self._attempt(lambda: self._mirror(wanted))

    def artifact(self, path: str | Path, folder: str | None = None) -> None:
        """Attach a file, or all of a folder, under the given artifact folder.

        Raises:
            FileNotFoundError: there is no such file.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file to attach to the MLflow run {self.key}")

        def attach():
            store = client(self.uri)
            (store.log_artifacts if path.is_dir() else store.log_artifact)(self.run_id, str(path), folder)

        self._attempt(attach)

    def finish(self, status: str = "FINISHED") -> None:
        """Set the final status: FINISHED, FAILED or KILLED."""
        self._retry_at = 0.0
        self._attempt(lambda: client(self.uri).set_terminated(self.run_id, status=status))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, exception, traceback) -> None:
        if kind is None:
            self.finish()
        else:
            self.finish("KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED")

    def _attempt(self, action: Callable[[], object]) -> None:
        """Open the run if need be and do something with it, or warn if the store does not answer."""
        if time.monotonic() < self._retry_at:
            return
        try:
            if self.run_id is None:
                self.run_id = self._open()
            action()
            return
        except failures() as error:
            code = getattr(error, "error_code", "INTERNAL_ERROR")
            # Writing to a run that somebody deleted meanwhile is an invalid request, but no mistake of ours.
            if code not in OUTAGES and not self._is_deleted():
                raise
            problem = first_line(error)
            if code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
                self.run_id = None
        # What arrived before the failure is not known; the next attempt asks.
        self._logged = None
        self._retry_at = time.monotonic() + _PAUSE_S
        if not self._warned:
            self._warned = True
            self.say(f"MLflow at {self.uri} cannot be used for {self.key}, going on without ({problem})")

    def _is_deleted(self) -> bool:
        if self.run_id is None:
            return False
        return client(self.uri).get_run(self.run_id).info.lifecycle_stage == "deleted"

    def _open(self, replace: bool = False) -> str:
        """Find or create this key's run, and its parent's, while no other process does."""
        from mlflow.entities import Param, RunTag

        experiment = experiment_id(self.uri, self.experiment, self.artifact_root)
        store = client(self.uri)
        with exclusive(self.lock):
            tags = {KEY: self.key, **self.tags}
            if self.digest is not None:
                tags[DIGEST] = self.digest
            if self.parent_key is not None:
                parent = _active_runs(store, experiment, self.parent_key)
                tags["mlflow.parentRunId"] = (
                    parent[0].info.run_id
                    if parent
                    else store.create_run(
                        experiment,
                        run_name=self.parent_key,
                        tags={KEY: self.parent_key, "study": self.parent_key},
                    ).info.run_id
                )
            run = None
            for found in _active_runs(store, experiment, self.key):
                same = self.digest is None or found.data.tags.get(DIGEST) == self.digest
                if run is None and same and not replace:
                    run = found
                else:
                    store.delete_run(found.info.run_id)
            if run is None:
                run = store.create_run(experiment, run_name=self.name, tags=tags)
            else:
                store.update_run(run.info.run_id, status="RUNNING", name=self.name)
        params = [Param(key, value) for key, value in self.params.items() if key not in run.data.params]
        for start in range(0, len(params), _PARAMS):
            store.log_batch(run.info.run_id, params=params[start : start + _PARAMS])
        store.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        return run.info.run_id

    def _mirror(self, wanted: dict[tuple[str, int], tuple[float, int | None]]) -> None:
        from mlflow.entities import Metric

        store = client(self.uri)
        if self._logged is None:
            names = store.get_run(self.run_id).data.metrics
            history = (point for name in names for point in store.get_metric_history(self.run_id, name))
            self._logged = {(point.key, point.step): point.value for point in history}
        if any(not math.isclose(value, self._logged.get(at, value)) for at, (value, _) in wanted.items()):
            self.run_id = self._open(replace=True)
            self._logged = {}
        now = int(time.time() * 1000)
        missing = [
            Metric(key=metric, value=value, timestamp=now if stamp is None else stamp, step=step)
            for (metric, step), (value, stamp) in wanted.items()
            if (metric, step) not in self._logged
        ]
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            store.log_batch(self.run_id, metrics=batch)
            self._logged.update({(metric.key, metric.step): metric.value for metric in batch})


def find_runs(uri: str, experiment: str) -> dict[str, tuple[str, str]]:
    """Key of each active run of an experiment -> (experiment id, run id). Raises as MLflow does."""
    store = client(uri)
    found = store.get_experiment_by_name(experiment)
    if found is None:
        return {}
    runs = store.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"], max_results=50_000)
    return {run.data.tags[KEY]: (found.experiment_id, run.info.run_id) for run in runs if KEY in run.data.tags}


def _active_runs(store, experiment: str, key: str) -> list:
    """Active runs of a key, newest first; more than one only if processes did not share the lock file."""
    return store.search_runs(
        [experiment], filter_string=f"tags.`{KEY}` = '{key}'", order_by=["attributes.start_time DESC"]
    )
