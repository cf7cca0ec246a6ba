"""What tests of several folders share: a student with random weights (milliseconds), and a small study (a minute)."""

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest
import torch

from gavel.data.generator import problems
from gavel.models import loading
from gavel.solutions.programs import to_program
from gavel.training.scratch import student

torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, which puts the group's name into the test's
def pytest_collection_modifyitems(items):
    """Of `make test`'s processes (pytest-xdist) one runs a file, and one all that reads the small study."""
    for item in items:
        group = "finished" if "finished" in item.fixturenames else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def rows():
    """Sixty problems of the main set, with programs."""
    found = [row for _, row in problems.generate("main", 60, 9, "test")]
    return [row | {"program": to_program(row["solution"], row["answer"], row["question"])} for row in found]


@pytest.fixture(scope="session")
def tiny(rows, tmp_path_factory):
    """Folder of a tiny causal language model and its tokenizer."""
    folder = tmp_path_factory.mktemp("tiny")
    texts = student.pretraining_texts(rows, wrong=0.0, bare=0.0, seed=0)
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


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The small study (`small.Project`), run once from nothing."""
    from small import Project

    project = Project(tmp_path_factory.mktemp("study"))
    done = project.run()
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project
