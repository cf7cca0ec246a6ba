"""The record of one job's run: a file with everything that MLflow should have, whether it was sent or not.

A record names the journals with the run's curves, and has the data that no other file has: tags, params, single
metrics. One process at a time holds its lock, writes it and sends it (`gavel.tracking.exporter`): the job while it
runs, later the process that sends unsent data.
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
from gavel.common.redaction import redact, redact_config, redact_url

RUNNING = "RUNNING"
_VALUE_LENGTH = 6000  # MLflow's limit on the length of a param's value


@dataclass
class JobRecord:
    """One MLflow run; `create` makes the record of a new one.

    Times are in ms since 1970, paths are absolute. `sent`: MLflow has everything in the record.
    """

    path: Path  # the record's own path
    uri: str  # the store's URI, without a password
    experiment: str
    key: str  # stable name of the job, `<study>/<rule>/<run>`, or `<study>` for the parent run
    name: str  # as shown in MLflow's list of runs
    tags: dict[str, str]
    params: dict[str, str]
    begun: int
    parent: str | None = None  # key of the parent run, made if missing
    digest: str | None = None  # of everything that the job's result depends on; None continues any run with the key
    artifact_root: str | None = None  # as in `gavel.tracking.store.experiment_id`
    journals: dict[str, int | None] = field(default_factory=dict)  # path -> last step to send, None: all
    metrics: list[Row] = field(default_factory=list)  # further rows as in a journal
    artifacts: dict[str, str | None] = field(default_factory=dict)  # file or folder -> its folder in MLflow
    results: dict[str, float] = field(default_factory=dict)  # metrics measured after the job; they may change
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
        """A new run's record, without passwords, API keys and tags that are None; not yet on disk."""
        shown = {tag: redact(value) for tag, value in (tags or {}).items() if value is not None}
        settings = {
            param: str(redact_config(value, param.rpartition(".")[2]))[:_VALUE_LENGTH]
            for param, value in (params or {}).items()
        }
        return cls(Path(path), redact_url(uri), experiment, key, name, shown, settings, now(), **more)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a record. Raises `InputError` if it cannot be read."""
        return cls(path, **read_json(path))

    def save(self) -> None:
        values = asdict(self)
        del values["path"]
        write_json(self.path, values)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row as in a journal; `time` is now by default. Values that are None or not finite are dropped."""
        known: dict[str, float | None] = {
            name: float(value) for name, value in row["metrics"].items() if value is not None and math.isfinite(value)
        }
        self.metrics.append({"step": int(row["step"]), "time": row.get("time", now()), "metrics": known})

    def rows(self) -> Iterator[Row]:
        """All rows; if several have the same metric and step, the last one counts."""
        for path, until in self.journals.items():
            yield from (row for row in Journal(path).rows() if until is None or row["step"] <= until)
        yield from self.metrics

    def follow(self, journal: Path, up_to_step: int | None) -> None:
        """Add a journal, up to a step; None: all of it."""
        self.journals[str(journal.resolve())] = up_to_step

    def attach(self, path: Path, folder: str | None) -> None:
        """Add a file, or a folder's files, under a folder of the run's artifacts."""
        self.artifacts[str(path.resolve())] = folder

    def end(self, status: str) -> None:
        """Mark the run as ended now."""
        self.status, self.ended = status, now()

    def keep_rows(self) -> None:
        """Copy the journals' rows into the record, because the journals may be deleted."""
        self.metrics, self.journals = list(self.rows()), {}

    def mark(self, sent: bool) -> None:
        """Record whether MLflow has everything in the record."""
        self.sent = sent

    def add_results(self, results: Mapping[str, float]) -> bool:
        """Set the run's results; returns whether MLflow lacks any of them."""
        if results.items() <= self.results.items():
            return False
        if self.sent:  # MLflow has these files, which may be gone now
            self.journals = {path: step for path, step in self.journals.items() if Path(path).exists()}
            self.artifacts = {path: folder for path, folder in self.artifacts.items() if Path(path).exists()}
        self.results, self.sent = {**self.results, **results}, False
        return True

    def missing_files(self) -> list[str]:
        """The files that the record names and that no longer exist."""
        return [path for path in (*self.journals, *self.artifacts) if not Path(path).exists()]


def record_lock(path: Path) -> FileLock:
    """The lock of the process that holds the record; the kernel releases it when the process ends."""
    return FileLock(path.with_name(f".{path.stem}.lock"))


def unsent_records(folder: str | Path) -> Iterator[JobRecord]:
    """Records that are not fully sent, each locked until the next is requested; those of running jobs are skipped."""
    for path in sorted(Path(folder).glob("*.json")):
        with suppress(Timeout), record_lock(path).acquire(timeout=0):
            record = JobRecord.load(path)
            if not record.sent:
                yield record


def count_unsent(folder: str | Path) -> int:
    """Number of runs that are not fully sent, including those of running jobs."""
    return sum(not JobRecord.load(path).sent for path in Path(folder).glob("*.json"))


def now() -> int:
    return int(time.time() * 1000)
