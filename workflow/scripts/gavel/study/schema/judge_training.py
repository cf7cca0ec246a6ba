"""How the judge is trained: by itself on unlabelled questions, or by RL on labelled ones."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gavel.study.schema.base import Count, Fraction, Positive, Section
from gavel.study.schema.training import Lora, without_dropout


class JudgeStage(Section):
    """Settings common to all ways of training a judge."""

    learning_rate: Positive = Field(1e-4, description="Peak learning rate, after warm-up.")
    micro_batch_size: Count | None = Field(
        None, description="Examples per forward and backward pass; null takes all of a step."
    )
    warmup: Annotated[int, Field(ge=0)] = Field(
        5, description="Warm-up in optimiser steps, at most a quarter of all steps."
    )
    max_grad_norm: Positive = Field(1.0, description="Gradient clipping.")
    bf16: bool = Field(False, description="bfloat16 autocast.")
    gradient_checkpointing: bool = Field(False, description="Recompute activations: slower, but needs less memory.")
    lora: Lora | None = Field(None, description="Train adapters only; needs the package peft.")
    validate_every: Count | None = Field(
        None,
        description="Validate on the selection pairs and save a checkpoint every N steps; null does so at the end.",
    )
    seed: int = Field(0, description="Seed for the order of examples and for sampling.")


class JudgeSft(JudgeStage):
    """SFT on the judgments that preferred the better response."""

    epochs: Count = Field(2, description="Passes over the judgments.")
    steps: Count | None = Field(None, description="Optimiser steps, instead of `epochs`.")
    batch_size: Count = Field(32, description="Judgments per step.")


class Verifier(JudgeSft):
    """Fine-tune a single-token judge on the model's own responses to the labelled questions, right or wrong by their
    answers (Cobbe et al. 2021): judge and student then train on the same labels and nothing else."""

    epochs: Count = Field(1, description="Passes over the responses.")
    samples: Count = Field(
        16, description="Samples of the student and of the baseline per labelled question; equal ones count once."
    )
    responses: Annotated[int, Field(ge=2)] = Field(
        4000, description="Maximum number of responses to train on; as many right as wrong ones to each question."
    )
    validate_every: Count | None = Field(
        None,
        description="Validate on samples of validation questions, by the AUC within questions, and save a checkpoint "
        "every N steps; the best one is kept. null does so ten times.",
    )


class JudgeDpo(JudgeSft):
    """DPO (Rafailov et al. 2023): judgments that preferred the better response are chosen, others rejected."""

    learning_rate: Positive = Field(2e-5, description="Peak learning rate, after warm-up.")
    epochs: Count = Field(1, description="Passes over the pairs of judgments.")
    beta: Positive = Field(0.1, description="DPO's beta, as in Wang et al.")
    nll_coefficient: Annotated[float, Field(ge=0)] = Field(
        1.5, description="Weight of the chosen judgment's negative log-likelihood, as in Wang et al.; 0 turns it off."
    )


class SelfTaught(Section):
    """The judge trains itself on unlabelled questions, iteratively (Wang et al. 2024, arXiv 2408.02666)."""

    iterations: Count = Field(2, description="Iterations; each starts from the judge of the previous one.")
    questions: Count = Field(400, description="Unlabelled questions per iteration; no two iterations share any.")
    policy_samples: Annotated[int, Field(ge=2)] = Field(
        8,
        description="Samples of the baseline per question, to find challenging questions and the most frequent "
        "answers.",
    )
    agreement: tuple[Fraction, Fraction] = Field(
        (0.3, 0.95),
        description="A question is challenging if the fraction of its samples with the most frequent answer is in this "
        "range.",
    )
    negatives: list[Literal["changed-question", "injected-error"]] = Field(
        ["changed-question", "injected-error"],
        description="How the worse response of a pair is made: `changed-question` samples a response to the question "
        "with one number changed, `injected-error` corrupts a step of the better response.",
        min_length=1,
    )
    samples: Count = Field(4, description="Judgments sampled per pair and order.")
    temperature: Positive = Field(0.7, description="Sampling temperature of the judgments (0.7 in Wang et al.).")
    sft: JudgeSft | None = Field(default_factory=JudgeSft, description="SFT stage; null skips it.")
    dpo: JudgeDpo | None = Field(default_factory=JudgeDpo, description="DPO stage, after SFT; null skips it.")
    seed: int = Field(0, description="Seed for questions, samples and injected errors.")

    @field_validator("agreement")
    @classmethod
    def check_agreement(cls, value: Any) -> Any:
        if value[0] >= value[1]:
            raise ValueError("the first fraction must be below the second")
        return value

    @model_validator(mode="after")
    def check_stages(self) -> Self:
        if not self.sft and not self.dpo:
            raise ValueError("sft and dpo are both null, so nothing would be trained; leave one of them on")
        return self


class JudgeRl(JudgeStage):
    """GRPO on the judge: +1 for preferring the correct response to a labelled question, else -1 (Guo et al. 2025)."""

    learning_rate: Positive = Field(3e-5, description="Peak learning rate, after warm-up.")
    samples: Annotated[int, Field(ge=2)] = Field(
        16, description="Samples of the baseline per labelled question, for its pairs."
    )
    pairs: Count = Field(4, description="Maximum number of pairs per labelled question.")
    steps: Count = Field(40, description="Optimiser steps, one rollout each.")
    prompts_per_step: Count = Field(32, description="Judging prompts per step; a pair gives two, one per order.")
    num_generations: Annotated[int, Field(ge=2)] = Field(8, description="Judgments sampled per prompt (the group).")
    generation_batch_size: Count = Field(256, description="Judgments per generation batch in a rollout.")
    temperature: Positive = Field(1.0, description="Sampling temperature of the judgments.")
    lr_scheduler: Literal["constant_with_warmup", "linear", "cosine"] = Field(
        "constant_with_warmup", description="Learning-rate schedule after warm-up."
    )
    kl_coefficient: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Weight of the KL divergence from the judge at the start of this stage."
    )

    _without_dropout = field_validator("lora")(without_dropout)
