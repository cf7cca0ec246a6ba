"""A run's metrics as JSON Lines, the one record that plots, the report and MLflow are made from.

A step's metrics are on disk when `append` returns. After a crash the training goes on from its last
checkpoint and first calls `truncate` with that checkpoint's step, so that no step is told twice. It is not a
log of text.
"""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol, TypedDict

from gavel.common.errors import InputError
from gavel.common.files import write_text


class Row(TypedDict):
    """The metrics of one step; `time` in ms since 1970."""

    step: int
    time: int
    metrics: dict[str, float | None]


class Journal:
    """`{"step": int, "time": ms since 1970, "metrics": {name: float | null}}`, a line for each `append`.

    A value that is not finite is kept as null: the metric was computed at that step and has no number.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def append(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Add one step's metrics (numbers, or None) and wait until they are on disk."""
        values = {name: _finite(value) for name, value in metrics.items()}
        row = {"step": int(step), "time": int(time.time() * 1000), "metrics": values}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as handle:
            _drop_torn_line(handle)
            handle.write(json.dumps(row, allow_nan=False).encode() + b"\n")
            handle.flush()
            os.fsync(handle.fileno())

    def truncate(self, after_step: int) -> int:
        """Drop the rows of later steps, atomically; returns their number (a torn line does not count)."""
        rows = list(self.rows())
        kept = [row for row in rows if row["step"] <= after_step]
        if self.path.exists():
            write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        return len(rows) - len(kept)

    def rows(self) -> Iterator[Row]:
        """Yield the rows in the order of their writing; none if the file does not exist yet.

        A last line without its line end was cut off by a kill and is passed over.

        Raises:
            InputError: any other line is not a row.
        """
        if not self.path.exists():
            return
        with open(self.path, encoding="utf-8") as handle:
            for number, line in enumerate(handle, start=1):
                if not line.endswith("\n"):
                    return
                try:
                    row = json.loads(line)
                    row["step"], row["metrics"].items()
                except (ValueError, TypeError, KeyError, AttributeError):
                    raise InputError(f"{self.path}:{number}: not a journal row; delete the run's state") from None
                yield row


class Mirror(Protocol):
    """Where a run's curves are shown while it trains; MLflow, or nothing."""

    def mirror(self, journal: Journal, up_to_step: int | None) -> None: ...


def _finite(value: float | None) -> float | None:
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None


def _drop_torn_line(handle: BinaryIO) -> None:
    """Cut a file that was opened with "ab+" back to its last line end."""
    end = handle.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        handle.seek(start)
        found = handle.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    handle.truncate(end)
