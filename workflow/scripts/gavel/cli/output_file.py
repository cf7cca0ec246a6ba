"""Files that commands write where the user says: checked before the work, and told in one line where it fails.

A folder is not made, since a mistyped one would be. A link is followed; a device or a pipe is written into
(`gavel.common.files.replacing`).
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gavel.common.errors import InputError
from gavel.common.files import replacing

HELP = "in a folder that is there; a device or a pipe is written into as it is"


def check(option: str, path: str) -> None:
    """Raises `InputError` where it can be seen beforehand that a file cannot be written."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        folder = Path(os.path.realpath(path)).parent  # of a link's target
        if not folder.is_dir():
            raise InputError(
                f"{option} {path}: there is no folder {folder}; make it first, or check the path"
            ) from None
    except OSError as error:
        raise _cannot(option, path, error) from None
    else:
        if stat.S_ISDIR(there.st_mode):
            raise InputError(f"{option} {path}: is a folder; name the file to write")


@contextmanager
def opened(option: str, path: str) -> Iterator["Output"]:
    """A file to write, there when the block has ended well.

    Raises:
        InputError: it cannot be written. Errors of the block's own go through as they are.
    """
    check(option, path)
    own: OSError | None = None
    try:
        with replacing(path, make_folder=False) as handle:
            try:
                yield Output(handle, option, path)
            except OSError as error:
                own = error
                raise
    except OSError as error:
        if error is own:
            raise
        raise _cannot(option, path, error) from None


class Output:
    """What `opened` gives: an error of this file is told from those of other files and pipes."""

    def __init__(self, handle: TextIO, option: str, path: str) -> None:
        self._handle, self._option, self._path = handle, option, path

    def write(self, text: str) -> None:
        try:
            self._handle.write(text)
        except OSError as error:
            raise _cannot(self._option, self._path, error) from None


def _cannot(option: str, path: str, error: OSError) -> InputError:
    return InputError(f"{option} {path}: cannot be written ({error.strerror}); check the path")
