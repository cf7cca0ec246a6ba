"""The small study run through the shipped Slurm profile."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Self

from helpers.small import Project

# The profile's waits suit jobs of hours.
QUICK = "--slurm-init-seconds-before-status-checks 3 --seconds-between-status-checks 3"


class OnSlurm(Project):
    def command(self, *arguments: str) -> list[str]:
        profile = ["--workflow-profile", "profiles/slurm", *QUICK.split(), "--latency-wait", "5"]
        return [sys.executable, "-m", "snakemake", "--configfile", "small.yaml", *profile, *arguments]

    @classmethod
    def after(cls, finished: Project, folder: Path, *lost: str) -> Self:
        """A copy of a finished study that has lost some of its results."""
        shutil.copytree(finished.folder, folder, dirs_exist_ok=True)
        found = cls.__new__(cls)
        found.folder, found.results = folder, folder / finished.results.relative_to(finished.folder)
        found.environment = finished.environment
        for path in (found.results / name for name in lost):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        return found


def until(condition: Callable[[], object], what: str, process: Popen, seconds: float = 240) -> None:
    """Wait for something while Snakemake runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"Snakemake ended before {what}: {process.stdout.read()[-4000:]}"
        assert time.monotonic() < deadline, f"no {what} in {seconds} s"
        time.sleep(0.1)
