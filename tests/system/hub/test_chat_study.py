"""A student with a chat template and a system prompt, from its folder to the report: with SFT, and as it is."""

import json

import pandas as pd
import pytest

from gavel.common.files import read_json, read_jsonl
from gavel.common.paths import ROOT
from helpers.chat_student import BOS, END, START, chat_student
from helpers.small import Project

RUN = "grpo-lambda0.5-seed0"
SYSTEM = f"{BOS}{START}system\nWrite Python.{END}\n{START}user\n"


@pytest.fixture
def project(tmp_path):
    """A small study of the shipped student with a chat template."""
    (tmp_path / "study").mkdir()
    made = Project(tmp_path / "study")
    model = chat_student(str(ROOT / "resources/models/student"), tmp_path / "student")

    def configure(**sections) -> Project:
        made.configure(
            student={"model": model},
            solution={"chat": True, "system": "Write Python.", "max_new_tokens": 24},
            rl={"algorithms": ["grpo"], "steps": 2, "validation": {"every": 2, "questions": 4}},
            evaluation={"samples": 2, "ks": [1, 2]},
            **sections,
        )
        return made

    return configure


def finished(project: Project) -> str:
    """The report of the study, once it has run."""
    done = project.run()
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert project.planned() == set()
    return (project.results / "report.html").read_text()


def check_prompts(project: Project, baseline: str, page: str) -> None:
    """Every kind of prompt is the same conversation, in the files, the logs and the report."""
    shown = [read_json(project.results / f"runs/{RUN}/run.json")["example"]["prompt"]]
    shown += [read_json(project.results / f"evaluation/{baseline}/prompt.json")["prompt"]]
    for text in shown:
        assert text.startswith(SYSTEM) and text.endswith(f"{START}assistant\n")
    logs = project.results / "logs"
    for log, kind in ((f"rl/{RUN}", "rollout"), (f"generate/{baseline}", "evaluation"), ("judge", "judging")):
        assert f"first {kind} prompt" in (logs / f"{log}.log").read_text()
    for title in ("Rollout prompt", "Evaluation prompt", "Judging prompt"):
        assert title in page


def test_a_chat_student_is_trained_and_evaluated(project, record_run):
    for algorithm in ("grpo", "sft"):
        record_run(algorithm=algorithm, chat=True, model="shipped")
    study = project(sft={"epochs": 1})
    page = finished(study)
    check_prompts(study, "sft", page)
    example = read_json(study.results / "runs/sft/run.json")["example"]
    assert example["prompt"].startswith(SYSTEM) and example["completion"].endswith(END)
    assert "SFT example" in page
    settings = json.loads((study.results / f"runs/{RUN}/final/tokenizer_config.json").read_text())
    assert settings["eos_token"] == END


def test_without_sft_rl_starts_from_the_student_as_it_is(project):
    study = project(sft=None)
    page = finished(study)
    check_prompts(study, "base", page)
    assert {path.name for path in (study.results / "runs").iterdir()} == {"base", RUN}
    assert {path.name for path in (study.results / "runs/base").iterdir()} == {"run.json", "monitor.csv"}
    assert list(pd.read_csv(study.results / "runs/base/monitor.csv").step) == [0]
    metrics = pd.read_csv(study.results / "metrics.csv")
    assert set(metrics.set) == {"main", "plus", "svamp"}
    assert set(zip(metrics.run, metrics.checkpoint, strict=True)) == {("base", "last"), (RUN, "last"), (RUN, "best")}
    assert set(metrics[metrics.run == "base"].metric) >= {"greedy", "maj", "pass"}
    compared = pd.read_csv(study.results / "comparisons.csv")
    assert set(compared[compared.metric == "greedy"].baseline) == {"base"}
    assert compared.primary.sum() == 1
    assert not list(read_jsonl(study.results / "evaluation/base/main/alternate.jsonl"))
    assert read_json(study.results / "judge/calibration.json")["n"] > 0
