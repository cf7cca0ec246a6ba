"""Settings that several kinds of training have in common.

The dataclasses of settings, here and beside each kind of training, have no defaults: a resolved config holds every
key. docs/reference/config.md (from `gavel.study.schema`) gives defaults and allowed values. A job cannot import the
schema, because an edit of a key's description must rerun nothing.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """The config's `sft.lora`, `rl.lora` or a judge's `lora`.

    Attributes:
        r: rank.
        alpha: the adapters' output is scaled by alpha / r.
        dropout: probability, before the adapters.
        target_modules: names of the layers that get adapters; None for all linear layers.
    """

    r: int
    alpha: float
    dropout: float
    target_modules: tuple[str, ...] | None


class Optimization(Protocol):
    """What every kind of training sets.

    Attributes:
        learning_rate: its peak, after warm-up.
        micro_batch_size: examples per forward and backward pass; None takes all of an optimiser step.
        max_grad_norm: gradient clipping.
        bf16: bfloat16 autocast.
        gradient_checkpointing: recompute activations.
    """

    @property
    def learning_rate(self) -> float: ...
    @property
    def micro_batch_size(self) -> int | None: ...
    @property
    def max_grad_norm(self) -> float: ...
    @property
    def bf16(self) -> bool: ...
    @property
    def gradient_checkpointing(self) -> bool: ...


class SupervisedOptimization(Optimization, Protocol):
    """What training on texts sets: `batch_size` of them are one optimiser step."""

    @property
    def batch_size(self) -> int: ...
