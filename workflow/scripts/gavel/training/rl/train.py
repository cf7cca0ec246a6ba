"""Reinforcement learning with the mixed reward: all algorithms share the order of questions, rollout and reward.

TRL's GRPOTrainer does the training. Ours are the order of questions (labelled and unlabelled ones in every step; at
lambda 1 labelled ones only), the rollout (`gavel.models.sampling`, through TRL's `rollout_func`) and the reward
(`gavel.training.rl.rewards`). The grid's runs differ in algorithm, lambda and seed, and in what follows from these: the
seed determines the order of questions.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from datasets import Dataset

from gavel.common.files import read_jsonl
from gavel.common.journal import Mirror
from gavel.common.paths import JUDGE_CACHE
from gavel.data.records import Record
from gavel.data.rollouts import RolloutStore
from gavel.data.validation_samples import ValidationStore
from gavel.jobs import process_group
from gavel.jobs.launch import RunFolders
from gavel.judge import controls, load
from gavel.judge.kinds import CONTROL_REWARDS
from gavel.judge.verdict import Comparer, Judge
from gavel.models.context import check_questions
from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.task import Task, show
from gavel.training import distributed, lora, trl_config
from gavel.training.callback import RunCallback, finish_run
from gavel.training.monitor import Monitor
from gavel.training.records import EarlyEnd, RunSummary
from gavel.training.rl import algorithms
from gavel.training.rl.algorithms import Algorithm, Passes
from gavel.training.rl.group_filter import FilteredRollout
from gavel.training.rl.grpo import PackedGRPOTrainer
from gavel.training.rl.grpo_config import trainer_config
from gavel.training.rl.ppo import PPOTrainer
from gavel.training.rl.reward_terms import RewardTerm
from gavel.training.rl.rewards import LambdaSchedule, MissingRewards, MixedReward, RewardRules, SkipMissingRewards
from gavel.training.rl.rollout import PoolQuestion, Rollout, pool_question, question_order
from gavel.training.rl.rollout_recorder import RolloutRecorder
from gavel.training.rl.settings import RLSettings, ValidationSettings
from gavel.training.rl.validation_actions import ROLLS_BACK, CollapseHandler
from gavel.training.rl.vllm_rollouts import CorrectionMonitor, engine_options
from gavel.training.rl.watchers import Watchers, load_watchers
from gavel.training.state import RunState

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # `rollout_func` is experimental; we pin TRL and test it


@dataclass(frozen=True)
class GridRun:
    """A run of the grid: all that distinguishes it from the study's other runs.

    Attributes:
        name: of the run.
        algorithm: a key of `gavel.training.rl.algorithms.ALGORITHMS`.
        lam: lambda, the weight of the verifiable reward on labelled questions; 0 for a control.
        control: a key of `gavel.judge.kinds.CONTROL_REWARDS`, which takes the judge's place in the reward, or None.
    """

    name: str
    algorithm: str
    lam: float
    seed: int
    control: str | None = None


@dataclass(frozen=True)
class SplitFiles:
    """JSONL files of records."""

    labeled: str
    unlabeled: str
    validation: str


@dataclass(frozen=True)
class Plan:
    """What to train, and how."""

    grid_run: GridRun
    task: Task
    settings: RLSettings

    @property
    def algorithm(self) -> Algorithm:
        return algorithms.get(self.grid_run.algorithm)

    @property
    def passes(self) -> Passes:
        """How often a rollout is trained on."""
        return self.algorithm.passes(self.settings.ppo.passes)

    @property
    def updates(self) -> int:
        """Optimiser steps on one rollout."""
        return math.prod(self.passes)


def train(
    *,
    grid_run: GridRun,
    run: RunFolders,
    data: SplitFiles,
    start: str,
    student: Student,
    task: Task,
    judge: dict[str, Any],
    settings: RLSettings,
    keep_rollouts: int = 0,
    answers: Sequence[str] = (),
    watch: dict[str, dict[str, Any]] | None = None,
    limits: Limits | None = None,
    mirror: Mirror | None = None,
) -> RunSummary:
    """Train one run of the grid from the baseline, or resume it from its last checkpoint.

    Called with the same arguments in every process that trains: each samples and scores its part of a rollout's
    questions, and the main one writes.

    Args:
        start: folder of the baseline: the SFT checkpoint, or the student as it is.
        student: how its checkpoints are loaded.
        judge: keyword arguments of `gavel.judge.load.load`.
        answers: for a control that needs them, files with the gold answers of training questions.
        watch: judges that watch: name -> keyword arguments of `gavel.judge.load.load`.
        keep_rollouts: keep every Nth rollout (`gavel.data.rollouts`) and the samples of some validation questions
            (`gavel.data.validation_samples`); 0 keeps neither.
        limits: of generation batches in validation, `gavel.models.limits.limits`.

    Returns:
        What `run.json` holds.

    Raises:
        InputError: the settings do not fit the data, the model or the processes.
    """
    plan = Plan(grid_run, task, settings)
    distributed.check(grid_run.algorithm, plan.algorithm.critic)
    rows = _questions(plan, data)
    _check_context(plan, data, start, student)
    policy = Policy.load(start, student, task, limits)
    loaded = _load_judge(judge, run)
    state = distributed.on_main(lambda: RunState(run.state, run.digest))
    schedule = _schedule(plan)
    reward = _reward(plan, schedule, _rewarding(plan, loaded, answers))
    watchers = load_watchers(watch or {}, str(Path(run.state) / JUDGE_CACHE))
    samples = ValidationStore(state.validation_samples) if keep_rollouts else None
    monitor = _monitor(plan, data, policy, loaded, watchers, start, student, samples)
    handler = CollapseHandler(state, schedule, _validation(plan))
    callback = _callback(plan, state, policy, monitor, handler, mirror)
    asked = task.prompts((row["question"] for row in rows), policy.tokenizer)
    store = RolloutStore(state.rollouts, keep_rollouts) if keep_rollouts else None
    example = show("rollout prompt", policy.tokenizer, *task.encode(asked[:1], policy.tokenizer))
    with engine_options(settings.vllm, dtype=policy.model.dtype, bf16=settings.bf16, seed=grid_run.seed):
        trainer = _trainer(plan, data, state, policy, rows, asked, reward, callback, store)
    trained, ended = _fit(plan, trainer, state, handler, start, student)
    if store is not None and samples is not None and distributed.is_main():
        store.merge(Path(run.output) / "rollouts")
        samples.merge(Path(run.output) / "rollouts")
    summary = _summary(plan, data, rows, ended) | {"example": example, "seconds": callback.seconds()}
    return cast(RunSummary, finish_run(state, trained, policy.tokenizer, Path(run.output), summary, mirror))


def _questions(plan: Plan, data: SplitFiles) -> list[PoolQuestion]:
    """The questions of every step, in order."""
    return question_order(
        [cast(Record, row) for row in read_jsonl(data.labeled)],
        [cast(Record, row) for row in read_jsonl(data.unlabeled)],
        lam=plan.grid_run.lam,
        steps=plan.settings.steps,
        per_step=plan.settings.prompts_per_step,
        labeled_fraction=plan.settings.labeled_fraction,
        seed=plan.grid_run.seed,
    )


def _check_context(plan: Plan, data: SplitFiles, start: str, student: Student) -> None:
    """Raises `InputError` if a question does not fit the model, or a training question does not fit vLLM."""
    longest = plan.settings.vllm.max_model_length if plan.settings.vllm else None
    for path, limit in ((data.labeled, longest), (data.unlabeled, longest), (data.validation, None)):
        rows = read_jsonl(path)
        check_questions(rows, source=path, model=start, student=student, task=plan.task, limit=limit)


def _load_judge(settings: dict[str, Any], run: RunFolders) -> Judge:
    """The judge, which scores every run's validation responses, even at lambda 1; every process must call this."""
    if settings.get("cache") == "run":
        settings = settings | {"cache": str(Path(run.state) / JUDGE_CACHE)}
    judge = load.load(**settings)
    distributed.barrier()  # until all have opened the judge's cache: after that, an old state may be moved away
    return judge


