"""SmolLM2-135M-Instruct's GGUF file on a CSV file, with vLLM as the sampler of rollouts and as the judge's server."""

import pytest
import yaml

from gavel.common.files import read_json
from gavel.models.gguf import convert
from helpers import smollm2
from helpers.small import Project
from helpers.vllm_engine import SERVER, needs_vllm

pytestmark = [needs_vllm, pytest.mark.timeout(3600)]

RUN = "grpo-lambda0.5-seed0"


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    return smollm2.gguf_file(tmp_path_factory.mktemp("gguf"))


def finished(study: dict, folder, project: Project) -> str:
    """The report of the study, once it has run."""
    (folder / "small.yaml").write_text(yaml.safe_dump(study))
    project.environment["VLLM_CPU_KVCACHE_SPACE"] = "1"
    done = project.run("results/mine/report.html", timeout=3500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert read_json(folder / "results/mine/runs" / RUN / "run.json")["status"] == "finished"
    return (folder / "results/mine/report.html").read_text()


def test_rollouts_and_test_sets_are_sampled_in_the_same_process(gguf, tmp_path, record_run):
    record_run(engine="vllm-colocate", algorithm="grpo", lora=True, chat=True, model="SmolLM2-135M-Instruct")
    project, study = Project(tmp_path), smollm2.config(gguf, tmp_path)
    study["rl"]["vllm"] = {"max_model_length": 640}
    study["evaluation"]["vllm"] = {"max_model_length": 640}
    assert "vLLM against the trainer</summary>" in finished(study, tmp_path, project)


def test_a_judge_that_vllm_serves_gives_the_rewards(gguf, tmp_path, record_run):
    record_run(engine="vllm-server", algorithm="judge", chat=True, model="SmolLM2-135M-Instruct")
    project, study = Project(tmp_path), smollm2.config(gguf, tmp_path)
    convert(str(gguf), tmp_path / "judge", key="judge.model", dtype="float32")
    study["judge"]["model"] = str(tmp_path / "judge")
    study["judge"]["server"] = {"serve": "job", "command": SERVER, "startup_timeout_s": 600}
    page = finished(study, tmp_path, project)
    assert "vllm.entrypoints.openai.api_server" in page
    log = (tmp_path / "results/mine/logs/rl" / f"{RUN}.judge-server.log").read_text()
    assert "vllm" in log.lower()
