"""The image's recipe; tests/system/packages/test_container.py builds it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gavel.common.paths import ROOT


def test_the_dockerfile_is_sound():
    """Syntax, and the shell of its steps, by hadolint."""
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    if hadolint is None:
        pytest.skip("hadolint comes for Linux on x86-64 only")
    done = subprocess.run([hadolint, str(ROOT / "envs/Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_its_python_is_the_environments():
    image = next(line for line in (ROOT / "envs/Dockerfile").read_text().splitlines() if line.startswith("FROM"))
    version = image.split(":")[1].split("-")[0]
    assert f"python={version}" in (ROOT / "envs/gavel.yaml").read_text()
