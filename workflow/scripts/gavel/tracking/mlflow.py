"""The MLflow mirror: one parent run for the study, one child for each job. Nothing is read back from it.

A run has a stable key (the tag `gavel.key`) and exactly one active run holds it: the same job continues its
run, a job whose inputs have changed (another `digest`) gets a new one and the old one is soft-deleted.
Metrics come from a file (`gavel.common.journal`), so a lost or unreachable store costs a warning and is filled up at
the next chance; what it still lacks when the job ends is kept in a file (`gavel.tracking.unsent`).
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from gavel.common.errors import first_line
from gavel.common.files import write_json
from gavel.common.journal import Journal
from gavel.common.redaction import redacted, redacted_config, redacted_url
from gavel.tracking.store import (
    KEY,
    OUTAGES,
    active_runs,
    client,
    create_store,
    exclusive,
    experiment_id,
    failures,
    lock_path,
    ui_address,
)

__all__ = ["Tracker", "create_store", "ui_address"]

DIGEST = "gavel.digest"

# MLflow's limits on one request and on the length of a param's value.
_BATCH = 1000
_PARAMS = 100
_VALUE_LENGTH = 6000
# After a failure nothing is sent for so long, or for so many times what the failure took: a server that is down
# refuses at once, one that hangs costs its time-out, and training waits for neither more than a twentieth of its time.
_PAUSE_S = 10.0
_PAUSE_FACTOR = 20
_QUICK_S = 1.0  # a failure that took less is worth another try at the end


class Tracker:
    """The active MLflow run of one job (or of the study), as a context manager that sets its final status.

    An exception ends the run as FAILED, Ctrl-C as KILLED. While the store cannot be used, methods print one
    warning, do nothing and try again later, and at the end; wrong arguments raise as usual.

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
        unsent: file for what the store still lacks at the end; without one that is lost.
        begun: when the run began, in ms since 1970; now by default.
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
        unsent: str | Path | None = None,
        begun: int | None = None,
        say: Callable[[str], object] = print,
    ):
        self.uri, self.experiment, self.key, self.name = uri, experiment, key, name
        self.tags = {tag: redacted(value) for tag, value in (tags or {}).items() if value is not None}
        self.params = {
            param: str(redacted_config(value, param.rpartition(".")[2]))[:_VALUE_LENGTH]
            for param, value in (params or {}).items()
        }
        self.parent_key, self.digest, self.artifact_root = parent_key, digest, artifact_root
        self.lock = Path(lock) if lock else lock_path(uri)
        self.unsent, self.begun = Path(unsent) if unsent else None, begun or _now()
        self.say = say
        self.run_id: str | None = None
        self._curves: dict[str, tuple[Journal | list, int | None]] = {}  # by source, what still has to be sent
        self._files: set[tuple[Path, str | None]] = set()
        self._logged: dict[tuple[str, int], float] | None = None
        self._warned = False
        self._retry_at = 0.0
        self._cost_s = 0.0  # of the last failure
        if self.unsent:
            self._take_over()
        self._attempt(lambda: None)

    def mirror(self, rows: Journal | Iterable[Mapping], up_to_step: int | None = None) -> None:
        """Log the journal's metrics up to a step, usually that of the last checkpoint, that MLflow lacks.

        A (metric, step) is never logged twice; of several rows for it the last counts. Null values are passed
        over. Where MLflow holds another value for one, its run shows an earlier attempt whose checkpoints are
        gone: it is replaced by a new run that holds all of this journal.
        """
        if isinstance(rows, Journal):
            self._show(str(rows.path), rows, up_to_step)
        else:
            rows = [{"time": _now()} | row for row in rows]
            self._show(f"{len(self._curves)} rows", rows, up_to_step)

    def _show(self, source: str, rows: Journal | list, up_to_step: int | None) -> None:
        wanted = {
            (metric, row["step"]): (value, row["time"])
            for row in _rows(rows, up_to_step)
            for metric, value in row["metrics"].items()
            if value is not None and math.isfinite(value)
        }
        self._curves.pop(source, None)
        if not self._attempt(lambda: self._mirror(wanted)):
            self._curves[source] = (rows, up_to_step)

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

        self._files.discard((path, folder))
        if not self._attempt(attach):
            self._files.add((path, folder))

    def finish(self, status: str = "FINISHED", ended: int | None = None) -> bool:
        """Send what is left and set the final status; returns whether the store has all of the run now.

        Args:
            status: FINISHED, FAILED or KILLED.
            ended: when the run ended, in ms since 1970; now by default.
        """
        ended = ended or _now()
        if self._cost_s < _QUICK_S:
            self._retry_at = 0.0
        for source, curve in list(self._curves.items()):
            self._show(source, *curve)
        for path, folder in sorted(self._files, key=str):
            self.artifact(path, folder)

        def end():
            client(self.uri).set_terminated(self.run_id, status=status, end_time=ended)

        sent = not self._curves and not self._files and self._attempt(end)
        if self.unsent and not sent:
            write_json(self.unsent, self._left(status, ended))
        return sent

    def _left(self, status: str, ended: int) -> dict:
        """What another process needs to send the rest (`gavel.tracking.unsent`), plain values only."""
        options = {"parent_key": self.parent_key, "digest": self.digest, "begun": self.begun}
        options |= {"artifact_root": self.artifact_root and str(self.artifact_root), "lock": str(self.lock)}
        run = {"uri": redacted_url(self.uri), "experiment": self.experiment, "key": self.key, "name": self.name}
        return {
            "run": run | {"tags": self.tags, "params": self.params} | options,
            "rows": [row for curve in self._curves.values() for row in _rows(*curve)],
            "files": [[str(path.resolve()), folder] for path, folder in sorted(self._files, key=str)],
            "end": {"status": status, "ended": ended},
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, exception, traceback) -> None:
        if kind is None:
            self.finish()
        else:
            self.finish("KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED")

    def _take_over(self) -> None:
        """Forget what an earlier attempt of this job could not send: this one sends all of its journal again."""
        if self.unsent.exists():
            with suppress(TimeoutError), exclusive(unsent_lock(self.unsent)):
                self.unsent.unlink(missing_ok=True)

    def _attempt(self, action: Callable[[], object]) -> bool:
        """Open the run if need be and do something with it, or warn if the store does not answer; True if done."""
        if time.monotonic() < self._retry_at:
            return False
        raised = failures()  # imports MLflow, whose seconds are not the store's
        begun = time.monotonic()
        try:
            if self.run_id is None:
                self.run_id = self._open()
            action()
            return True
        except raised as error:
            code = getattr(error, "error_code", "INTERNAL_ERROR")
            # Writing to a run that somebody deleted meanwhile is an invalid request, but no mistake of ours.
            if code not in OUTAGES and not self._is_deleted():
                raise
            problem = first_line(error)
            if code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
                self.run_id = None
        # What arrived before the failure is not known; the next attempt asks.
        self._logged = None
        self._cost_s = time.monotonic() - begun
        self._retry_at = time.monotonic() + max(_PAUSE_S, _PAUSE_FACTOR * self._cost_s)
        if not self._warned:
            self._warned = True
            self.say(f"MLflow at {redacted_url(self.uri)} cannot be used for {self.key}, going on without ({problem})")
        return False

    def _is_deleted(self) -> bool:
        if self.run_id is None:
            return False
        try:
            return client(self.uri).get_run(self.run_id).info.lifecycle_stage == "deleted"
        except failures():  # removed for good, or the store went away in between
            return True

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
                parent = active_runs(store, experiment, self.parent_key)
                tags["mlflow.parentRunId"] = (
                    parent[0].info.run_id
                    if parent
                    else store.create_run(
                        experiment,
                        start_time=self.begun,
                        run_name=self.parent_key,
                        tags={KEY: self.parent_key, "study": self.parent_key},
                    ).info.run_id
                )
            run = None
            for found in active_runs(store, experiment, self.key):
                same = self.digest is None or found.data.tags.get(DIGEST) == self.digest
                if run is None and same and not replace:
                    run = found
                else:
                    store.delete_run(found.info.run_id)
            if run is None:
                run = store.create_run(experiment, start_time=self.begun, run_name=self.name, tags=tags)
            else:
                store.update_run(run.info.run_id, status="RUNNING", name=self.name)
        params = [Param(key, value) for key, value in self.params.items() if key not in run.data.params]
        for start in range(0, len(params), _PARAMS):
            store.log_batch(run.info.run_id, params=params[start : start + _PARAMS])
        store.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        return run.info.run_id

    def _mirror(self, wanted: dict[tuple[str, int], tuple[float, int]]) -> None:
        from mlflow.entities import Metric

        store = client(self.uri)
        if self._logged is None:
            names = store.get_run(self.run_id).data.metrics
            history = (point for name in names for point in store.get_metric_history(self.run_id, name))
            self._logged = {(point.key, point.step): point.value for point in history}
        if any(not math.isclose(value, self._logged.get(at, value)) for at, (value, _) in wanted.items()):
            self.run_id = self._open(replace=True)
            self._logged = {}
        missing = [
            Metric(key=metric, value=value, timestamp=stamp, step=step)
            for (metric, step), (value, stamp) in wanted.items()
            if (metric, step) not in self._logged
        ]
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            store.log_batch(self.run_id, metrics=batch)
            self._logged.update({(metric.key, metric.step): metric.value for metric in batch})


def _rows(rows: Journal | Iterable[Mapping], up_to_step: int | None) -> Iterator[Mapping]:
    rows = rows.rows() if isinstance(rows, Journal) else rows
    return (row for row in rows if up_to_step is None or row["step"] <= up_to_step)


def unsent_lock(unsent: Path) -> Path:
    """Held while what is kept is sent, so that a job that runs again does not send it at the same time."""
    return unsent.with_name(".lock")


def _now() -> int:
    return int(time.time() * 1000)
