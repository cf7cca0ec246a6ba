"""Students of every architecture that the shipped configs name, from a hub through SFT, RL and evaluation.

They are tiny and know nothing; what is tested is that every step takes them.
"""

import json

import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM

from gavel.models import loading
from gavel.training.scratch import student as scratch
from helpers import hub_server
from helpers.architectures import build
from helpers.small import Project

# OPT as Galactica uses it: GELU in place of ReLU, and a tokenizer that names neither padding nor end.
CHANGES = {"opt": {"activation_function": "gelu"}, "qwen2": {}, "llama": {}, "gemma2": {}}
TOKENS = {"eos_token": "</s>"}
CELLS = ("grpo-lambda0.5-seed0", "ppo-lambda0.5-seed0")


def publish(root, kind: str, rows) -> str:
    """Put a student of random weights on the hub; returns its name there."""
    texts = scratch.pretraining_texts(rows, corrupted_fraction=0.0, no_question_fraction=0.0, seed=0)
    tokenizer = scratch.build_tokenizer(texts)
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 1024}
    tokens = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    model = build(kind, scale=1, **sizes, **tokens, **CHANGES[kind])
    if kind == "opt":
        tokenizer.pad_token = tokenizer.eos_token = None
    loading.save(model, tokenizer, root / f"models/gavel/tiny-{kind}")
    return f"gavel/tiny-{kind}"


@pytest.fixture
def study(rows, tmp_path):
    """Call it with an architecture for a small study whose student is on the hub."""
    root = tmp_path / "hub"
    with hub_server.serving(root) as (address, _):

        def make(kind: str, **student) -> Project:
            folder = tmp_path / "study"
            folder.mkdir()
            project = Project(folder)
            project.environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0"}
            project.configure(
                student={"model": publish(root, kind, rows)} | student,
                sft={"epochs": 1},
                rl={"steps": 2, "validation": {"every": 2, "questions": 4}},
                evaluation={"samples": 2, "ks": [1, 2]},
                solution={"max_new_tokens": 24},
            )
            return project

        yield make


@pytest.mark.parametrize("kind", list(CHANGES))
def test_a_study_of_this_architecture_ends(study, kind, record_run):
    for algorithm in ("sft", "grpo", "ppo", "evaluation"):
        record_run(algorithm=algorithm, model=f"tiny {kind}")
    project = study(kind, **(TOKENS if kind == "opt" else {}))
    done = project.run()
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    runs = project.results / "runs"
    start = AutoModelForCausalLM.from_pretrained(runs / "sft/best")
    assert start.config.model_type == kind
    for run in CELLS:
        end = AutoModelForCausalLM.from_pretrained(runs / run / "final")
        assert end.config.model_type == kind
        moved = [not torch.equal(a, b) for a, b in zip(start.parameters(), end.parameters(), strict=True)]
        assert any(moved)
        assert json.loads((runs / run / "run.json").read_text())["status"] == "finished"
    metrics = pd.read_csv(project.results / "metrics.csv")
    assert set(metrics.run) == {"sft", *CELLS}
    assert hub_server.COMMIT in (project.results / "report.html").read_text()


def test_a_tokenizer_without_end_token_ends_the_run_before_training(study):
    project = study("opt")
    done = project.run()
    assert done.returncode != 0
    assert "has no eos_token; set student.eos_token in the config" in done.stdout + done.stderr
    assert not (project.results / "runs").exists()
