"""How a judge is trained: by itself on unlabelled questions, or by RL on labelled ones."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gavel.study.schema.base import Count, Positive, Section, Share
from gavel.study.schema.training import Lora, without_dropout


class JudgeStage(Section):
    """What all ways of training a judge have."""

    learning_rate: Positive = Field(1e-4, description="Peak, after warm-up.")
    micro_batch_size: Count | None = Field(None, description="Examples in memory at a time; null takes all of a step.")
    warmup: Annotated[int, Field(ge=0)] = Field(5, description="Warm-up, in optimiser steps; a quarter of all at most.")
    max_grad_norm: Positive = Field(1.0, description="Gradient clipping.")
    bf16: bool = Field(False, description="bfloat16 autocast.")
    gradient_checkpointing: bool = Field(False, description="Trade time for memory.")
    lora: Lora | None = Field(None, description="Train adapters only; needs the package peft.")
    validate_every: Count | None = Field(
        None,
        description="Validate on the selection pairs and save a checkpoint every N steps; null does so at the end.",
    )
    seed: int = Field(0, description="Order of examples, and of what is drawn.")


class JudgeSft(JudgeStage):
    """SFT on the judgments that reached the better solution."""

    epochs: Count = Field(2, description="Passes over them.")
    steps: Count | None = Field(None, description="Optimiser steps, in place of `epochs`.")
    batch_size: Count = Field(32, description="Judgments in a step.")


class JudgeDpo(JudgeSft):
    """DPO (Rafailov et al. 2023) on judgments that reached the better solution against others that did not."""

    learning_rate: Positive = Field(2e-5, description="Peak, after warm-up.")
    epochs: Count = Field(1, description="Passes over the pairs of judgments.")
    beta: Positive = Field(0.1, description="As in Wang et al.")
    nll_coefficient: Annotated[float, Field(ge=0)] = Field(
        1.5, description="Weight of the chosen judgment's negative log-likelihood, as in Wang et al.; 0 leaves it out."
    )


class SelfTaught(Section):
    """The judge teaches itself on unlabelled questions (Wang et al. 2024, arXiv 2408.02666), several times over."""

    iterations: Count = Field(2, description="Each starts from the judge that the one before has left.")
    questions: Count = Field(400, description="Unlabelled questions that an iteration looks at; each takes others.")
    policy_samples: Annotated[int, Field(ge=2)] = Field(
        8, description="SFT samples of each, to see which questions are challenging and what most samples answer."
    )
    agreement: tuple[Share, Share] = Field(
        (0.3, 0.95),
        description="A question is challenging where the share of its samples that give the most frequent answer lies "
        "between these.",
    )
    negatives: list[Literal["changed-question", "injected-error"]] = Field(
        ["changed-question", "injected-error"],
        description="How the worse solution of a pair is made: `changed-question` samples an answer to the question "
        "with one number changed, `injected-error` corrupts a step of the better solution.",
        min_length=1,
    )
    samples: Count = Field(4, description="Judgments of each pair in each order.")
    temperature: Positive = Field(0.7, description="Of those judgments (0.7 in Wang et al.).")
    sft: JudgeSft | None = Field(default_factory=JudgeSft, description="null leaves it out.")
    dpo: JudgeDpo | None = Field(default_factory=JudgeDpo, description="After SFT; null leaves it out.")
    seed: int = Field(0, description="Of questions, samples and errors.")

    @field_validator("agreement")
    @classmethod
    def ordered(cls, value):
        if value[0] >= value[1]:
            raise ValueError("the first share must be below the second")
        return value

    @model_validator(mode="after")
    def something(self):
        if not self.sft and not self.dpo:
            raise ValueError("sft and dpo are both null: nothing would be learnt")
        return self


class JudgeRl(JudgeStage):
    """GRPO on the judge: +1 if it prefers the right solution of a labelled question, else -1 (Guo et al. 2025)."""

    learning_rate: Positive = Field(3e-5, description="Peak, after warm-up.")
    samples: Annotated[int, Field(ge=2)] = Field(16, description="SFT samples of a labelled question, for its pairs.")
    pairs: Count = Field(4, description="Pairs of a labelled question at most.")
    steps: Count = Field(40, description="Optimiser steps, one rollout each.")
    prompts_per_step: Count = Field(32, description="Judging prompts in a step; a pair makes two, one each order.")
    num_generations: Annotated[int, Field(ge=2)] = Field(8, description="Judgments of each prompt: the group.")
    generation_batch_size: Count = Field(256, description="Judgments that a rollout generates at a time.")
    temperature: Positive = Field(1.0, description="Of the judgments.")
    lr_scheduler: Literal["constant_with_warmup", "linear", "cosine"] = Field(
        "constant_with_warmup", description="Learning rate after warm-up."
    )
    kl_coefficient: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Weight of the KL divergence from the judge at the start of this stage."
    )

    _without_dropout = field_validator("lora")(without_dropout)
