"""The settings of each way to train a judge: the config's `judge.self_taught.sft`, its `dpo`, and `judge.rl`."""

from dataclasses import dataclass
from typing import Literal

from gavel.training.settings import LoraSettings


@dataclass(frozen=True, slots=True)
class JudgeSFTSettings:
    """The config's `judge.self_taught.sft`, and what the training of `judge.verifier` needs.

    Attributes:
        steps: optimiser steps, instead of `epochs`, unless None.
        learning_rate: its peak, after warm-up.
        micro_batch_size: examples per forward and backward pass; None takes all of a step.
        warmup: in optimiser steps, at most a quarter of all.
        max_grad_norm: gradient clipping.
        lora: None trains all weights.
        validate_every: steps from one validation, and checkpoint, to the next; None for the end alone, or for a
            verifier for ten validations.
        seed: of the order of examples and of sampling.
        epochs: passes over the examples.
        batch_size: examples per step.
    """

    steps: int | None
    learning_rate: float
    micro_batch_size: int | None
    warmup: int
    max_grad_norm: float
    bf16: bool
    gradient_checkpointing: bool
    lora: LoraSettings | None
    validate_every: int | None
    seed: int
    epochs: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class JudgeDPOSettings(JudgeSFTSettings):
    """The config's `judge.self_taught.dpo`.

    Attributes:
        beta: DPO's beta.
        nll_coefficient: weight of the chosen judgment's negative log-likelihood.
    """

    beta: float
    nll_coefficient: float


@dataclass(frozen=True, slots=True)
class JudgeRLSettings:
    """The config's `judge.rl`.

    Attributes:
        learning_rate: its peak, after warm-up.
        micro_batch_size: judgments per forward and backward pass; None takes all of a step.
        warmup: in optimiser steps, at most a quarter of all.
        max_grad_norm: gradient clipping.
        lora: None trains all weights.
        validate_every: steps from one validation, and checkpoint, to the next; None for the end alone.
        seed: of the order of examples and of sampling.
        samples: SFT samples per labelled question, for its pairs.
        pairs: maximum number of pairs per labelled question.
        steps: optimiser steps, one rollout each.
        prompts_per_step: judging prompts per rollout.
        num_generations: judgments of each prompt.
        generation_batch_size: judgments per generation batch.
        temperature: of the judgments.
        kl_coefficient: weight of the KL divergence from the judge at the start.
    """

    learning_rate: float
    micro_batch_size: int | None
    warmup: int
    max_grad_norm: float
    bf16: bool
    gradient_checkpointing: bool
    lora: LoraSettings | None
    validate_every: int | None
    seed: int
    samples: int
    pairs: int
    steps: int
    prompts_per_step: int
    num_generations: int
    generation_batch_size: int
    temperature: float
    lr_scheduler: Literal["constant_with_warmup", "linear", "cosine"]
    kl_coefficient: float


JudgeTrainingSettings = JudgeSFTSettings | JudgeDPOSettings | JudgeRLSettings
