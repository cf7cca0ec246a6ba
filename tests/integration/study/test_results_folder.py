"""Where results may lie, against what git tracks."""

import subprocess

import pytest

from gavel.common.paths import ROOT
from gavel.study import results_folder


def test_no_folder_of_the_project_takes_results():
    """What git tracks, but `results`: a new folder of the project belongs into the list."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    folders = {line.split("/")[0] for line in tracked.stdout.splitlines() if "/" in line}
    assert {name for name in folders if not name.startswith(".")} - {"results"} == set(results_folder.PROJECT)


def test_the_list_of_folders_in_use_has_all_that_a_study_leaves(finished):
    left = {path.name for path in finished.results.iterdir() if not path.name.startswith(".")}
    assert left <= set(results_folder.RESERVED_NAMES)
