"""`make clean-results`: it lists, asks, and deletes nothing but results."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gavel.common.paths import ROOT

SCRIPT = ROOT / "tools" / "clean_results.py"


@pytest.fixture
def project(tmp_path):
    """A project with the default study's results and another's."""
    for name in ("README.md", "report.html", "runs/sft/run.json", "mine/report.html"):
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 100_000)
    (tmp_path / "kept").mkdir()
    (tmp_path / "results" / "link").symlink_to(tmp_path / "kept")
    return tmp_path


def run(project: Path, *arguments: str, answer: str | None = None) -> subprocess.CompletedProcess:
    """Run the script; with an answer, on a terminal."""
    command = [sys.executable, SCRIPT, *arguments]
    if answer is None:
        return subprocess.run(command, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    ours, its = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(command, cwd=project, stdin=its, capture_output=True, text=True)
    os.close(ours), os.close(its)
    return done


def names(project: Path) -> set[str]:
    return {path.name for path in (project / "results").iterdir()}


def test_it_deletes_what_it_has_listed_and_keeps_the_readme(project):
    done = run(project, "results", answer="y")
    assert done.returncode == 0, done.stderr
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.endswith("MB")]
    assert {Path(name).name for name in listed} == {"report.html", "runs", "mine", "link"}
    assert "runs/  0.1 MB" in done.stdout
    assert names(project) == {"README.md"}
    assert (project / "kept").is_dir()
    assert "no results to delete" in run(project, "results").stdout


@pytest.mark.parametrize("answer", ["", "n", None])
def test_without_a_yes_everything_stays(project, answer):
    before = names(project)
    done = run(project, "results", answer=answer)
    assert done.returncode == 1
    assert "not deleted" in done.stdout + done.stderr
    assert names(project) == before


def test_one_study_is_deleted_alone_and_without_a_question_if_forced(project):
    assert run(project, "--force", "results/mine").returncode == 0
    assert names(project) == {"README.md", "report.html", "runs", "link"}


@pytest.mark.parametrize("folder", [".", "kept", "/tmp", "results/link"])
def test_nothing_but_results_is_deleted(project, folder):
    done = run(project, "--force", folder)
    assert done.returncode == 2
    assert "is not in the project's folder results" in done.stderr
    assert (project / "kept").is_dir()
    assert "report.html" in names(project)
