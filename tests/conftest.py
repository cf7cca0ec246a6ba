"""What tests of several folders share: a student with random weights (milliseconds), rows as a file, an MLflow store,
results of a study that no training made, and a small study that is run (a minute)."""

import json
import os
import shutil
from pathlib import Path

if os.environ.get("GAVEL_GPU_CHECK") != "cuda":
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest
import torch

from gavel.data.generator import problems
from gavel.models import loading
from gavel.solutions.programs import to_program
from gavel.tracking.store import experiment_id, store_lock
from gavel.training.scratch import student
from helpers import fake_results
from helpers.record_runs import pytest_addoption, pytest_runtest_makereport, record_run  # noqa: F401 (pytest's)
from helpers.small import Project

TESTS = Path(__file__).parent

torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, which puts the group's name into the test's
def pytest_collection_modifyitems(items):
    """Of `make test`'s processes (pytest-xdist) one runs a file, and one all that reads the small study: the first."""
    longest = {item.path for item in items if "finished" in item.fixturenames}
    items.sort(key=lambda item: item.path not in longest)
    for item in items:
        file = item.path.relative_to(TESTS).with_suffix("").as_posix()
        group = "finished" if "finished" in item.fixturenames else file
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def rows():
    """Sixty problems of the main set, with programs."""
    found = [row for _, row in problems.generate("main", 60, 9, "test")]
    return [row | {"program": to_program(row["solution"], row["gold"], row["question"])} for row in found]


@pytest.fixture(scope="session")
def tiny(rows, tmp_path_factory):
    """Folder of a tiny causal language model and its tokenizer."""
    folder = tmp_path_factory.mktemp("tiny")
    texts = student.pretraining_texts(rows, corrupted_fraction=0.0, no_question_fraction=0.0, seed=0)
    tokenizer = student.build_tokenizer([*texts, *student.judge_words()])
    model = student.build_model(tokenizer, width=32, layers=2, heads=2, seed=0)
    loading.save(model, tokenizer, folder)
    return str(folder)


@pytest.fixture
def tokenizer(tiny):
    return loading.load_tokenizer(tiny)


@pytest.fixture
def model(tiny):
    return loading.load_model(tiny)


@pytest.fixture
def write(tmp_path):
    """Writes rows, or lines as they are, as JSON Lines; gives the path."""

    def write_rows(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return str(path)

    return write_rows


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The small study (`helpers.small.Project`), run once from nothing."""
    project = Project(tmp_path_factory.mktemp("study"))
    done = project.run()
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project
