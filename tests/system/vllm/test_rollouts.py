"""RL whose rollouts a real vLLM samples, in the training process, on a CPU."""

import csv
from pathlib import Path

import pytest

from gavel.common.files import read_json
from gavel.jobs.launch import run_in_subprocess
from gavel.study.schema.training import Lora, Vllm
from gavel.training.rl.train import train
from helpers import vllm_runs
from helpers.small_run import small_job
from helpers.vllm_engine import STUDENT, needs_vllm

pytestmark = [needs_vllm, pytest.mark.timeout(1500)]

DIFFERENCE = "sampling/sampling_logp_difference/mean"
EXACT = 1e-4  # nats a token; both compute in float32, so what is left is rounding
THREADS = 2


@pytest.fixture
def job(tmp_path, rows, monkeypatch):
    """Arguments of a run of six steps with the shipped student; `changes` are of `small_job`."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))

    def made(vllm=(), settings=(), **changes):
        own = {"vllm": Vllm(max_model_length=512, **dict(vllm)).model_dump(), "num_generations": 4}
        task = {"prompt": "solve", "format": "program", "max_new_tokens": 48}
        options = {"start": STUDENT, "judge": {"model": STUDENT, "cache": "run"}, "task": task}
        return small_job(tmp_path, STUDENT, rows, settings=own | dict(settings), **options | changes)

    return made


def run(function, folder: Path, arguments: dict) -> None:
    run_in_subprocess(function, folder / "task.json", THREADS, **arguments)


def curve(folder: Path) -> list[dict[str, str]]:
    with open(folder / "out" / "training.csv", newline="") as handle:
        return list(csv.DictReader(handle))


def numbers(rows: list[dict[str, str]], column: str) -> list[float]:
    return [float(row[column]) for row in rows]


@pytest.mark.parametrize("lora", [None, Lora(r=4, alpha=8).model_dump()], ids=["all weights", "LoRA"])
def test_vllm_samples_from_the_policy_that_is_trained(job, tmp_path, lora, record_run):
    """After each step it gets the new weights: else the difference would grow, as the next test shows."""
    record_run(engine="vllm-colocate", algorithm="grpo", lora=lora is not None, model="shipped")
    run(train, tmp_path, job(settings={"lora": lora}))
    rows = curve(tmp_path)
    assert len(rows) == 6
    assert max(numbers(rows, DIFFERENCE)) < EXACT
    assert numbers(rows, "sampling/importance_sampling_ratio/mean") == pytest.approx([1] * 6, abs=0.01)
    assert sum(numbers(rows, "sampling/masked")) == 0
    assert max(numbers(rows, "grad_norm")) > 0
    assert read_json(tmp_path / "out" / "run.json")["status"] == "finished"


def test_a_policy_that_vllm_did_not_get_is_told(job, tmp_path, capfd):
    run(vllm_runs.train_without_sending_weights, tmp_path, job(settings={"learning_rate": 3e-3}))
    rows = curve(tmp_path)
    assert numbers(rows, DIFFERENCE)[0] < EXACT
    assert numbers(rows, DIFFERENCE)[-1] > 0.05
    assert numbers(rows, "sampling/importance_sampling_ratio/mean")[-1] < 0.5
    assert "more than rl.vllm.warn_logp_difference (0.05)" in capfd.readouterr().err


def test_a_killed_run_resumes(job, tmp_path, capfd, record_run):
    record_run(engine="vllm-colocate", algorithm="grpo", resume=True, model="shipped")
    with pytest.raises(RuntimeError, match="failed"):
        run(vllm_runs.train_until, tmp_path, job() | {"step": 4})
    run(train, tmp_path, job())
    assert "resuming from checkpoint-4" in capfd.readouterr().err
    rows = curve(tmp_path)
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert max(numbers(rows, DIFFERENCE)) < EXACT
