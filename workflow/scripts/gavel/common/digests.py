"""Digests of files, folders and jobs."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

# In a folder downloaded from the hub (`gavel.data.hub`): records the commit of its files.
HUB_RECORD = ".hub.json"


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits. The file is read in blocks."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def folder_digest(path: str | Path) -> str:
    """SHA-256 over the relative names and bytes of all files in a folder, in sorted order.

    A folder downloaded from the hub is identified by its commit, since reading a large judge's weights would take
    minutes.

    Raises:
        NotADirectoryError: the folder does not exist; an empty digest would hide a wrong path.
    """
    root = Path(path)
    if not root.is_dir():
        raise NotADirectoryError(f"{root}: not a folder")
    if (root / HUB_RECORD).is_file():
        return file_digest(root / HUB_RECORD)
    digest = hashlib.sha256()
    for item in sorted((item.relative_to(root).as_posix(), item) for item in root.rglob("*") if item.is_file()):
        digest.update(f"{item[0]}\0{file_digest(item[1])}\0".encode())
    return digest.hexdigest()


def job_digest(settings: Mapping[str, object], inputs: Iterable[str | Path]) -> str:
    """Digest of everything a job's result depends on: its settings (with the code's digest) and its input files."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in inputs:
        digest.update((folder_digest(path) if os.path.isdir(path) else file_digest(path)).encode())
    return digest.hexdigest()[:16]
