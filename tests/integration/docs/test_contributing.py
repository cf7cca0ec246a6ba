"""CONTRIBUTING's worked examples are diffs that apply to the code as it is, and work."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from gavel.common.files import write_jsonl
from gavel.common.paths import ROOT

PAGE = ROOT / "CONTRIBUTING.md"
DIFFS = re.findall(r"^```diff\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def copy(tmp_path):
    """The workflow with its library, and what it reads of the project."""
    shutil.copytree(ROOT / "workflow", tmp_path / "copy" / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config", "envs", "resources"):
        (tmp_path / "copy" / name).symlink_to(ROOT / name)
    return tmp_path / "copy"


def test_the_worked_examples_apply_and_work(copy, tmp_path, tiny, rows):
    assert len(DIFFS) == 5
    for diff in DIFFS:
        applied = subprocess.run(["git", "apply", "-"], cwd=copy, input=diff, capture_output=True, text=True)
        assert applied.returncode == 0, applied.stderr
    write_jsonl(tmp_path / "rows.jsonl", rows)
    library = f"{copy / 'workflow' / 'scripts'}{os.pathsep}{ROOT / 'tests'}"
    ran = subprocess.run(
        [sys.executable, "-m", "helpers.worked_examples", str(tmp_path), tiny, str(PAGE)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": library},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    first, second, too_long = found["scores"]
    assert 0 < first < 1 and 0 < second < 1 and first != second and too_long is None
    lacking, reasoning = found["refused"]
    assert "not complete: no score.weight" in lacking and reasoning.startswith("judge.reasoning: a reward model")
    assert {key: found[key] for key in ("run", "prompts", "configs", "record", "figure")} == {
        "run": "cispo",
        "prompts": 2,
        "configs": 2,
        "record": {"question": "1 + 1?", "solution": "2", "gold": "2", "kind": "Algebra"},
        "figure": True,
    }
    planned = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "results/data/lengths.json"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": library},
        capture_output=True,
        text=True,
    )
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "rule measure_questions:" in planned.stdout
