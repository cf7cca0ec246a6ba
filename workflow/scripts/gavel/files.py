"""Reading and writing small structured files; a file or folder under its final name is always whole.

That holds after `kill -9` and, since what is written is on disk before it gets its name, after a power cut.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gavel.errors import InputError


def read_jsonl(path: str | Path) -> Iterator[dict]:
    """Yield the objects of a JSON Lines file, in order, without loading it whole.

    Raises:
        InputError: the file is missing, or a line is not a JSON object; the message has `file:line`.
    """
    try:
        handle = open(path, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    with handle:
        number = 0
        try:
            for number, line in enumerate(handle, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError(f"{path}:{number}: expected a JSON object, found {type(row).__name__}")
                yield row
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{number}: not valid JSON ({error.msg}, column {error.colno})") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}:{number + 1}: not UTF-8 text; convert the file to UTF-8") from None


def read_json(path: str | Path):
    """Load one JSON document. Raises `InputError` when it is missing or malformed."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None


@contextmanager
def replacing(path: str | Path, newline: str | None = None) -> Iterator[TextIO]:
    """A text file to write that takes the place of `path` when the block ends well, and is gone when it does not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "w", encoding="utf-8", newline=newline) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically (temporary file beside it, then rename), making its folder."""
    with replacing(path) as handle:
        handle.write(text)


def write_json(path: str | Path, value) -> None:
    """Write one JSON document atomically; floats keep full precision, NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: str | Path, rows: Iterable[dict]) -> None:
    """Write rows as JSON Lines atomically."""
    with replacing(path) as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")


def sync_folder(folder: str | Path) -> None:
    """Wait until a folder, all that is in it and its own name are on disk."""
    for path in (*Path(folder).rglob("*"), Path(folder), Path(folder).parent):
        _sync(path)


def replace_folder(partial: Path, folder: Path) -> None:
    """Give a finished folder its final name; a kill in between may lose an older one of that name, never mixes them."""
    sync_folder(partial)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
