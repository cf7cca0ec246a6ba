"""Files that commands write where the user says: links, devices, pipes, and what cannot be written."""

import errno
import json
import os
import stat

import pytest

from gavel.cli import main, output_file
from gavel.cli import score as command
from helpers.devices import device, read_pipe
from helpers.score_command import score

DETAIL = {"row": 0, "answer": ["1"], "correct": [True]}


@pytest.fixture
def asked(write):
    return (write({"response": "#### 1", "answer": 1}), "--format", "text")


def test_details_go_into_a_pipe(asked, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    with read_pipe(tmp_path / "pipe") as found:
        assert score(capsys, *asked, "--details", str(tmp_path / "pipe"))[0] == 0
    assert [json.loads(line) for line in found[0].splitlines()] == [DETAIL]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_details_go_into_a_device_which_stays(asked, tmp_path, capsys):
    null, full = device(tmp_path / "null", 3), device(tmp_path / "full", 7)
    assert score(capsys, *asked, "--details", str(null))[0] == 0
    status, out, err = score(capsys, *asked, "--details", str(full))
    assert (status, out) == (2, "")
    assert err == f"gavel: --details {full}: cannot be written (No space left on device); check the path\n"
    assert stat.S_ISCHR(null.stat().st_mode) and stat.S_ISCHR(full.stat().st_mode)


def test_details_take_the_place_of_what_a_link_leads_to(asked, tmp_path, capsys):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/details.jsonl")
    for _ in range(2):
        assert score(capsys, *asked, "--details", str(tmp_path / "link"))[0] == 0
        assert (tmp_path / "link").is_symlink()
        assert json.loads((tmp_path / "far/details.jsonl").read_text()) == DETAIL


def test_details_and_figures_may_go_the_same_way(asked, tmp_path, capfd):
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("no /proc here")
    assert main.main(["score", *asked, "--json", "--details", "/proc/self/fd/1"]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert json.loads(first) == DETAIL and json.loads(second)["n"] == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is a folder; name the file to write"),
        ("none/x", "the folder {folder}/none does not exist; create it first"),
        ("none/more/x", "the folder {folder}/none/more does not exist; create it first"),
        ("file/x", "cannot be written"),
        ("gone", "the folder {folder}/nowhere does not exist; create it first"),
        ("round", "cannot be written"),
        ("x" * 300, "cannot be written (File name too long)"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work_and_nothing_is_made(
    asked, tmp_path, monkeypatch, capsys, name, reason
):
    (tmp_path / "file").touch()
    (tmp_path / "gone").symlink_to("nowhere/x")
    (tmp_path / "round").symlink_to("round")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(command, "verify", lambda *arguments: pytest.fail("it has begun"))
    for arguments in (
        ["score", *asked, "--details", str(tmp_path / name)],
        ["compare", str(tmp_path), "--out", str(tmp_path / name)],
    ):
        assert main.main(arguments) == 2
        error = capsys.readouterr().err
        option = arguments[-2]
        assert error.startswith(f"gavel: {option} {tmp_path / name}") and error.count("\n") == 1
        assert reason.format(folder=tmp_path) in error
    assert sorted(tmp_path.rglob("*")) == before


def test_an_error_of_another_pipe_is_not_taken_for_the_file_s(tmp_path):
    error = BrokenPipeError(errno.EPIPE, "a worker's")

    def lines():
        yield "first\n"
        raise error

    with pytest.raises(BrokenPipeError) as caught:
        output_file.write("--details", str(tmp_path / "x"), lines())
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["score", "compare"])
def test_help_says_where_a_file_may_be_written(command, capsys):
    with pytest.raises(SystemExit):
        main.main([command, "--help"])
    assert output_file.HELP in " ".join(capsys.readouterr().out.split())
