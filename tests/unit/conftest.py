"""What files here share: rows as a file, an MLflow store, and results of a study that no training made."""

import json
import shutil

import fake_results
import pytest

from gavel.tracking.store import experiment_id, store_lock


@pytest.fixture
def write(tmp_path):
    """Writes rows, or lines as they are, as JSON Lines; gives the path."""

    def write_rows(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return str(path)

    return write_rows


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


@pytest.fixture(scope="session")
def made_store(tmp_path_factory):
    """An SQLite store; its first migration takes seconds, so tests share it and differ in their keys."""
    folder = tmp_path_factory.mktemp("results")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return uri, experiment_id(uri, "gavel", store_lock(uri, folder))


@pytest.fixture
def store(made_store, request):
    """(uri, key of this test's own study)."""
    return made_store[0], request.node.name
