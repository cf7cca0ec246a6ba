"""A study of which everything is on a hub."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gavel.common.paths import ROOT
from helpers import hub_server
from helpers.published import published


@pytest.fixture
def hub(tiny, tmp_path):
    with published(tiny, tmp_path) as found:
        yield found


def test_it_is_fetched_first_and_its_jobs_ask_for_nothing(hub, tmp_path):
    """Splits and audit of a study whose every source and model is on the hub; then again without the hub."""
    source = {"reader": "gsm8k", "path": "gavel/problems", "name": "main"}
    study = {
        "study": "hub",
        "results_dir": "results/hub-study",
        "data": {
            "train": source | {"split": "train"},
            "labeled": 10,
            "unlabeled": 30,
            "validation": 10,
            "tests": {"main": source | {"split": "test", "revision": hub_server.COMMIT}},
        },
        "solution": {"format": "text"},
        "student": {"model": "gavel/student"},
        "judge": {"model": "gavel/old"},
        "sft": {"batch_size": 5},
        "primary": {"algorithm": "grpo", "lambda": 0.5, "seed": 0, "test_set": "main", "metric": "greedy"},
    }
    (tmp_path / "hub.yaml").write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--workflow-profile", "none", "--configfile", str(tmp_path / "hub.yaml"), "--"]
    results = tmp_path / "results/hub-study"
    targets = [str(results / "data/audit.json"), *(str(results / f"hub/{which}") for which in ("student", "judge"))]
    targets = [str(Path(target).relative_to(tmp_path)) for target in targets]

    def run():
        return subprocess.run(
            [*command, *targets], cwd=tmp_path, env=hub.environment, capture_output=True, text=True, timeout=200
        )

    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads((results / "data/splits.json").read_text())["counts"]
    assert (counts["labeled"], counts["unlabeled"], counts["test/main"]) == (10, 30, 20)
    fetched = {p.parent.relative_to(results / "hub").as_posix() for p in (results / "hub").rglob(".hub.json")}
    assert fetched == {"student", "judge", "data/train", "data/tests.main"}
    asked = len(hub.asked)
    shutil.rmtree(results / "data")
    hub.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    again = run()
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(hub.asked) == asked
    assert (results / "data/audit.json").exists()
