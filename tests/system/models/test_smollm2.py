"""A real language model without a hub: SmolLM2-135M-Instruct's GGUF file on a CSV file, from data to report."""

import pytest
import yaml

from gavel.common.files import read_json, read_jsonl
from helpers import smollm2
from helpers.small import Project

pytestmark = pytest.mark.timeout(3600)

RUN = "grpo-lambda0.5-seed0"


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    return smollm2.gguf_file(tmp_path_factory.mktemp("gguf"))


@pytest.mark.parametrize("baseline", ["sft", "base"])
def test_one_command_leads_from_a_gguf_file_and_a_csv_file_to_the_report(gguf, tmp_path, baseline, record_run):
    for algorithm in ("grpo", "sft") if baseline == "sft" else ("grpo",):
        record_run(algorithm=algorithm, lora=True, chat=True, model="SmolLM2-135M-Instruct")
    project = Project(tmp_path)
    study = smollm2.config(gguf, tmp_path) | ({"sft": None} if baseline == "base" else {})
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(study))
    done = project.run("results/mine/report.html", timeout=3500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]

    results = tmp_path / "results/mine"
    assert read_json(results / "runs" / RUN / "run.json")["status"] == "finished"
    assert (results / "runs/sft").exists() == (baseline == "sft")
    samples = list(read_jsonl(results / f"evaluation/{RUN}/own/samples.jsonl"))
    assert len({row["id"] for row in samples}) == 12
    shown = read_json(results / f"evaluation/{RUN}/prompt.json")["prompt"]
    assert shown.startswith("<|im_start|>system\nSolve the problem step by step. ")
    assert shown.count("<|im_end|>\n<|im_start|>user\n") == 1
    page = (results / "report.html").read_text()
    assert "&lt;|im_start|&gt;" in page and "SmolLM2-135M-Instruct" in page
