"""`gavel.results` and the notebook on a study that the workflow has run."""

import json
import os
import subprocess
import sys

import gavel.results
from gavel.common.paths import ROOT

NOTEBOOK = ROOT / "examples/quickstart.ipynb"


def test_the_frames_agree_with_the_study(finished):
    study = gavel.results.load(finished.results)
    assert list(study.runs.run) == ["sft", "grpo-lambda0.5-seed0", "ppo-lambda0.5-seed0"]
    assert set(study.runs.status) == {"finished"} and list(study.runs.steps[1:]) == [4, 4]
    assert len(study.rollouts("grpo-lambda0.5-seed0")) == 4 * 32
    assert study.judge.verdicts().kind.isna().sum() == 160 == study.judge.calibration.set_index("metric").value["n"]
    for run in study.runs.itertuples():
        greedy = study.samples(run.run, set="main").query("sample == -1")
        assert abs(greedy.correct.mean() - run.accuracy) < 1e-5


def test_the_notebook_runs(finished):
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    own = {"GAVEL_RESULTS": str(finished.results), "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT / "workflow/scripts")}
    program = "\n".join([*code, "print(results.config['study'])"])
    done = subprocess.run([sys.executable, "-"], input=program, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "grpo-lambda0.5-seed0, step 4: reward" in done.stdout
    assert done.stdout.splitlines()[-1] == "small"
