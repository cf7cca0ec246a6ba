"""A study's results that no training made (`fake_results`), for tests of pages."""

import shutil

import fake_results
import pytest


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """(folder, config) of GRPO at one lambda on thirty questions, not to be written into."""
    root = tmp_path_factory.mktemp("plain") / "results"
    return root, fake_results.build(root, {"main": 30}, samples=2, algorithms=("grpo",), lambdas=("0.5",))


@pytest.fixture
def study(plain, tmp_path):
    """A copy of it to add to."""
    shutil.copytree(plain[0], tmp_path / "results")
    return tmp_path / "results", plain[1]
