"""A run's settings as TRL's GRPOConfig: batches, optimiser, loss and back end."""

from typing import Any

from trl import GRPOConfig

from gavel.common.requirements import need
from gavel.training import batches, distributed, trl
from gavel.training.rl import algorithms


def trainer_config(
    kind: algorithms.Algorithm,
    settings: dict[str, Any],
    epochs: int,
    minibatches: int,
    max_new_tokens: int,
    seed: int,
    folder: str,
) -> GRPOConfig:
    """TRL's configuration of one run, for this process among those that train together.

    Raises:
        InputError: the questions of a step do not divide among the processes, or a process's completions into
            mini-batches and micro-batches.
    """
    micro_batches = batches.share(
        settings["prompts_per_step"],
        settings["num_generations"],
        distributed.processes(),
        minibatches,
        settings["micro_batch_size"],
    )
    updates = epochs * minibatches
    return trl.config(
        GRPOConfig,
        settings,
        folder,
        micro_batches,
        steps_per_generation=micro_batches.number * minibatches,
        num_iterations=epochs,
        num_generations=settings["num_generations"],
        max_steps=settings["steps"] * updates,
        max_completion_length=max_new_tokens,
        temperature=settings["temperature"],
        lr_scheduler_type=settings["lr_scheduler"],
        warmup_steps=settings["warmup"] * updates,
        weight_decay=0.0,
        beta=settings["kl_coefficient"],
        loss_type=kind.loss_type,
        scale_rewards=kind.scale_rewards,
        importance_sampling_level=kind.ratio,
        epsilon=kind.clip[0],
        epsilon_high=kind.clip[1],
        shuffle_dataset=False,
        **vllm_options(settings["vllm"]),
        logging_steps=updates,
        seed=seed,
    )


def vllm_options(vllm: dict[str, Any] | None) -> dict[str, Any]:
    """TRL's keyword arguments for sampling with vLLM, from what `gavel.training.rl.rollout_server` yields.

    Raises:
        InputError: vLLM is not installed.
    """
    if vllm is None:
        return {"use_vllm": False}
    need("vllm", "rl.vllm")
    group = {"vllm_group_port": vllm["group_port"]} if "group_port" in vllm else {}
    return group | {
        "use_vllm": True,
        "vllm_mode": vllm["mode"],
        "vllm_server_base_url": vllm["base_url"],
        "vllm_server_timeout": vllm["timeout_s"],
        "vllm_gpu_memory_utilization": vllm["gpu_memory_utilization"],
        "vllm_tensor_parallel_size": vllm["tensor_parallel_size"],
        "vllm_max_model_length": vllm["max_model_length"],
        "vllm_enable_sleep_mode": vllm["sleep"],
    }
