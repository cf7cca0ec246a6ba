"""A finished study to publish, which tests share or copy."""

import shutil

import pytest

from helpers.publishable import publishable


@pytest.fixture(scope="session")
def made(tiny, tmp_path_factory):
    """Its results folder, not to be written into."""
    root = tmp_path_factory.mktemp("published") / "results"
    publishable(root, tiny)
    return root


@pytest.fixture
def results(made, tmp_path):
    """A copy of it to change."""
    return shutil.copytree(made, tmp_path / "results")
