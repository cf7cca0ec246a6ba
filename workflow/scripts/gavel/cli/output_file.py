"""Output files named by the user: checked before the work starts, with a one-line error if they cannot be written.

Missing folders are not created, since the name may be mistyped. Links are followed; devices and pipes are written to
directly (`gavel.common.files.open_atomically`).
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from gavel.common.errors import InputError
from gavel.common.files import open_atomically

HELP = "in an existing folder; devices and pipes are written to directly"


def check(option: str, path: str) -> None:
    """Raises `InputError` if it is clear beforehand that a file cannot be written."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        folder = Path(os.path.realpath(path)).parent  # for a link, its target's folder
        if not folder.is_dir():
            raise InputError(
                f"{option} {path}: the folder {folder} does not exist; create it first, or check the path"
            ) from None
    except OSError as error:
        raise _cannot(option, path, error) from None
    else:
        if stat.S_ISDIR(there.st_mode):
            raise InputError(f"{option} {path}: is a folder; name the file to write")


def check_new(option: str, path: str, inputs: Iterable[str]) -> None:
    """As `check`; also raises `InputError` if the file is one of a command's inputs."""
    check(option, path)
    if Path(path).resolve() in {Path(each).resolve() for each in inputs}:
        raise InputError(f"{option} {path}: would overwrite the responses; name another file")


def write(option: str, path: str, lines: Iterable[str]) -> None:
    """Write lines to a file, which appears once all are written.

    Raises:
        InputError: the file cannot be written. Errors that `lines` raises are passed on unchanged.
    """
    check(option, path)
    theirs: list[OSError] = []
    try:
        with open_atomically(path, make_folder=False) as handle:
            handle.writelines(_noting_errors(lines, theirs))
    except OSError as error:
        if error in theirs:
            raise
        raise _cannot(option, path, error) from None


def _noting_errors(lines: Iterable[str], errors: list[OSError]) -> Iterator[str]:
    """The same lines; the error that ends them, which may be another file's or a pipe's, is added to `errors`."""
    try:
        yield from lines
    except OSError as error:
        errors.append(error)
        raise


def _cannot(option: str, path: str, error: OSError) -> InputError:
    return InputError(f"{option} {path}: cannot be written ({error.strerror}); check the path")
