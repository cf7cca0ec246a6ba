"""Steps of SFT, GRPO and PPO in bfloat16, by the trainers that a study's jobs use."""

import math
import statistics

import pytest
from datasets import Dataset

from gavel.common.dataclass_config import from_section
from gavel.data.rollouts import RolloutStore
from gavel.judge import load
from gavel.models.policy import Policy
from gavel.models.task import Task
from gavel.study import params
from gavel.study.schema.training import Lora, Ppo, Rl, Sft
from gavel.training import sft
from gavel.training.rl import train
from gavel.training.rl.rollout import question_order
from gavel.training.rl.settings import RLSettings
from gavel.training.sft import SFTSettings
from gavel.training.state import RunState
from helpers import gpu

TASK = Task("solve", "program", gpu.SIZES.new_tokens)
ADAPTERS = Lora(r=16, alpha=32).model_dump()


@pytest.fixture
def policy(request, tmp_path):
    """A policy of a shape, with its name."""
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    return Policy(gpu.build(request.param), gpu.tokenizer(request.param, folder))


def sample_of(model):
    """A few numbers of every trained weight."""
    return {n: p.detach().flatten()[:64].float().cpu().clone() for n, p in model.named_parameters() if p.requires_grad}


def trained(trainer, steps, note, name, updates=1):
    """Train, check that weights moved and numbers are finite, and note the figures.

    Args:
        updates: optimiser steps in a step.

    Returns:
        Seconds of a step, and the logs of all.
    """
    before = sample_of(trainer.model)
    with gpu.PeakMemory() as peak:
        trainer.train()
    after = sample_of(trainer.model)
    moved = [weight for weight, values in before.items() if not values.equal(after[weight])]
    assert len(moved) > len(before) / 2
    assert all(values.isfinite().all() for values in after.values())
    assert {p.device.type for p in trainer.model.parameters()} == {"cuda" if gpu.ON_GPU else "cpu"}
    logs = [row for row in trainer.state.log_history if "loss" in row]
    assert logs and all(math.isfinite(row["loss"]) and math.isfinite(row["grad_norm"]) for row in logs)
    whole = [sum(steps.steps[first : first + updates]) for first in range(0, len(steps.steps), updates)]
    spent = statistics.median(whole[1:])
    note(name, "a step", spent, "s")
    note(name, "peak memory", peak.gib, "GiB")
    return spent, logs


@pytest.mark.parametrize("policy", gpu.SHAPES, indirect=True)
def test_sft_takes_steps(policy, rows, tmp_path, note, record_run, request):
    shape = request.node.callspec.params["policy"]
    gpu.need(gpu.parameters(shape) * gpu.ADAM / 2**30 + 8)
    sizes, steps = gpu.SIZES, gpu.Steps()
    batches = {"batch_size": sizes.sft_batch, "micro_batch_size": sizes.micro}
    section = Sft(**batches, learning_rate=1e-4, warmup=0, bf16=True)
    settings = from_section(SFTSettings, section.model_dump(exclude={"seed"}), "sft")
    examples = sft.examples([(row, row["program"]) for row in rows], TASK, policy.tokenizer)
    dataset = Dataset.from_list([example.row for example in examples])
    state = RunState(tmp_path / "state", "d")
    trainer = sft._trainer(policy, dataset, settings, sizes.sft_steps, 0, state, steps)
    spent, logs = trained(trainer, steps, note, f"SFT, {shape}")
    assert min(row["loss"] for row in logs[1:]) < logs[0]["loss"]
    tokens = logs[-1]["num_tokens"] / sizes.sft_steps
    note(f"SFT, {shape}", "parameters", policy.model.num_parameters() / 1e6, "million")
    note(f"SFT, {shape}", "tokens", tokens / spent, "a second")
    record_run(algorithm="sft", model=model_of(shape))


def model_of(shape: str) -> str:
    return f"{shape}'s shape" if gpu.ON_GPU else f"{shape}'s architecture, small"


KINDS = [("grpo", None), ("ppo", None), ("grpo", ADAPTERS)]


@pytest.mark.parametrize(("algorithm", "lora"), KINDS, ids=["grpo", "ppo", "grpo-lora"])
@pytest.mark.parametrize("policy", gpu.SHAPES, indirect=True)
def test_rl_takes_steps(policy, algorithm, lora, rows, tmp_path, note, record_run, request):
    shape = request.node.callspec.params["policy"]
    each = gpu.ADAPTED if lora else gpu.ADAM * (2 if algorithm == "ppo" else 1)
    gpu.need(gpu.parameters(shape) * each / 2**30 + 8)
    sizes, steps = gpu.SIZES, gpu.Steps()
    section = Rl(
        steps=sizes.rl_steps,
        prompts_per_step=sizes.prompts,
        num_generations=sizes.generations,
        micro_batch_size=sizes.micro,
        generation_batch_size=256,
        learning_rate=1e-4,
        warmup=0,
        bf16=True,
        lora=lora,
        ppo=Ppo(critic_warmup=0, minibatches=1),
    )
    settings = from_section(RLSettings, params.rl({"rl": section.model_dump(by_alias=True)}), "rl")
    plan = train.Plan(train.GridRun("x", algorithm, 0.5, 0), TASK, settings)
    questions = question_order(
        rows[:20],
        [row | {"gold": None} for row in rows[20:]],
        lam=0.5,
        steps=sizes.rl_steps,
        per_step=sizes.prompts,
        labeled_fraction=0.5,
        seed=0,
    )
    asked = TASK.prompts((row["question"] for row in questions), policy.tokenizer)
    judge = load.load(model=gpu.JUDGE, batch_tokens=16384)
    reward = train._reward(plan, train._schedule(plan), judge)
    store = RolloutStore(tmp_path / "rollouts")
    trainer = train._trainer(plan, RunState(tmp_path / "state", "d"), policy, questions, asked, reward, steps, store)
    assert trainer.packs
    trainer.rollout_func = steps.timed(trainer.rollout_func)
    name = f"{algorithm.upper()}{' with LoRA' if lora else ''}, {shape}"
    _, logs = trained(trainer, steps, note, name, plan.updates)
    assert len(list(store.folder.glob("*.parquet"))) == sizes.rl_steps
    assert all(row["missing"] == 0 for row in logs)
    # PPO takes two optimiser steps on a rollout; only the first of them has one to sample.
    sampling = statistics.median([part for part in steps.parts if part][1:])
    note(name, "a rollout", sampling, "s")
    tokens = sizes.prompts * sizes.generations * statistics.fmean(row["completions/mean_length"] for row in logs)
    note(name, "sampled tokens", tokens / sampling, "a second")
    record_run(algorithm=algorithm, lora=bool(lora), model=model_of(shape))
