"""A run of the grid that fails: the others are reported at once, and the same command finishes the study."""

import pytest

from gavel.common.files import read_json
from helpers.small import Project

pytestmark = pytest.mark.timeout(600)  # a study twice

FAILED, OTHER = "ppo-lambda0.5-seed0", "grpo-lambda0.5-seed0"


def test_the_others_are_reported_and_the_study_goes_on(tmp_path):
    project = Project(tmp_path)
    blocked = project.results / "state" / FAILED
    blocked.parent.mkdir(parents=True)
    blocked.write_text("no folder")
    done = project.run("--keep-going")
    assert done.returncode == 1
    page = project.results / "unfinished" / "report.html"
    assert f"open {page.relative_to(tmp_path)} for a report of the runs evaluated so far" in done.stderr
    text = page.read_text(encoding="utf-8")
    assert "PPO λ\u00a0=\u00a00.5 failed" in text
    assert "Last line of the log of PPO λ\u00a0=\u00a00.5: FileExistsError" in text
    assert "GRPO λ\u00a0=\u00a00.5" in text
    assert not (project.results / "report.html").exists()
    blocked.unlink()
    kept = read_json(project.results / "runs" / OTHER / "run.json")
    done = project.run()
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_json(project.results / "runs" / OTHER / "run.json") == kept
    assert "failed" not in (project.results / "report.html").read_text(encoding="utf-8").split("</header>")[0]
    assert not page.exists()
