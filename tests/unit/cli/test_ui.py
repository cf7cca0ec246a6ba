"""`gavel ui` for a study that logs to a server; with a store of its own it is in tests/integration/tracking."""

import socket

import pytest

from gavel.cli import main
from gavel.tracking.job_record import JobRecord
from gavel.tracking.study import records


def record(results, uri: str) -> None:
    path = records(results) / "rl-grpo.json"
    path.parent.mkdir(parents=True)
    JobRecord.create(path, uri, "mine", "mine/rl/grpo", "grpo").save()


@pytest.fixture
def refused() -> str:
    """A server's address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("place", [".", "variant"])  # of a study, and of a sweep
def test_the_server_of_a_study_is_named_if_it_does_not_answer(tmp_path, capsys, refused, place):
    record(tmp_path / place, refused)
    assert main.main(["ui", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"gavel: MLflow at {refused} cannot be read (")
    assert said.err.count("\n") == 1


def test_a_study_whose_store_is_gone_has_no_server(tmp_path, capsys):
    record(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    assert main.main(["ui", str(tmp_path)]) == 2
    assert f"{tmp_path}/mlflow.db: no such file yet" in capsys.readouterr().err
