"""A job's MLflow run: everything that the job adds is written to its record and sent."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from gavel.common.errors import first_line
from gavel.common.journal import Journal
from gavel.tracking.exporter import Exporter, Unavailable
from gavel.tracking.job_record import JobRecord, record_lock
from gavel.tracking.store import LOCK_TIMEOUT_S, mlflow_errors, request_timeout_s

# After a failure, nothing is sent for _PAUSE_S, or for _PAUSE_FACTOR times the failure's duration if that is longer. A
# server that is down refuses immediately, one that hangs costs its time-out; training waits at most 5 % of its time.
_PAUSE_S = 10.0
_PAUSE_FACTOR = 20
_QUICK = 0.5  # of a request's time-out; a failure that took less is retried at the end, since the server is up or gone


class Tracker:
    """The MLflow run of one job (or of the study), as a context manager that sets its final status.

    An exception ends the run as FAILED, Ctrl-C as KILLED. Each method adds to the record and sends its unsent parts.
    While the store is unavailable, the methods print one warning and leave sending to a later call; invalid arguments
    raise as usual.

    Args:
        record: a new record, which replaces that of an earlier attempt.
        uri: the store's URI.
        say: prints the warning.
    """

    def __init__(self, record: JobRecord, uri: str, log: Callable[[str], object] = print):
        mlflow_errors()  # imports MLflow now, so that its import time does not count as the store's
        self.record, self.exporter, self.log = record, Exporter(record, uri), log
        self._lock = record_lock(record.path)
        self._warned = False
        self._retry_at = 0.0
        self._cost_s = 0.0  # of the last failure
        self._update(LOCK_TIMEOUT_S)

    def mirror(self, rows: Journal | Iterable[Mapping[str, Any]], up_to_step: int | None = None) -> None:
        """Add a journal up to a step, usually the last checkpoint's, or single rows in a journal's format."""
        if isinstance(rows, Journal):
            self.record.follow(rows.path, up_to_step)
        else:
            for row in rows:
                self.record.add(row)
        self._update()

    def artifact(self, path: str | Path, folder: str | None = None) -> None:
        """Attach a file, or a folder's files, under the given artifact folder.

        Raises:
            FileNotFoundError: there is no such file.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file to attach to the MLflow run {self.record.key}")
        self.record.attach(path, folder)
        self._update()

    def finish(self, status: str = "FINISHED") -> bool:
        """Set the final status (FINISHED, FAILED, KILLED); returns whether the run is fully sent."""
        self.record.end(status)
        if self._cost_s < _QUICK * request_timeout_s():
            self._retry_at = 0.0
        self.record.mark(sent=self._update())
        if not self.record.sent:
            # From now on, the run's state folder may be deleted, including its journals.
            self.record.keep_rows()
        self._save()
        self._lock.release(force=True)
        return self.record.sent

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.finish()
        else:
            self.finish("KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED")

    def _update(self, patience_s: float = 0.0) -> bool:
        """Write the record and, unless a failure is too recent, send it; returns whether it is fully sent."""
        if time.monotonic() < self._retry_at or not self._save(patience_s):
            return False
        begun = time.monotonic()
        try:
            self.exporter.send()
        except Unavailable as error:
            self._cost_s = time.monotonic() - begun
            self._retry_at = time.monotonic() + max(_PAUSE_S, _PAUSE_FACTOR * self._cost_s)
            self._warn(f"{error}; continuing without it")
            return False
        return True

    def _save(self, patience_s: float = 0.0) -> bool:
        """Write the record; False if another process holds it, because it sends it or runs the same job."""
        try:
            if not self._lock.is_locked:
                self._lock.acquire(timeout=patience_s)
            self.record.save()
        except OSError as error:
            self._warn(f"MLflow may be incomplete for {self.record.key}; continuing without it ({first_line(error)})")
        return self._lock.is_locked

    def _warn(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            self.log(text)
