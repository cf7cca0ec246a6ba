"""A run's settings as TRL's GRPOConfig: batches, optimiser, loss and back end."""

from typing import Any, Protocol

from trl import GRPOConfig

from gavel.common.requirements import require_package
from gavel.training import batches, distributed, trl_config
from gavel.training.rl import algorithms
from gavel.training.rl.settings import JobVllmSettings, VllmSettings
from gavel.training.settings import Optimization


class RolloutOptimization(Optimization, Protocol):
    """What training on rollouts sets, of the student or of the judge.

    Attributes:
        steps: number of rollouts.
        prompts_per_step: prompts in each.
        num_generations: completions of each prompt.
        temperature: of the rollouts.
        warmup: in rollouts.
        kl_coefficient: weight of the KL divergence from the policy at the start.
    """

    @property
    def steps(self) -> int: ...
    @property
    def prompts_per_step(self) -> int: ...
    @property
    def num_generations(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def lr_scheduler(self) -> str: ...
    @property
    def warmup(self) -> int: ...
    @property
    def kl_coefficient(self) -> float: ...


def trainer_config(
    kind: algorithms.Algorithm,
    settings: RolloutOptimization,
    passes: algorithms.Passes,
    max_new_tokens: int,
    seed: int,
    folder: str,
    vllm: VllmSettings | None = None,
    **options: Any,
) -> GRPOConfig:
    """TRL's configuration of one run, for this process among those that train together.

    Args:
        passes: how often a rollout is trained on.
        max_new_tokens: maximum length of a completion, in tokens.
        folder: of the checkpoints.
        vllm: samples the rollouts; None leaves that to transformers.
        options: further ones of TRL's.

    Raises:
        InputError: the questions of a step do not divide among the processes, or a process's completions into
            mini-batches and micro-batches.
    """
    micro_batches = batches.split_rollout(
        settings.prompts_per_step,
        settings.num_generations,
        distributed.processes(),
        passes.minibatches,
        settings.micro_batch_size,
    )
    updates = passes.epochs * passes.minibatches
    return trl_config.config(
        GRPOConfig,
        settings,
        folder,
        micro_batches,
        steps_per_generation=micro_batches.number * passes.minibatches,
        num_iterations=passes.epochs,
        num_generations=settings.num_generations,
        max_steps=settings.steps * updates,
        max_completion_length=max_new_tokens,
        temperature=settings.temperature,
        lr_scheduler_type=settings.lr_scheduler,
        warmup_steps=settings.warmup * updates,
        weight_decay=0.0,
        beta=settings.kl_coefficient,
        loss_type=kind.loss_type,
        scale_rewards=kind.scale_rewards,
        importance_sampling_level=kind.ratio,
        epsilon=kind.clip[0],
        epsilon_high=kind.clip[1],
        shuffle_dataset=False,
        **vllm_options(vllm),
        logging_steps=updates,
        seed=seed,
        **options,
    )


def vllm_options(vllm: VllmSettings | None) -> dict[str, Any]:
    """TRL's keyword arguments for sampling with vLLM, or with transformers.

    Raises:
        InputError: vLLM is not installed.
    """
    if vllm is None:
        return {"use_vllm": False}
    require_package("vllm", "rl.vllm")
    group = {"vllm_group_port": vllm.group_port} if isinstance(vllm, JobVllmSettings) else {}
    return group | {
        "use_vllm": True,
        "vllm_mode": vllm.mode,
        "vllm_server_base_url": vllm.base_url,
        "vllm_server_timeout": vllm.timeout_s,
        "vllm_gpu_memory_utilization": vllm.gpu_memory_utilization,
        "vllm_tensor_parallel_size": vllm.tensor_parallel_size,
        "vllm_max_model_length": vllm.max_model_length,
        "vllm_enable_sleep_mode": vllm.sleep,
        "vllm_importance_sampling_correction": vllm.importance_sampling_mode is not None,
        "vllm_importance_sampling_mode": vllm.importance_sampling_mode or "sequence_mask",
        "vllm_importance_sampling_clip_max": vllm.importance_sampling_clip_max,
        "vllm_importance_sampling_clip_min": vllm.importance_sampling_clip_min,
    }
