"""What the `gavel` command does with an output that nobody reads, that is full, or that cannot show a name."""

import json
import os
import signal
import subprocess
import sys

import pytest

from gavel.cli import main, score

CLOSED = 128 + signal.SIGPIPE


@pytest.fixture
def rows(write):
    return write({"response": "#### 1", "answer": 1})


def run(*arguments: str, more: str = "", **environment: str) -> subprocess.CompletedProcess:
    """The command in a shell; `more` is what stands after it there."""
    command = f'"$@" {more}; exit ${{PIPESTATUS[0]}}'
    whole = ["bash", "-c", command, "bash", sys.executable, "-m", "gavel.cli.main", *arguments]
    # Python writes out what is printed at once where this is set, and else when its buffer is full or at its end.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(whole, capture_output=True, text=True, timeout=120, env=plain | environment)


@pytest.mark.parametrize("buffered", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_a_reader_that_has_gone_is_no_error_of_the_command(rows, buffered):
    done = run("score", rows, "--format", "text", more="| exec true", **buffered)
    assert (done.returncode, done.stdout, done.stderr) == (CLOSED, "", "")
    done = run("score", "--help", more="| exec true", **buffered)
    assert (done.returncode, done.stdout, done.stderr) == (CLOSED, "", "")


def test_a_reader_that_leaves_half_way_is_no_error_of_the_command(write):
    models = {f"model{number}": {"solution": "A: 1"} for number in range(3000)}  # more than a pipe holds
    path = write({"question": "q", "ground_truth": "A: 1"} | models)
    done = run("score", path, "--format", "text", "--layout", "gsm8k-model-solutions", more="| head -n 1")
    assert (done.returncode, done.stdout, done.stderr) == (CLOSED, "model0:\n", "")


def test_bad_input_is_status_2_even_where_nobody_reads_the_message(tmp_path):
    done = run("score", str(tmp_path / "none.jsonl"), "--format", "text", more="2>&1 | exec true")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.parametrize("buffered", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_a_full_disk_is_one_line(rows, buffered):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    done = run("score", rows, "--format", "text", more="> /dev/full", **buffered)
    assert done.returncode == 2
    assert done.stderr == "gavel: the output cannot be written (No space left on device)\n"


def test_without_an_output_the_status_is_that_of_the_work(rows):
    assert run("score", rows, "--format", "text", more=">&-").returncode == 0


def test_a_name_that_the_output_cannot_show_is_escaped(tmp_path, rows):
    other = tmp_path / "caf\udce9.jsonl"  # a file whose name is not UTF-8
    other.write_text(json.dumps({"response": "#### 1", "answer": 1}) + "\n")
    done = run("score", rows, "--format", "text", "--compare", str(other))
    assert (done.returncode, done.stderr) == (0, "")
    assert "caf\\udce9.jsonl" in done.stdout
    done = run("score", rows, "--format", "text", "--compare", str(other), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


def test_another_pipe_s_error_is_not_taken_for_the_output_s(rows, monkeypatch):
    def broken(*arguments):
        raise BrokenPipeError("a worker's")

    monkeypatch.setattr(score, "verify", broken)
    with pytest.raises(BrokenPipeError):
        main.main(["score", rows, "--format", "text"])


def test_ctrl_c_is_one_line(rows, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(score, "verify", interrupted)
    assert main.main(["score", rows, "--format", "text"]) == 128 + signal.SIGINT
    assert capsys.readouterr().err == "gavel: interrupted\n"


def test_installed_command_is_silent_off_a_terminal(write):
    path = write({"response": "#### 1", "answer": 1})
    command = [sys.executable, "-m", "gavel.cli.main", "score", path, "--format", "text", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["accuracy"] == 1
