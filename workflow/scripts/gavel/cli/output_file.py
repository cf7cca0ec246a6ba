"""Output files named by the user: checked before the work starts, with a one-line error if they cannot be written.

Missing folders are not created, since the name may be mistyped. Links are followed; devices and pipes are written to
directly (`gavel.common.files.replacing`).
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gavel.common.errors import InputError
from gavel.common.files import replacing

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


@contextmanager
def opened(option: str, path: str) -> Iterator["Output"]:
    """A file to write; it appears when the block ends without an error.

    Raises:
        InputError: the file cannot be written. Errors from the block itself are passed on unchanged.
    """
    check(option, path)
    block_error: OSError | None = None
    try:
        with replacing(path, make_folder=False) as handle:
            try:
                yield Output(handle, option, path)
            except OSError as error:
                block_error = error
                raise
    except OSError as error:
        if error is block_error:
            raise
        raise _cannot(option, path, error) from None


class Output:
    """The handle that `opened` yields; distinguishes this file's errors from those of other files and pipes."""

    def __init__(self, handle: TextIO, option: str, path: str) -> None:
        self._handle, self._option, self._path = handle, option, path

    def write(self, text: str) -> None:
        try:
            self._handle.write(text)
        except OSError as error:
            raise _cannot(self._option, self._path, error) from None


def _cannot(option: str, path: str, error: OSError) -> InputError:
    return InputError(f"{option} {path}: cannot be written ({error.strerror}); check the path")
