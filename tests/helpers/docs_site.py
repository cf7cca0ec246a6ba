"""The documentation site, as `make docs-site` builds it."""

import subprocess
import sys
from pathlib import Path

from gavel.common.paths import ROOT


def build(folder: Path) -> Path:
    """Build the site in a folder; a warning, such as of a broken link, is an error. Returns the folder."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
