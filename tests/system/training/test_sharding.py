"""FSDP and DeepSpeed's ZeRO 2 on two CPU processes train what one process does, and go on after a kill.

Every job is killed half-way, after a checkpoint, and resumed. What remains between it and an undisturbed job in one
process is rounding. We measured differences of at most 3e-6 of a logged value (4e-5 of a KL divergence near 0), and of
at most 2e-5 of the distance that the weights have moved. The tests allow 1e-3 of either.
"""

import csv
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from gavel.common.files import read_json, write_jsonl
from gavel.common.paths import ROOT
from gavel.jobs.launch import restore_dataclasses, train
from gavel.models import loading
from gavel.study.schema.training import Lora, Sft
from gavel.training import lora
from helpers.killed_job import train_and_kill
from helpers.small import Project
from helpers.small_run import small_job

STUDENT, JUDGE = (str(ROOT / "resources" / "models" / name) for name in ("student", "judge"))
ENGINES = [
    "fsdp",
    pytest.param(
        "deepspeed", marks=pytest.mark.skipif(not find_spec("deepspeed"), reason="deepspeed is not installed")
    ),
]
LORA = {"lora": Lora(r=4, alpha=8).model_dump()}
# Two micro-batches per process and optimiser step; gradients are clipped.
SFT = Sft(epochs=4, validate_every=1, batch_size=8, micro_batch_size=2, warmup=1, max_grad_norm=0.5, learning_rate=1e-4)
RL = {"steps": 4, "prompts_per_step": 4, "num_generations": 4, "micro_batch_size": 4} | {
    "learning_rate": 1e-4,
    "max_grad_norm": 0.05,
}
EXACT = ("step", "learning_rate", "completions/mean_length", "missing", "greedy", "accuracy", "length", "judge_tokens")
# Clocks; counts since the job's start or of one process; means over micro-batches, each of one process or of two.
CLOCKS = ("step_time", "judge_seconds", "wall_time")
NOT_COMPARABLE = (*CLOCKS, "num_tokens", "judge_cached", "epoch", "entropy", "kl", "mean_token_accuracy")


def sft_job(folder: Path, rows: list[dict], settings: dict) -> dict:
    """Keyword arguments for fine-tuning the shipped student, plain values: eight steps."""
    keys = ("question", "gold", "program")
    records = [{"id": str(i)} | {key: row[key] for key in keys} for i, row in enumerate(rows)]
    files = {"labeled": records[:16], "validation": records[40:48]}
    for name, part in files.items():
        write_jsonl(folder / f"{name}.jsonl", part)
    return {
        "student": {"model": STUDENT},
        "task": {"prompt": "solve", "format": "program", "max_new_tokens": 48},
        **{name: str(folder / f"{name}.jsonl") for name in files},
        "run": {"output": str(folder / "out"), "state": str(folder / "state"), "digest": "d"},
        "settings": SFT.model_dump(exclude={"seed"}) | settings,
        "seed": 0,
    }


def rl_job(folder: Path, rows: list[dict], settings: dict) -> dict:
    """The same for GRPO: four steps."""
    task = {"prompt": "solve", "format": "program", "max_new_tokens": 48}
    judge = {"model": JUDGE, "cache": "run"}
    return small_job(folder, STUDENT, rows, settings=RL | settings, task=task, judge=judge)


JOBS = {
    "sft": ("gavel.training.sft", 4, lambda folder, rows: sft_job(folder, rows, {})),
    "sft with LoRA": ("gavel.training.sft", 4, lambda folder, rows: sft_job(folder, rows, LORA)),
    "grpo": ("gavel.training.rl.train", 2, lambda folder, rows: rl_job(folder, rows, {"kl_coefficient": 0.1})),
    "grpo with LoRA": ("gavel.training.rl.train", 2, lambda folder, rows: rl_job(folder, rows, LORA)),
}
"""Module, the step after whose checkpoint the job is killed, and the job."""


@pytest.fixture(scope="module")
def alone(rows, tmp_path_factory):
    """Folder of an uninterrupted run in one process, by job."""
    made: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("alone")
            module, _, job = JOBS[name]
            arguments = restore_dataclasses(train, job(made[name], rows))
            train(module, {"processes": 1, "distributed": "ddp"}, 1, **arguments)
        return made[name]

    return folder_of


def curve(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "out" / f"{name}.csv").open()))


def weights(folder: str | Path) -> dict:
    return loading.load_model(str(folder)).state_dict()


def assert_sharded(checkpoint: Path, engine: str) -> None:
    """The engine has written the checkpoint: FSDP gathers its shards, DeepSpeed leaves the optimiser's in two files."""
    step = checkpoint.name.replace("checkpoint-", "global_step")
    files = {
        "fsdp": ["pytorch_model_fsdp.bin", "optimizer.bin"],
        "deepspeed": [f"{step}/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in (0, 1)],
    }
    assert all((checkpoint / name).exists() for name in files[engine])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_job_goes_on_to_what_one_process_trains(alone, rows, tmp_path, engine, name, record_run):
    algorithm = name.partition(" ")[0]
    record_run(algorithm=algorithm, distributed=engine, lora="LoRA" in name, resume=True, model="shipped")
    module, step, make = JOBS[name]
    job = make(tmp_path, rows)
    train_and_kill(module, engine, job, step)
    (checkpoint,) = (tmp_path / "state" / "checkpoints").glob(f"checkpoint-{step}")
    assert_sharded(checkpoint, engine)
    assert not (tmp_path / "out" / "run.json").exists()
    train(module, {"processes": 2, "distributed": engine}, 2, **restore_dataclasses(train, job))
    one = alone(name)
    assert_alike(curve(one, "training"), curve(tmp_path, "training"), dropped=NOT_COMPARABLE)
    assert_alike(curve(one, "monitor"), curve(tmp_path, "monitor"))
    start, first, second = (weights(path) for path in (STUDENT, one / "out" / "final", tmp_path / "out" / "final"))
    assert distance(first, second) < 1e-3 * distance(start, first)
    (last,) = (tmp_path / "state" / "checkpoints").glob("checkpoint-*")
    if "LoRA" in name:
        saved = lora.merged_state(lora.load(loading.load_model(STUDENT), last))
    else:
        saved = weights(last)
    assert distance(saved, second) < 1e-6 * distance(start, {each: 0 * start[each] for each in start})


def assert_alike(first: list[dict], second: list[dict], dropped: tuple[str, ...] = ()) -> None:
    """Two CSV tables have the same steps and columns, and values that differ by rounding at most."""
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - set(dropped):
            if a[name] == b[name]:
                continue
            assert name not in EXACT, f"{name} of step {a['step']}"
            assert float(a[name]) == pytest.approx(float(b[name]), rel=1e-3, abs=1e-6), f"{name} of step {a['step']}"


def distance(first: dict, second: dict) -> float:
    """Norm of the difference of two sets of weights."""
    assert first.keys() == second.keys()
    return sum((first[name] - second[name]).square().sum().item() for name in first) ** 0.5


@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_study_without_gpus_asks_for_it_with_three_keys(tmp_path, engine):
    project = Project(tmp_path)
    few = {"algorithms": ["grpo"], "steps": 2, "validation": {"every": 2, "questions": 4}}
    compute = {"processes": 2, "threads": 2, "distributed": engine}
    project.configure(sft={"epochs": 1, "validate_every": 1}, rl=few, compute=compute)
    run = f"{project.results}/runs/grpo-lambda0.5-seed0"
    done = project.run(os.path.relpath(f"{run}/final", tmp_path), timeout=580)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_json(f"{run}/run.json")["status"] == "finished"
