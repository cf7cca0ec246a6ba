"""A complete study on a CPU in which vLLM samples rollouts and test sets, and serves the judge within each job."""

import csv

import pytest
from mlflow import MlflowClient

from gavel.common.files import read_json
from helpers.small import Project
from helpers.vllm_engine import SERVER, needs_vllm

pytestmark = [needs_vllm, pytest.mark.timeout(3600)]

RUN = "grpo-lambda0.5-seed0"
DIFFERENCE = "sampling/sampling_logp_difference/mean"


def test_every_part_of_a_study_can_be_vllm_s(tmp_path, record_run):
    record_run(engine="vllm-colocate", algorithm="grpo", lora=True, model="shipped")
    record_run(engine="vllm-server", algorithm="judge", model="shipped")
    project = Project(tmp_path)
    project.environment["VLLM_CPU_KVCACHE_SPACE"] = "1"
    project.configure(
        judge={
            "calibration_samples": 2,
            "server": {"serve": "job", "command": SERVER, "startup_timeout_s": 600},
        },
        rl={"algorithms": ["grpo"], "lora": {"r": 4, "alpha": 8}, "vllm": {"max_model_length": 512}},
        evaluation={"samples": 2, "ks": [1, 2], "judge": False, "vllm": {"max_model_length": 512}},
        compute={"threads": 2},
    )
    done = project.run("results/small/report.html", timeout=3500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]

    run = project.results / "runs" / RUN
    assert read_json(run / "run.json")["status"] == "finished"
    with open(run / "training.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 4
    assert all(float(row[DIFFERENCE]) < 1e-4 and float(row["sampling/masked"]) == 0 for row in rows)
    log = (project.results / "logs" / "rl" / f"{RUN}.log").read_text()
    assert "judge server: ready after" in log
    assert "vllm" in (project.results / "logs" / "rl" / f"{RUN}.judge-server.log").read_text().lower()

    client = MlflowClient(f"sqlite:///{project.results}/mlflow.db")
    experiments = [each.experiment_id for each in client.search_experiments()]
    logged = [found.data.metrics for found in client.search_runs(experiments) if DIFFERENCE in found.data.metrics]
    assert len(logged) == 1

    page = (project.results / "report.html").read_text()
    assert "vLLM against the trainer</summary>" in page
