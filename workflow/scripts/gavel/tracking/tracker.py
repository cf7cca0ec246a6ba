"""A job's own run in MLflow: what the job adds is written into its record and sent."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from gavel.common.errors import first_line
from gavel.common.journal import Journal
from gavel.tracking.exporter import Exporter, Unavailable
from gavel.tracking.record import Record, record_lock
from gavel.tracking.store import PATIENCE_S, failures

# After a failure nothing is sent for so long, or for so many times what the failure took: a server that is down
# refuses at once, one that hangs costs its time-out, and training waits for neither more than a twentieth of its time.
_PAUSE_S = 10.0
_PAUSE_FACTOR = 20
_QUICK_S = 1.0  # a failure that took less is worth another try at the end


class Tracker:
    """The MLflow run of one job (or of the study), as a context manager that sets its final status.

    An exception ends the run as FAILED, Ctrl-C as KILLED. Each method adds to the record and sends what MLflow lacks of
    it. While the store cannot be used, they print one warning and leave it to a later call; wrong arguments raise as
    usual.

    Args:
        record: a new one; it takes the place of an earlier attempt's.
        uri: of the store.
        say: where the warning goes.
    """

    def __init__(self, record: Record, uri: str, say: Callable[[str], object] = print):
        failures()  # imports MLflow, whose seconds are not the store's
        self.record, self.exporter, self.say = record, Exporter(record, uri), say
        self._lock = record_lock(record.path)
        self._warned = False
        self._retry_at = 0.0
        self._cost_s = 0.0  # of the last failure
        self._update(PATIENCE_S)

    def mirror(self, rows: Journal | Iterable[Mapping[str, Any]], up_to_step: int | None = None) -> None:
        """Show a journal up to a step, usually that of the last checkpoint, or further rows as in a journal."""
        if isinstance(rows, Journal):
            self.record.follow(rows.path, up_to_step)
        else:
            for row in rows:
                self.record.add(row)
        self._update()

    def artifact(self, path: str | Path, folder: str | None = None) -> None:
        """Attach a file, or all of a folder, under the given artifact folder.

        Raises:
            FileNotFoundError: there is no such file.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file to attach to the MLflow run {self.record.key}")
        self.record.attach(path, folder)
        self._update()

    def finish(self, status: str = "FINISHED") -> bool:
        """Set the final status (FINISHED, FAILED, KILLED); returns whether the store has all of the run now."""
        self.record.end(status)
        if self._cost_s < _QUICK_S:
            self._retry_at = 0.0
        self.record.mark(sent=self._update())
        if not self.record.sent:
            # From now on the run's state may be deleted, and the journals with it.
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
        """Write the record and send it, unless a failure is too recent; whether the store has all of it now."""
        if time.monotonic() < self._retry_at or not self._save(patience_s):
            return False
        begun = time.monotonic()
        try:
            self.exporter.send()
        except Unavailable as error:
            self._cost_s = time.monotonic() - begun
            self._retry_at = time.monotonic() + max(_PAUSE_S, _PAUSE_FACTOR * self._cost_s)
            self._warn(f"{error}; going on without")
            return False
        return True

    def _save(self, patience_s: float = 0.0) -> bool:
        """Write the record; False where another process holds it, one that sends it or runs the same job."""
        try:
            if not self._lock.is_locked:
                self._lock.acquire(timeout=patience_s)
            self.record.save()
        except OSError as error:
            self._warn(f"MLflow may lack something of {self.record.key}; going on without ({first_line(error)})")
        return self._lock.is_locked

    def _warn(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            self.say(text)
