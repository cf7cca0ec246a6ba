"""The config's section `rl` as an RL run gets it: without the grid, which distinguishes the runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from gavel.common.dataclass_config import from_section
from gavel.training.rl.algorithms import Passes
from gavel.training.rl.reward_terms import RewardTermSettings
from gavel.training.settings import LoraSettings


@dataclass(frozen=True, slots=True)
class LambdaScheduleSettings:
    """The config's `rl.lambda_schedule`.

    Attributes:
        start: lambda at the first rollout.
        steps: the rollout, counted from 1, at which lambda reaches the run's own value; None for the last one.
    """

    start: float
    steps: int | None


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """The config's `rl.vllm`.

    Attributes:
        serve: who starts the server, in mode `server`.
        base_url: the server's address; None in mode `colocate`.
        command: starts the job's server; one line, or words.
        gpus: visible to the job's server; None for all.
        startup_timeout_s: seconds for the job's server to start.
        timeout_s: seconds to wait for an external server.
        gpu_memory_utilization: fraction of a GPU's memory for vLLM, in mode `colocate`.
        tensor_parallel_size: GPUs per copy of the model, in mode `colocate`.
        max_model_length: maximum length of prompt plus completion, in tokens; None for the model's own.
        sleep: release vLLM's memory while the policy is updated.
        dtype: of the engine's weights, in mode `colocate`; None for that in which training computes.
        importance_sampling_mode: TRL's `vllm_importance_sampling_mode`; None for no correction.
        importance_sampling_clip_max, importance_sampling_clip_min: limits of the ratio; None for none.
        warn_logp_difference: mean difference of a rollout's log-probabilities, in nats per token, above which the
            run warns.
    """

    serve: Literal["external", "job"]
    base_url: str | None
    command: str | tuple[str, ...]
    gpus: tuple[int, ...] | None
    startup_timeout_s: float
    mode: Literal["colocate", "server"]
    timeout_s: float
    gpu_memory_utilization: float
    tensor_parallel_size: int
    max_model_length: int | None
    sleep: bool
    dtype: Literal["float32", "bfloat16", "float16"] | None
    importance_sampling_mode: Literal["sequence_mask", "sequence_truncate", "token_mask", "token_truncate"] | None
    importance_sampling_clip_max: float | None
    importance_sampling_clip_min: float | None
    warn_logp_difference: float


@dataclass(frozen=True, slots=True)
class JobVllmSettings(VllmSettings):
    """vLLM's server that this job has started.

    Attributes:
        group_port: port for the transfer of weights.
    """

    group_port: int


@dataclass(frozen=True, slots=True)
class PPOSettings:
    """The config's `rl.ppo`, for algorithms with a critic.

    Attributes:
        trunk: the critic's: a copy of the policy's, or the policy's own.
        epochs: passes over each rollout.
        minibatches: optimiser steps per pass.
        gamma: discount factor.
        gae_lambda: GAE's lambda.
        value_clip: clip range of the value loss.
        value_coefficient: weight of the value loss.
        critic_learning_rate: of the critic.
        critic_warmup: number of first rollouts in which only the critic is trained.
    """

    trunk: Literal["own", "shared"]
    epochs: int
    minibatches: int
    gamma: float
    gae_lambda: float
    value_clip: float
    value_coefficient: float
    critic_learning_rate: float
    critic_warmup: int

    @property
    def passes(self) -> Passes:
        return Passes(self.epochs, self.minibatches)


@dataclass(frozen=True, slots=True)
class ValidationSettings:
    """The config's `rl.validation`.

    Attributes:
        every: steps from one validation to the next.
        questions: maximum number of validation questions.
        on_collapse: a key of `gavel.training.rl.validation_actions.ACTIONS`.
        collapse_drop, collapse_patience: of `gavel.training.rl.validation_rules.has_collapsed`.
        early_stopping_patience: number of validations without a better greedy accuracy that end the run; None for none.
        reference: report the KL divergence from the policy at the start.
    """

    every: int
    questions: int
    on_collapse: Literal["flag", "stop", "rollback", "raise_lambda"]
    collapse_drop: float
    collapse_patience: int
    early_stopping_patience: int | None
    reference: bool


@dataclass(frozen=True, slots=True)
class GroupFilterSettings:
    """The config's `rl.group_filter`.

    Attributes:
        by: correctness or the spread of rewards.
        min_spread: standard deviation of a group's rewards; a group passes above it (`by: spread`).
        redraws: how many times a group is replaced.
    """

    by: Literal["outcome", "spread"]
    min_spread: float
    redraws: int


@dataclass(frozen=True, slots=True)
class RLSettings:
    """The config's `rl`, without `algorithms`, `lambda` and `seeds`.

    Attributes:
        lambda_schedule: None keeps lambda constant.
        steps: number of rollouts.
        prompts_per_step: questions per rollout.
        num_generations: completions of each question.
        labeled_fraction: of a rollout's questions.
        learning_rate: the policy's peak, after warm-up.
        warmup: in rollouts.
        max_grad_norm: gradient clipping.
        temperature: of the rollouts.
        kl_coefficient: weight of the KL divergence from the policy at the start.
        kl_placement: whether that is part of the loss or of the reward.
        entropy_coefficient: weight of the entropy bonus in the loss.
        mask_truncated: leave truncated completions out of the loss.
        center_judge: subtract from the judge's score its mean over the question's completions.
        length_penalty: reward that a completion of maximum length loses.
        partial_credit: verifiable reward of a wrong answer.
        reward_terms: functions of the user's own that add to the reward.
        group_filter: replaces groups that carry no signal; None keeps all.
        max_missing_fraction: of a rollout's rewards, above which the update is skipped.
        max_skipped_steps: in a row, above which the run fails.
        micro_batch_size: completions per forward and backward pass; None for a full mini-batch.
        generation_batch_size: completions per generation batch.
        save_every: rollouts from one checkpoint to the next.
        vllm: samples the rollouts; None samples with transformers.
        lora: None trains all weights.
        ppo: for algorithms with a critic.
    """

    lambda_schedule: LambdaScheduleSettings | None
    steps: int
    prompts_per_step: int
    num_generations: int
    labeled_fraction: float
    learning_rate: float
    lr_scheduler: Literal["constant_with_warmup", "linear", "cosine"]
    warmup: int
    max_grad_norm: float
    temperature: float
    kl_coefficient: float
    kl_placement: Literal["loss", "reward"]
    entropy_coefficient: float
    mask_truncated: bool
    center_judge: bool
    length_penalty: float
    partial_credit: float
    reward_terms: tuple[RewardTermSettings, ...]
    group_filter: GroupFilterSettings | None
    max_missing_fraction: float
    max_skipped_steps: int
    micro_batch_size: int | None
    generation_batch_size: int
    save_every: int
    vllm: VllmSettings | JobVllmSettings | None
    bf16: bool
    gradient_checkpointing: bool
    lora: LoraSettings | None
    ppo: PPOSettings
    validation: ValidationSettings

    @classmethod
    def from_section(cls, section: Mapping[str, Any], vllm: VllmSettings | None) -> Self:
        """The settings of a run.

        Args:
            section: the section, from `gavel.study.params.rl`.
            vllm: as `gavel.training.rl.rollout_server.rollout_access` yields it.

        Raises:
            TypeError: as `gavel.common.dataclass_config.from_section`.
        """
        return from_section(cls, {**section, "vllm": vllm}, "rl")
