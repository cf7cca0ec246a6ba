"""Rollouts sampled by vLLM: the engine that TRL starts in the training process, and how far it is from the trainer.

vLLM and the trainer compute a token's log-probability with different kernels, and perhaps in different dtypes. TRL
weights each completion (or token) by the ratio of the two probabilities, and masks those whose ratio is out of bounds.
These then teach nothing, and a run that loses many of them is no fair comparison for one that loses few. Both numbers
are logged for each rollout.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from trl.generation import vllm_generation

from gavel.common.log import info
from gavel.common.requirements import vllm_is_for_cpus
from gavel.models.vllm_options import device_options
from gavel.training import distributed
from gavel.training.rl.settings import VllmSettings

# TRL's names of what it logs for each rollout; our own metrics follow them.
LOGP_DIFFERENCE = "sampling/sampling_logp_difference/mean"
MASKED, TRUNCATED = "sampling/masked", "sampling/truncated"
_RUN_SEEDS = 1_000_003  # TRL numbers its engines from 0, far fewer than this


@contextmanager
def engine_options(vllm: VllmSettings | None, *, dtype: torch.dtype, bf16: bool, seed: int) -> Iterator[None]:
    """While the block runs, TRL's trainers start their engine with options that `GRPOConfig` lacks.

    Without them vLLM would hold a float32 policy in bfloat16, and sample every seed's run with the same random numbers.
    On a CPU it would also pack the weights as it loads them, and drop the originals, which TRL replaces in every step.

    Args:
        vllm: without an engine in this process, the block changes nothing.
        dtype: the policy's.
        bf16: training computes in bfloat16.
        seed: the run's.
    """
    if vllm is None or vllm.mode != "colocate":
        yield
        return
    plain: Callable[..., Any] = vllm_generation.LLM
    computed = torch.bfloat16 if bf16 else dtype
    options = device_options(own_seeds=False) | {"dtype": vllm.dtype or str(computed).removeprefix("torch.")}

    def start(**given: Any) -> Any:
        return plain(**given | options | {"seed": given["seed"] + _RUN_SEEDS * seed})

    replaced: list[tuple[Any, str, Any]] = [(vllm_generation, "LLM", start)]
    if vllm_is_for_cpus():
        layers = import_module("vllm.model_executor.layers.utils")
        replaced.append((layers, "dispatch_cpu_unquantized_gemm", _keep_weights))
    own = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    for module, name, value in replaced:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in own:
            setattr(module, name, value)


def _keep_weights(layer: Any, remove_weight: bool) -> None:
    """Have a layer of vLLM's multiply by its weights as they are at the time of the call."""
    layer.cpu_linear = torch.nn.functional.linear


class CorrectionMonitor:
    """Counts what TRL's correction masks or truncates, and warns once if vLLM is far from the trainer.

    Args:
        mode: the config's `rl.vllm.importance_sampling_mode`.
        limits: lowest and highest ratio, None for none.
        threshold: the config's `rl.vllm.warn_logp_difference`.
    """

    def __init__(self, mode: str, limits: tuple[float | None, float | None], threshold: float):
        self.mode, self.limits, self.threshold, self._warned = mode, limits, threshold, False

    @classmethod
    def of(cls, vllm: VllmSettings | None) -> "CorrectionMonitor | None":
        """The monitor of a run; None without a correction."""
        if vllm is None or vllm.importance_sampling_mode is None:
            return None
        limits = (vllm.importance_sampling_clip_min, vllm.importance_sampling_clip_max)
        return cls(vllm.importance_sampling_mode, limits, vllm.warn_logp_difference)

    def __call__(self, rollout: Mapping[str, Any], logged: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Metrics of one rollout; every process must call this.

        Args:
            rollout: what TRL's `_generate_and_score_completions` returns, this process's part.
            logged: TRL's metrics, of which the last value is this rollout's.

        Returns:
            The number of completions (in `token_*` modes: tokens) of the rollout that were masked or truncated, and
            their fraction.
        """
        self._warn(logged[LOGP_DIFFERENCE][-1])
        ratio = rollout["importance_sampling_ratio"]  # (B, 1), in token modes (B, T)
        if self.mode.startswith("token"):
            ratio = ratio[rollout["completion_mask"].bool()]
        changed = self._changed(ratio.flatten())
        count, of = (
            sum(part) for part in zip(*distributed.all_gather((int(changed.sum()), changed.numel())), strict=True)
        )
        name = MASKED if self.mode.endswith("mask") else TRUNCATED
        return {name: count, f"{name}_fraction": count / max(1, of)}

    def _changed(self, ratio: torch.Tensor) -> torch.Tensor:
        """Whether TRL has masked or truncated each ratio."""
        if self.mode.endswith("mask"):
            return ratio == 0
        low, high = self.limits
        none = torch.zeros_like(ratio, dtype=torch.bool)
        # TRL has clamped them, so what was beyond a limit now equals it.
        return (none if low is None else ratio == low) | (none if high is None else ratio == high)

    def _warn(self, difference: float) -> None:
        if difference <= self.threshold or self._warned or not distributed.is_main():
            return
        self._warned = True
        info(
            f"warning: the log-probabilities of vLLM and of the trainer differ by {difference:.3g} nats a token on "
            f"average, more than rl.vllm.warn_logp_difference ({self.threshold:g}); compare rl.vllm.dtype with rl.bf16",
            console=True,
        )
