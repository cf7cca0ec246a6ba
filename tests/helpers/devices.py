"""Devices and pipes of a test's own, to be written into."""

import os
import stat
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

MEMORY = 1  # the kernel's number of the devices null (3) and full (7)


def device(path: Path, number: int) -> Path:
    """A device node of the test's own; skips where such may not be made or opened, as without root."""
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(MEMORY, number))
        with open(path):
            pass
    except OSError as error:
        pytest.skip(f"no device can be made in {path.parent} ({error.strerror})")
    return path


@contextmanager
def read_pipe(path: Path):
    """Reads a pipe while the block writes into it; gives a list that has the whole text afterwards."""
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(path.read_text()), daemon=True)
    reader.start()
    yield found
    reader.join(10)
