"""Snakemake on this project's workflow, from another folder."""

import subprocess
import sys
from pathlib import Path

from gavel.common.paths import ROOT


def snakemake(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
