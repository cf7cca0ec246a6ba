"""Export records to MLflow: send the parts of a record that its run lacks.

A run has a stable key (the tag `gavel.key`), which exactly one active run has. The same job continues its run. A job
whose inputs have changed (another `digest`) gets a new run, and the old one is soft-deleted.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gavel.common.errors import first_line
from gavel.common.redaction import redact_url
from gavel.tracking.job_record import RUNNING, JobRecord, now, unsent_records
from gavel.tracking.store import KEY, OUTAGES, active_runs, client, experiment_id, mlflow_errors, store_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST = "gavel.digest"
# MLflow's limits on one request.
_BATCH = 1000
_PARAMS = 100


class Unavailable(ConnectionError):
    """The store cannot be used now; the message names it and gives the reason, in one line."""


class Exporter:
    """Sends one record, repeatedly while it grows; the caller holds its lock.

    Args:
        uri: the store's URI, needed if it has a password; by default the record's.
    """

    def __init__(self, record: JobRecord, uri: str | None = None):
        self.record, self.uri = record, uri or record.uri
        self.run_id: str | None = None
        self._logged: dict[tuple[str, int], float] | None = None  # (metric, step) -> value in MLflow; None: unknown
        self._attached: set[str] = set()
        self._lock = store_lock(self.uri, record.path.parent)

    def send(self) -> None:
        """Update MLflow to the record's current state.

        Raises:
            Unavailable: the store does not answer, or its answer indicates an outage.
            mlflow.exceptions.MlflowException: the store rejects the request.
            InputError: a journal cannot be read.
        """
        try:
            if self.run_id is None:
                self._open()
            self._log_metrics()
            self._log_results()
            self._attach()
            if self.record.status != RUNNING:
                client(self.uri).set_terminated(self.run_id, self.record.status, self.record.ended)
        except mlflow_errors() as error:
            code = getattr(error, "error_code", "INTERNAL_ERROR")  # MLflow's errors have one; a connection's do not
            # Writing to a run that was deleted in the meantime is an invalid request, but not an error of ours.
            if code not in OUTAGES and not self._is_deleted():
                raise
            if code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
                self.run_id = None
            place = redact_url(self.uri)
            raise Unavailable(f"MLflow at {place} cannot be used for {self.record.key} ({first_line(error)})") from None

    def _is_deleted(self) -> bool:
        if self.run_id is None:
            return False
        try:
            return bool(client(self.uri).get_run(self.run_id).info.lifecycle_stage == "deleted")
        except mlflow_errors():  # permanently deleted, or the store has become unavailable
            return True

    def _open(self, replace: bool = False) -> None:
        """Find or create the record's run and its parent run, under the store's lock."""
        from mlflow.entities import Param, RunTag

        record = self.record
        experiment = experiment_id(self.uri, record.experiment, self._lock, record.artifact_root)
        store = client(self.uri)
        tags = {KEY: record.key, **record.tags}
        if record.digest is not None:
            tags[DIGEST] = record.digest
        run = None
        with self._lock:
            if record.parent is not None:
                tags["mlflow.parentRunId"] = self._parent(store, experiment, record.parent)
            for found in active_runs(store, experiment, record.key):
                same = record.digest is None or found.data.tags.get(DIGEST) == record.digest
                if run is None and same and not replace:
                    run = found
                else:
                    store.delete_run(found.info.run_id)
            if run is None:
                run = store.create_run(experiment, start_time=record.begun, run_name=record.name, tags=tags)
            else:
                store.update_run(run.info.run_id, status=RUNNING, name=record.name)
        params = [Param(key, value) for key, value in record.params.items() if key not in run.data.params]
        for start in range(0, len(params), _PARAMS):
            store.log_batch(run.info.run_id, params=params[start : start + _PARAMS])
        store.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        self.run_id, self._logged, self._attached = run.info.run_id, None, set()

    def _parent(self, store: "MlflowClient", experiment: str, key: str) -> str:
        """The id of the parent run."""
        found = active_runs(store, experiment, key)
        if found:
            run = found[0]
        else:
            tags = {KEY: key, "study": key}
            run = store.create_run(experiment, start_time=self.record.begun, run_name=key, tags=tags)
        return str(run.info.run_id)

    def _log_metrics(self) -> None:
        """Log the metrics that the run lacks; no (metric, step) is logged twice.

        A run with a different value for one is an earlier attempt whose checkpoints are gone: it is replaced by a new
        run.
        """
        from mlflow.entities import Metric

        store = client(self.uri)
        wanted: dict[tuple[str, int], tuple[float, int]] = {}
        for row in self.record.rows():
            known = {name: value for name, value in row["metrics"].items() if value is not None}
            wanted |= {(name, row["step"]): (value, row["time"]) for name, value in known.items()}
        logged, self._logged = self._logged, None  # unknown after a failure
        if logged is None:
            names = store.get_run(self.run_id).data.metrics
            history = (point for name in names for point in store.get_metric_history(self.run_id, name))
            logged = {(point.key, point.step): point.value for point in history}
        if any(not math.isclose(value, logged.get(at, value)) for at, (value, _) in wanted.items()):
            self._open(replace=True)
            logged = {}
        missing = [
            Metric(key=name, value=value, timestamp=stamp, step=step)
            for (name, step), (value, stamp) in wanted.items()
            if (name, step) not in logged
        ]
        for start in range(0, len(missing), _BATCH):
            store.log_batch(self.run_id, metrics=missing[start : start + _BATCH])
        self._logged = logged | {(metric.key, metric.step): metric.value for metric in missing}

    def _log_results(self) -> None:
        """Log results that differ from the run's; of several points at a step, MLflow shows the one logged last."""
        from mlflow.entities import Metric

        if not self.record.results:
            return
        store = client(self.uri)
        known = store.get_run(self.run_id).data.metrics
        new = [
            Metric(key=name, value=value, timestamp=now(), step=0)
            for name, value in self.record.results.items()
            if name not in known or not math.isclose(value, known[name])
        ]
        if new:
            store.log_batch(self.run_id, metrics=new)

    def _attach(self) -> None:
        """Attach the files that this process has not attached yet, replacing existing ones."""
        store = client(self.uri)
        for name, folder in self.record.artifacts.items():
            if name not in self._attached and (path := Path(name)).exists():
                (store.log_artifacts if path.is_dir() else store.log_artifact)(self.run_id, name, folder)
                self._attached.add(name)


def export_unsent(folder: str | Path, log: Callable[[str], object] = print) -> Iterator[JobRecord]:
    """Send the unsent parts of the records in a folder, one after another; yields each record once it is sent.

    Raises:
        Unavailable: a store does not answer.
        InputError: a record or a journal cannot be read.
    """
    for record in unsent_records(folder):
        for path in record.missing_files():
            log(f"{path} is gone and will be missing in the MLflow run {record.key}")
        Exporter(record).send()
        record.mark(sent=True)
        record.save()
        yield record