def _rewarding(plan: Plan, judge: Judge, answers: Sequence[str]) -> Judge:
    """What rewards the policy: the judge, unless the run is a control."""
    if plan.grid_run.control is None:
        return judge
    task, partial = plan.task, plan.settings.partial_credit
    return controls.load(
        plan.grid_run.control, format=task.format, answer_type=task.answer_type, partial=partial, answers=answers
    )


def _schedule(plan: Plan) -> LambdaSchedule:
    """Lambda over the run: constant unless the config has it rise or fall to the run's value."""
    schedule = plan.settings.lambda_schedule
    if schedule is None:
        return LambdaSchedule(plan.grid_run.lam)
    return LambdaSchedule(plan.grid_run.lam, schedule.start, schedule.steps or plan.settings.steps)


def _reward(plan: Plan, schedule: LambdaSchedule, judge: Judge) -> MixedReward:
    settings, per_token = plan.settings, plan.settings.length_penalty / plan.task.max_new_tokens
    rules = RewardRules(
        plan.task.format,
        settings.partial_credit,
        settings.center_judge,
        per_token,
        plan.task.answer_type,
        tuple(term.weight for term in settings.reward_terms),
    )
    terms = [RewardTerm.load(term) for term in settings.reward_terms]
    # DeepSpeed takes a step before a callback could prevent it.
    skipped = 0 if process_group.sharding() == "deepspeed" else settings.max_skipped_steps
    return MixedReward(
        schedule, judge, rules, MissingRewards(settings.max_missing_fraction, skipped), plan.updates, terms
    )


