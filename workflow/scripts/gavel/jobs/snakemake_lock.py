"""Remove Snakemake's stale lock after a crash.

Snakemake 9.27 locks a working directory with `.snakemake/locks/<n>.{input,output}.lock`, plain lists of files
without their owner, so the directory stays locked after `kill -9`. Here each run writes a note of its process
and its lock files. The next run removes a lock file only if it is noted, is still the same file (inode and
time), and every process that noted it is known to be dead. In doubt the lock stays, and Snakemake's own message
explains `--unlock`. This is the case if Snakemake was killed between taking the lock and `onstart` (for example
while creating conda environments), for a lock taken on another host, and for Snakemake's database persistence,
which has no lock files.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from gavel.common.files import write_json

_NOTES = "gavel-owners"


def record_owner(workdir: str | Path = ".") -> None:
    """Note that this process holds the Snakemake lock files that now exist in `workdir`.

    Call this in `onstart:`, which Snakemake runs after taking its lock and before the first job, but not in dry
    runs, in jobs' own Snakemake processes, or with nothing to do. Two runs with disjoint targets may lock the
    same directory. Each then notes the other's files too, which is harmless because every process that noted a
    file must be dead.
    """
    folder = Path(workdir) / ".snakemake"
    with _guard(folder) as notes:
        for path, owner in _read_notes(notes):
            if _is_dead(owner) and not set(owner["locks"]) & set(_lock_files(folder)):
                path.unlink(missing_ok=True)
        owner = {**_identity(), "locks": list(_lock_files(folder))}
        write_json(notes / f"{owner['host']}-{owner['pid']}.json", owner)


def clear_stale_lock(workdir: str | Path = ".") -> str | None:
    """Remove Snakemake's lock files whose owners are dead; call this while the Snakefile is parsed.

    Returns:
        A message, or None if nothing was removed.
    """
    folder = Path(workdir) / ".snakemake"
    if not any(_lock_files(folder)):
        return None
    with _guard(folder) as notes:
        owners = [owner for _, owner in _read_notes(notes)]
        locks = _lock_files(folder)
        stale: dict[Path, list[dict[str, Any]]] = {}
        for mark, path in locks.items():
            claimed = [owner for owner in owners if mark in owner["locks"]]
            if claimed and all(_is_dead(owner) for owner in claimed):
                stale[path] = claimed
        for path in stale:
            path.unlink(missing_ok=True)
    if not stale:
        return None
    pids = sorted({owner["pid"] for claimed in stale.values() for owner in claimed})
    return f"Removed the lock of a Snakemake run that died (process {', '.join(map(str, pids))})."


def may_be_running(workdir: str | Path = ".") -> bool:
    """Whether a Snakemake that noted its lock files in `workdir` still runs, here or perhaps on another machine."""
    notes = Path(workdir) / ".snakemake" / _NOTES
    return any(not _is_dead(owner) and owner["locks"] for _, owner in _read_notes(notes))


def _lock_files(folder: Path) -> dict[str, Path]:
    """Snakemake's lock files, by a mark that differs from that of another run's file of the same name."""
    found = {}
    for path in sorted((folder / "locks").glob("*.lock")):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        found[f"{path.name} {stat.st_ino} {stat.st_mtime_ns}"] = path
    return found


def _read_notes(notes: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(notes.glob("*.json")):
        yield path, json.loads(path.read_text())


@contextmanager
def _guard(folder: Path) -> Iterator[Path]:
    """Lock the folder of notes, so that no other process changes it between check and removal."""
    notes = folder / _NOTES
    notes.mkdir(parents=True, exist_ok=True)
    with FileLock(notes / ".guard"):
        yield notes


def _identity() -> dict[str, Any]:
    pid = os.getpid()
    return {"pid": pid, "started": _started(pid), "boot": _boot(), "namespace": _namespace(), "host": _host()}


def _is_dead(owner: dict[str, Any]) -> bool:
    """True only if the process that wrote this note is certainly dead."""
    if owner["host"] != _host():
        return False
    if owner["boot"] != _boot():
        return True
    # Another container on this machine, whose processes are invisible here.
    if owner["namespace"] != _namespace():
        return False
    try:
        started = _started(owner["pid"])
    except psutil.AccessDenied:
        return False
    # The boot time may vary by a second between readings.
    return started is None or abs(started - owner["started"]) > 1.5


def _host() -> str:
    return socket.gethostname()


def _boot() -> str | None:
    """The machine's boot id; None on systems other than Linux."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _namespace() -> str | None:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def _started(pid: int) -> float | None:
    """Start time of a process in seconds after boot, which is independent of the clock; None if it is not running.

    A zombie counts as dead: in a container without an init process it may never be reaped.

    Raises:
        psutil.AccessDenied: the process is another user's, and the machine hides those (hidepid).
    """
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return float(process.create_time() - psutil.boot_time())
    except psutil.NoSuchProcess:  # or a hidden process; psutil cannot distinguish them
        try:
            os.kill(pid, 0)
        except PermissionError:
            raise psutil.AccessDenied(pid) from None
        except ProcessLookupError:
            pass
        return None
