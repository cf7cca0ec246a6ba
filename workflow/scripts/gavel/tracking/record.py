"""What MLflow should have of one job's run: a file that says all of it, whatever MLflow has already.

A record names the journals with the run's curves, and holds what no other file says: tags, params, single figures. One
process at a time holds it, writes it and sends it (`gavel.tracking.exporter`): the job while it lives, then whoever
sends what MLflow lacks.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from gavel.common.files import read_json, write_json
from gavel.common.journal import Journal, Row
from gavel.common.redaction import redacted, redacted_config, redacted_url

RUNNING = "RUNNING"
_VALUE_LENGTH = 6000  # MLflow's limit on the length of a param's value


@dataclass
class Record:
    """One run; `create` makes the record of one that begins.

    Times are in ms since 1970, paths absolute. `sent`: MLflow has all that the record says.
    """

    path: Path  # the record's own
    uri: str  # of the store, without a password
    experiment: str
    key: str  # stable name of the job, `<study>/<rule>/<run>`, or `<study>` for the parent run
    name: str  # what MLflow's list shows
    tags: dict[str, str]
    params: dict[str, str]
    begun: int
    parent: str | None = None  # key of the parent run, made if missing
    digest: str | None = None  # of all that the job's result depends on; None continues whatever run has the key
    artifact_root: str | None = None  # as in `gavel.tracking.store.experiment_id`
    journals: dict[str, int | None] = field(default_factory=dict)  # path -> up to which step, None: all
    metrics: list[Row] = field(default_factory=list)  # further rows as in a journal
    artifacts: dict[str, str | None] = field(default_factory=dict)  # file or folder -> its folder in MLflow
    status: str = RUNNING  # then FINISHED, FAILED or KILLED
    ended: int | None = None
    sent: bool = False

    @classmethod
    def create(
        cls,
        path: str | Path,
        uri: str,
        experiment: str,
        key: str,
        name: str,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Self:
        """The record of a run that begins now, without passwords, keys and tags that are None; not yet on disk."""
        shown = {tag: redacted(value) for tag, value in (tags or {}).items() if value is not None}
        settings = {
            param: str(redacted_config(value, param.rpartition(".")[2]))[:_VALUE_LENGTH]
            for param, value in (params or {}).items()
        }
        return cls(Path(path), redacted_url(uri), experiment, key, name, shown, settings, now(), **more)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises InputError where it cannot be read."""
        return cls(path, **read_json(path))

    def save(self) -> None:
        values = asdict(self)
        del values["path"]
        write_json(self.path, values)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row as in a journal, `time` being now by default; values that are None or not finite are left out."""
        known: dict[str, float | None] = {
            name: float(value) for name, value in row["metrics"].items() if value is not None and math.isfinite(value)
        }
        self.metrics.append({"step": int(row["step"]), "time": row.get("time", now()), "metrics": known})

    def rows(self) -> Iterator[Row]:
        """All rows; of several for one metric and step the last counts."""
        for path, until in self.journals.items():
            yield from (row for row in Journal(path).rows() if until is None or row["step"] <= until)
        yield from self.metrics

    def follow(self, journal: Path, up_to_step: int | None) -> None:
        """Have the run show a journal up to a step; None: all of it."""
        self.journals[str(journal.resolve())] = up_to_step

    def attach(self, path: Path, folder: str | None) -> None:
        """Have the run hold a file, or all of a folder, in a folder of its artifacts."""
        self.artifacts[str(path.resolve())] = folder

    def end(self, status: str) -> None:
        """The run has ended, now."""
        self.status, self.ended = status, now()

    def keep_rows(self) -> None:
        """Hold the journals' rows itself: the journals may be deleted."""
        self.metrics, self.journals = list(self.rows()), {}

    def mark(self, sent: bool) -> None:
        """Note whether MLflow has all that the record says."""
        self.sent = sent

    def gone(self) -> list[str]:
        """The files that it names and that are no longer there."""
        return [path for path in (*self.journals, *self.artifacts) if not Path(path).exists()]


def record_lock(path: Path) -> FileLock:
    """Held by the process that the record belongs to; the kernel frees it when that ends, however it ends."""
    return FileLock(path.with_name(f".{path.stem}.lock"))


def unsent(folder: str | Path) -> Iterator[Record]:
    """Records of which MLflow lacks something, each held until the next is asked for; a live job's are left out."""
    for path in sorted(Path(folder).glob("*.json")):
        with suppress(Timeout), record_lock(path).acquire(timeout=0):
            record = Record.load(path)
            if not record.sent:
                yield record


def count_unsent(folder: str | Path) -> int:
    """Of how many runs MLflow lacks something, those of live jobs included."""
    return sum(not Record.load(path).sent for path in Path(folder).glob("*.json"))


def now() -> int:
    return int(time.time() * 1000)