def _monitor(
    plan: Plan,
    data: SplitFiles,
    policy: Policy,
    judge: Judge,
    watchers: Watchers | None,
    start: str,
    student: Student,
    samples: ValidationStore | None,
) -> Monitor:
    """The monitor; it gets the policy at the start of training if it needs a reference or opponents."""
    settings, compares = plan.settings.validation, isinstance(judge, Comparer)
    initial = None
    if (settings.reference or compares) and distributed.is_main():  # the process that validates
        initial = student.load_model(start)
    monitor = Monitor(
        [cast(Record, row) for row in read_jsonl(data.validation)][: settings.questions],
        plan.task,
        judge=judge,
        watch=watchers,
        reference=initial if settings.reference else None,
        temperature=plan.settings.temperature,
        seed=plan.grid_run.seed,
        limits=policy.limits,
        store=samples,
    )
    if compares and initial is not None:
        monitor.set_opponents(initial, policy.tokenizer)
    return monitor


def _validation(plan: Plan) -> ValidationSettings:
    """The run's; a control has no lambda to raise."""
    settings = plan.settings.validation
    if plan.grid_run.control and settings.on_collapse == "raise_lambda":
        return replace(settings, on_collapse="flag")
    return settings


def _callback(
    plan: Plan, state: RunState, policy: Policy, monitor: Monitor, handler: CollapseHandler, mirror: Mirror | None
) -> RunCallback:
    return RunCallback(
        state,
        policy.tokenizer,
        monitor,
        steps=plan.settings.steps,
        validate_every=plan.settings.validation.every,
        save_every=plan.settings.save_every,
        updates_per_step=plan.updates,
        decide=handler,
        apply=handler.apply,
        mirror=mirror,
    )


def _sampler(plan: Plan, data: SplitFiles, reward: MixedReward, policy: Policy) -> Rollout | FilteredRollout:
    settings, grid_run, task = plan.settings, plan.grid_run, plan.task
    rollout = Rollout(grid_run.seed, plan.updates, settings.generation_batch_size, task.special_tokens)
    if settings.group_filter is None:
        return rollout
    pools = {}
    for labeled, path in ((True, data.labeled), (False, data.unlabeled)):
        rows = [pool_question(cast(Record, row), labeled, grid_run.lam) for row in read_jsonl(path)]
        prompts = task.prompts((row["question"] for row in rows), policy.tokenizer)
        pools[labeled] = [row | {"prompt": text} for row, text in zip(rows, prompts, strict=True)]
    return FilteredRollout(rollout, reward, settings.group_filter, pools, grid_run.seed)


