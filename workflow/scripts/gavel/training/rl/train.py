"""Reinforcement learning with the mixed reward: every algorithm over the same questions, rollout and reward.

TRL's GRPOTrainer does the training. Ours are the order of questions (a labelled and an unlabelled share in every step),
the rollout (`gavel.models.sampling`, through TRL's `rollout_func`) and the reward (`gavel.training.rl.rewards`). A grid
cell differs from another in its algorithm, its lambda and its seed and in nothing else.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from datasets import Dataset

from gavel.common.files import read_jsonl
from gavel.common.paths import JUDGE_CACHE
from gavel.judge import kinds, load
from gavel.models.context import check_questions
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.task import Task
from gavel.training import distributed, lora, trl
from gavel.training.callback import Keeper, finish_run
from gavel.training.monitor import Monitor
from gavel.training.rl import algorithms
from gavel.training.rl.grpo import GroupTrainer
from gavel.training.rl.grpo_config import trainer_config
from gavel.training.rl.ppo import PPOTrainer
from gavel.training.rl.reactions import ROLLS_BACK, Reaction
from gavel.training.rl.rewards import MixedReward, MixingWeight, SkipUnpaid
from gavel.training.rl.rollout import Rollout, question_order
from gavel.training.state import Mirror, RunState

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # `rollout_func` is a seam that we pin and test


def train(
    *,
    name: str,
    algorithm: str,
    lam: float,
    seed: int,
    student: Student,
    task: Task,
    start: str,
    labeled: str,
    unlabeled: str,
    validation: str,
    judge_settings: dict,
    output: str,
    state: str,
    digest: str,
    settings: dict,
    limits: Mapping[str, int | None] | None = None,
    mirror: Mirror | None = None,
) -> dict:
    """Train one grid cell from the SFT checkpoint, or go on from its last checkpoint.

    Called with the same arguments in every process that trains: each samples and scores its share of a rollout's
    questions, the main one writes.

    Args:
        name: the run's name, for messages.
        algorithm: a key of `gavel.training.rl.algorithms.ALGORITHMS`.
        lam: weight of the verifiable reward on labelled questions.
        student: how its checkpoints are loaded.
        start: folder of the SFT checkpoint.
        labeled, unlabeled, validation: JSONL files of records.
        judge_settings: keyword arguments of `gavel.judge.load.load`.
        output: run folder; gets `best/`, `final/`, `monitor.csv`, `training.csv` and `run.json`.
        state: folder for checkpoints and journals; `digest` decides whether it may be resumed.
        settings: the `rl` section of the config, without the grid.
        limits: of what is decoded at a time when validation problems are looked at, `gavel.models.limits.limits`.

    Returns:
        What `run.json` holds.
    """
    kind = algorithms.get(algorithm)
    distributed.check(algorithm, kind.critic)
    rows = question_order(
        list(read_jsonl(labeled)),
        list(read_jsonl(unlabeled)),
        lam=lam,
        steps=settings["steps"],
        per_step=settings["prompts_per_step"],
        labeled_share=settings["labeled_share"],
        seed=seed,
    )
    asked = task.prompts(row["question"] for row in rows)
    data = Dataset.from_list([row | {"prompt": prompt} for row, prompt in zip(rows, asked, strict=True)])
    checked = list(read_jsonl(validation))
    longest = (settings["vllm"] or {}).get("max_model_length")
    for path in (labeled, unlabeled, validation):
        about = {"source": path, "model": start, "limit": None if path == validation else longest}
        check_questions(read_jsonl(path), student=student, task=task, **about)
    policy = Policy.load(start, student)
    tokenizer = policy.tokenizer
    # The judge watches every run, but it pays none at lambda 1.
    if judge_settings.get("cache") == "run":
        judge_settings = judge_settings | {"cache": str(Path(state) / JUDGE_CACHE)}
    watcher = load.load(**judge_settings)
    distributed.wait()  # until all have opened the judge's cache there; an old state may be moved from under them
    run = distributed.on_main(lambda: RunState(state, digest))
    ppo, monitor = settings["ppo"], settings["monitor"]
    epochs, minibatches = kind.passes(ppo)
    updates = epochs * minibatches
    weight = MixingWeight(lam, settings["lambda_start"], settings["lambda_steps"] or settings["steps"])
    reward = MixedReward(
        weight=weight,
        judge=watcher if lam < 1 else None,
        solution_format=task.format,
        partial=settings["partial_credit"],
        max_missing=settings["max_missing_rewards"],
        # DeepSpeed takes a step before a callback could hinder it.
        max_skipped=0 if distributed.sharding() == "deepspeed" else settings["max_skipped_steps"],
        center_judge=settings["center_judge"],
        length_penalty=settings["length_penalty"],
        max_new_tokens=task.max_new_tokens,
        updates=updates,
    )
    compares = kinds.KINDS[judge_settings.get("kind", "single-token")].relative
    begun = None  # the policy as it is at the start, for the process that looks
    if (monitor["reference"] or compares) and distributed.is_main():
        begun = student.load_model(start)
    watch = Monitor(
        checked[: monitor["questions"]],
        task,
        judge=watcher,
        reference=begun if monitor["reference"] else None,
        temperature=settings["temperature"],
        seed=seed,
        limits=limits,
    )
    if compares and begun is not None:
        watch.against(begun, tokenizer)
    del begun
    rules = ("action", "collapse_drop", "collapse_patience", "early_stop")
    reaction = Reaction(run, weight, **{name: monitor[name] for name in rules})
    keeper = Keeper(
        run,
        tokenizer,
        watch,
        steps=settings["steps"],
        check_every=monitor["every"],
        save_every=settings["save_every"],
        updates_per_step=updates,
        react=reaction,
        heed=reaction.heed,
        mirror=mirror,
    )
    config = trainer_config(kind, settings, epochs, minibatches, task.max_new_tokens, seed, str(run.checkpoints))
    extra = {"critic": ppo} if kind.critic else {"leave_one_out": kind.leave_one_out}
    extra["kl_in_reward"] = settings["kl_in"] == "reward"
    adapters = lora.adapters(settings["lora"], "rl.lora")
    trainer = (PPOTrainer if kind.critic else GroupTrainer)(
        model=policy.model,
        reward_funcs=reward,
        args=config,
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=[keeper, SkipUnpaid(reward)],
        rollout_func=None if config.use_vllm else Rollout(seed, updates, settings["micro_rollout"]),
        peft_config=adapters,
        **extra,
    )
    last = distributed.on_main(run.latest)
    ended = reaction.resume(int(last.name.split("-")[1]) // updates) if last else None
    trained = trainer.model
    if ended is not None:  # all but moving the results was done
        trained = student.load_model(start if adapters else str(last))
        trained = lora.load(trained, last) if adapters else trained
    else:
        trl.resume(trainer, run)
        ended = reaction.resume(trainer.state.global_step // updates)
    if ended and ended["action"] in ROLLS_BACK:
        trained = student.load_model(str(run.best))
    steps = ended["step"] if ended else settings["steps"]
    rows = rows[: steps * settings["prompts_per_step"]]
    used = {row["question"] for row in rows if row["labeled"]}
    summary = {
        "run": name,
        "algorithm": algorithm,
        "lambda": lam,
        "seed": seed,
        "steps": steps,
        "ended": ended,
        "labels": len(used) if lam > 0 else 0,
        "unlabeled": len({row["question"] for row in rows} - used),
        "completions": len(rows) * settings["num_generations"],
        "settings": settings,
        "algorithm_notes": kind.describe() | {"epochs": epochs, "minibatches": minibatches},
        "seconds": keeper.seconds(),
    }
    return finish_run(run, trained, tokenizer, Path(output), summary, mirror)
