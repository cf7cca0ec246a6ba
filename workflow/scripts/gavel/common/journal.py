"""A run's metrics as JSON Lines, the only source of its plots, the report and MLflow.

A step's metrics are on disk when `append` returns. After a crash, training resumes from its last checkpoint and first
calls `truncate` with that checkpoint's step, so that no step is logged twice. The journal is not a text log.
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
    """The metrics of one step; `time` is in ms since 1970."""

    step: int
    time: int
    metrics: dict[str, float | None]


class Journal:
    """One line `{"step": int, "time": ms since 1970, "metrics": {name: float | null}}` for each `append`.

    A value that is not finite is stored as null: the metric was computed at that step but is not a number.
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
        """Yield the rows in the order in which they were written; none if the file does not exist yet.

        A last line without a newline was cut off by a kill and is skipped.

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
    """Where a run's curves are shown during training: MLflow, or nowhere."""

    def mirror(self, journal: Journal, up_to_step: int | None) -> None: ...


def _finite(value: float | None) -> float | None:
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else None


def _drop_torn_line(handle: BinaryIO) -> None:
    """Truncate a file that was opened with "ab+" to its last newline."""
    end = handle.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        handle.seek(start)
        newline = handle.read(end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    handle.truncate(end)