def _trainer(
    plan: Plan,
    data: SplitFiles,
    state: RunState,
    policy: Policy,
    rows: Sequence[PoolQuestion],
    asked: Sequence[str],
    reward: MixedReward,
    callback: RunCallback,
    store: RolloutStore | None,
) -> PackedGRPOTrainer:
    """The trainer; `asked` has the prompt of each row."""
    settings, seed, special_tokens = plan.settings, plan.grid_run.seed, plan.task.special_tokens
    longest = plan.task.max_new_tokens
    folder = str(state.checkpoints)
    config = trainer_config(
        plan.algorithm,
        settings,
        plan.passes,
        longest,
        seed,
        folder,
        settings.vllm,
        entropy_coef=settings.entropy_coefficient,
        mask_truncated_completions=settings.mask_truncated,
    )
    if settings.vllm and plan.task.chat:  # vLLM reads the end token from the checkpoint, which may have another one
        config.generation_kwargs = {"stop_token_ids": [policy.tokenizer.eos_token_id]}
    sampler = _sampler(plan, data, reward, policy)
    critic = plan.algorithm.critic
    own: dict[str, Any] = {"critic": settings.ppo} if critic else {"leave_one_out": plan.algorithm.leave_one_out}
    return (PPOTrainer if critic else PackedGRPOTrainer)(
        model=policy.model,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list([row | {"prompt": text} for row, text in zip(rows, asked, strict=True)]),
        processing_class=policy.tokenizer,
        callbacks=[callback, SkipMissingRewards(reward.missing)],
        rollout_func=None if config.use_vllm else sampler,
        group_filter=sampler if isinstance(sampler, FilteredRollout) else None,
        peft_config=lora.adapters(settings.lora, "rl.lora"),
        kl_in_reward=settings.kl_placement == "reward",
        special_tokens=special_tokens,
        correction=CorrectionMonitor.of(settings.vllm),
        recorder=RolloutRecorder(store, reward, plan.updates, settings.num_generations) if store else None,
        **own,
    )


def _fit(
    plan: Plan, trainer: PackedGRPOTrainer, state: RunState, handler: CollapseHandler, start: str, student: Student
) -> tuple[torch.nn.Module, EarlyEnd | None]:
    """Train, or resume; returns the run's result, and where and why it ended before its last step, if it did."""
    last = distributed.on_main(state.latest_checkpoint)
    ended = handler.resume(int(last.name.split("-")[1]) // plan.updates) if last else None
    trained = trainer.model
    if last and ended is not None:  # only the results were left to move
        adapters = plan.settings.lora is not None
        trained = student.load_model(start if adapters else str(last))
        trained = lora.load(trained, last) if adapters else trained
    else:
        trl_config.resume(trainer, state)
        ended = handler.resume(trainer.state.global_step // plan.updates)
    if ended and ended["action"] in ROLLS_BACK:
        trained = student.load_model(str(state.best))
    return trained, ended


def _summary(plan: Plan, data: SplitFiles, rows: Sequence[PoolQuestion], ended: EarlyEnd | None) -> dict[str, Any]:
    """What `run.json` holds, without the run's duration."""
    grid_run, settings = plan.grid_run, plan.settings
    steps = ended["step"] if ended else settings.steps
    rows = rows[: steps * settings.prompts_per_step]
    used = {row["question"] for row in rows if row["labeled"]}
    unlabeled = {row["question"] for row in rows} - used
    if settings.group_filter:  # any other question of the pools may have been drawn
        used, unlabeled = (
            asked and {row["question"] for row in read_jsonl(path)}
            for asked, path in ((used, data.labeled), (unlabeled, data.unlabeled))
        )
    epochs, minibatches = plan.passes
    control = grid_run.control
    if control and CONTROL_REWARDS[control].answers:
        labels, unlabeled = len(used) + len(unlabeled), set()
    else:
        labels = len(used) if grid_run.lam > 0 else 0
    return {
        "run": grid_run.name,
        "algorithm": grid_run.algorithm,
        "lambda": None if control else grid_run.lam,
        "seed": grid_run.seed,
        "steps": steps,
        "ended": ended,
        "labels": labels,
        "unlabeled": len(unlabeled),
        "completions": len(rows) * settings.num_generations,
        "settings": asdict(settings),
        "algorithm_notes": plan.algorithm.describe() | {"epochs": epochs, "minibatches": minibatches},
    } | ({"control": control} if control else {})
