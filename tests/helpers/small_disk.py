"""A folder that can run out of space."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

import pytest


class SmallDisk:
    """A file system of so many MB in a folder's place, with what the folder held; the test skips who may not mount."""

    def __init__(self, folder: Path, mb: int):
        self.folder, self.ballast = folder, folder / "ballast"
        before = folder.with_name(f"{folder.name}-before")
        folder.rename(before)
        folder.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mb}m", "gavel-test", str(folder)], capture_output=True, text=True
        )
        if mounted.returncode:
            pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
        # Snakemake must find the times that it knows.
        shutil.copytree(before, folder, dirs_exist_ok=True, copy_function=shutil.copy2)
        shutil.rmtree(before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self) -> None:
        """Take all space that is left."""
        with open(self.ballast, "wb", buffering=0) as handle:
            try:
                while True:
                    handle.write(bytes(1 << 16))
            except OSError:
                pass

    def empty(self) -> None:
        os.unlink(self.ballast)
