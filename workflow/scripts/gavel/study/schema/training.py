"""How the student learns: SFT, then RL over the grid."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gavel.study.schema.base import Count, Positive, Section, Served, Share
from gavel.training.rl.algorithms import ALGORITHMS


class Lora(Section):
    """Low-rank adapters (Hu et al. 2021) through the package peft; what a run leaves is the merged, plain model."""

    r: Count = Field(16, description="Rank.")
    alpha: Positive = Field(32, description="The adapters' output is scaled by alpha / r.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Dropout before the adapters; for SFT and DPO only, since RL runs without dropout."
    )
    target_modules: list[str] | None = Field(
        None,
        min_length=1,
        description="Names of the layers that get adapters, such as [q_proj, v_proj]; null takes all linear ones.",
    )


def without_dropout(lora: Lora | None) -> Lora | None:
    """A validator of adapters that RL trains.

    Raises:
        ValueError: they have dropout.
    """
    if lora is not None and lora.dropout:
        raise ValueError(
            f"dropout {lora.dropout:g}: RL runs without dropout, which would make the policy differ from the one that "
            "sampled; leave dropout out"
        )
    return lora


class Vllm(Served):
    """Rollouts sampled by vLLM (needs a GPU and the package). Its random numbers are its own: a resumed run goes on
    correctly, but not with the completions that an uninterrupted one would have drawn."""

    mode: Literal["colocate", "server"] = Field(
        "colocate", description="On the training GPUs, or on a server of its own (`trl vllm-serve`)."
    )
    base_url: str | None = Field(
        None, pattern=r"^https?://", description="Mode `server`: where an external one is, such as http://node7:8000."
    )
    command: str | Annotated[list[str], Field(min_length=1)] = Field(
        "trl vllm-serve --model {model} --host {host} --port {port}",
        description="Mode `server`: what a job starts, a line or a list of words; {model} is the SFT checkpoint, "
        "{host} and {port} are filled in.",
    )
    timeout_s: Positive = Field(240.0, description="Mode `server`: seconds to wait for an external one to be up.")
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = Field(
        0.3, description="Mode `colocate`: share of a GPU's memory for vLLM."
    )
    tensor_parallel_size: Count = Field(1, description="Mode `colocate`: GPUs that share one copy.")
    max_model_length: Count | None = Field(
        None, description="Mode `colocate`: longest prompt and completion, in tokens."
    )
    sleep: bool = Field(False, description="Mode `colocate`: give vLLM's memory back while the policy is updated.")

    @model_validator(mode="after")
    def reachable(self):
        if self.mode == "colocate":
            for key in ("serve", "base_url", "gpus"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"{key}: is of vLLM's server; write `mode: server`, or leave it out")
            return self
        if self.serve == "external" and self.base_url is None:
            raise ValueError("`base_url` says where vLLM's server is: mode 'server' needs it, or `serve: job`")
        self.check_served()
        if self.serve == "job" and not self.gpus:
            raise ValueError("gpus: name those of the job's server; it cannot share those of training")
        return self


class Sft(Section):
    """The supervised baseline on the labelled problems; every RL run starts from its best checkpoint."""

    seed: int = Field(0, description="Order of examples.")
    epochs: Count = Field(12, description="Passes over the labelled problems.")
    validate_every: Count = Field(
        1,
        description="Validate and save a checkpoint every N epochs; raise it where there are few labels, since "
        "validation then takes longer than an epoch.",
    )
    learning_rate: Positive = Field(4e-4, description="Peak, after warm-up; then linear decay.")
    batch_size: Count = Field(16, description="Examples an optimiser step.")
    micro_batch_size: Count | None = Field(None, description="Examples in memory at a time; null takes batch_size.")
    warmup: Annotated[int, Field(ge=0)] = Field(10, description="Warm-up, in optimiser steps.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="AdamW's decay.")
    max_grad_norm: Positive = Field(1.0, description="Gradient clipping.")
    bf16: bool = Field(False, description="bfloat16 autocast; for GPUs and processors that have it.")
    gradient_checkpointing: bool = Field(False, description="Trade time for memory.")
    lora: Lora | None = Field(
        None, description="Train adapters in place of all weights, in this stage; RL then starts from the merged model."
    )


class Ppo(Section):
    """What only algorithms with a critic use."""

    trunk: Literal["own", "shared"] = Field(
        "own",
        description="The critic's trunk: a copy of the policy's (our choice), or the policy's itself with a value head "
        "(ReFT), which is faster and lets the value loss move the policy.",
    )
    epochs: Count = Field(2, description="Passes over each rollout (ReFT: 2).")
    minibatches: Count = Field(2, description="Optimiser steps in each pass.")
    gamma: Share = Field(1.0, description="Discount (ReFT: 1).")
    gae_lambda: Share = Field(0.95, description="GAE's lambda (ReFT: 0.95); not the mixing weight.")
    value_clip: Positive = Field(0.2, description="Clip range of the value loss (ReFT: 0.2).")
    value_coefficient: Positive = Field(
        0.5, description="Weight of the value loss (ReFT, on a shared trunk: 5; our choice for an own one)."
    )
    critic_learning_rate: Positive = Field(1e-3, description="Learning rate of the critic.")
    critic_warmup: Annotated[int, Field(ge=0)] = Field(4, description="Rollouts during which only the critic learns.")


class Validation(Section):
    """Validation of the policy during training, with labels that never reach a reward."""

    every: Count = Field(5, description="Validate every N steps.")
    questions: Count = Field(300, description="Validation problems to use.")
    on_collapse: Literal["flag", "stop", "rollback", "raise_lambda"] = Field(
        "flag",
        description="What to do on a collapse: `flag` it in the report; `stop` the run; `rollback`: stop it, with its "
        "best checkpoint by validation as the result (which uses validation labels); or `raise_lambda`: give the "
        "labels more weight (0.25 at a time, up to 0.9).",
    )
    collapse_drop: Share = Field(
        0.05,
        description="A collapse: true accuracy is more than this below its best so far, while the judge's mean score "
        "is no lower (of a judge that compares: while its win rate against SFT has fallen less than half as far as the "
        "true one); or true accuracy is less than half of its best, whatever the judge says.",
    )
    collapse_patience: Count = Field(2, description="Validations in a row that must show it to call it a collapse.")
    early_stopping_patience: Count | None = Field(
        None,
        description="Stop a run after this many validations without a better greedy accuracy, with its best checkpoint "
        "by validation as the result (which uses validation labels); null trains all steps.",
    )
    reference: bool = Field(
        True, description="Keep the SFT policy in memory, to report the KL divergence of the policy from it."
    )


class LambdaSchedule(Section):
    """Lambda over the rollouts of a run: it moves linearly from `start` to the cell's own value and stays there."""

    start: Share = Field(description="Lambda of the first rollout.")
    steps: Count | None = Field(
        None,
        description="The rollout that first has the cell's own lambda, counted from 1; null takes the last one. More "
        "than `rl.steps` is refused.",
    )


class Rl(Section):
    """Reinforcement learning: a grid of algorithms x lambda x seeds; everything else is common to all cells."""

    algorithms: list[str] = Field(["grpo", "ppo"], description=f"Of: {', '.join(ALGORITHMS)}.")
    lambda_: list[Share] = Field(
        [0.0, 0.5, 1.0],
        alias="lambda",
        description="Weights of the verifiable reward on labelled problems; 1 never asks the judge, 0 never reads a "
        "label.",
    )
    lambda_schedule: LambdaSchedule | None = Field(
        None,
        description="Move lambda linearly to the cell's own; null keeps it constant, as cells at 0 and 1 always do.",
    )
    seeds: list[int] = Field([0], description="Order of problems and sampling noise.")
    steps: Count = Field(80, description="Rollouts; the same in every cell.")
    prompts_per_step: Count = Field(32, description="Problems in a rollout.")
    num_generations: Annotated[int, Field(ge=2)] = Field(8, description="Completions of each problem (the group).")
    labeled_fraction: Share = Field(
        0.5, description="Fraction of a rollout's problems that are labelled; at lambda 1 all are."
    )
    learning_rate: Positive = Field(
        3e-5,
        description="Peak learning rate of the policy. Our choice, for the shipped student, which 1.5e-4 ruins in a "
        "few steps; ReFT's PPO takes 3e-6 for Galactica-125M and 3e-7 for 6.7B.",
    )
    lr_scheduler: Literal["constant_with_warmup", "linear", "cosine"] = Field(
        "constant_with_warmup", description="Learning rate after warm-up."
    )
    warmup: Annotated[int, Field(ge=0)] = Field(10, description="Warm-up, in rollouts.")
    max_grad_norm: Positive = Field(1.0, description="Gradient clipping.")
    temperature: Positive = Field(1.0, description="Of the rollout's sampling.")
    kl_coefficient: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="Weight of the KL divergence from the SFT policy (ReFT, in the reward: 0.01 for programs, 0.05 for "
        "text).",
    )
    kl_placement: Literal["loss", "reward"] = Field(
        "loss",
        description="Where the KL term is added: to the loss (DeepSeekMath's GRPO), or to the reward, token by token "
        "(ReFT's PPO). `reward` does not work with dapo and gspo, which divide rewards by their spread.",
    )
    center_judge: bool = Field(
        False,
        description="Pay the judge's score less its mean over the question's completions. Without effect on "
        "unlabelled questions of algorithms whose baseline is the group's mean.",
    )
    length_penalty: Annotated[float, Field(ge=0)] = Field(
        0.0, description="What the longest completion allowed loses of its reward; shorter ones in proportion."
    )
    partial_credit: Share = Field(0.1, description="Verifiable reward of a wrong answer (ReFT: 0.1); 0 for none.")
    max_missing_fraction: Share = Field(
        0.25, description="Skip the update where more than this fraction of a rollout's rewards is missing."
    )
    max_skipped_steps: Annotated[int, Field(ge=0)] = Field(
        3,
        description="More skipped updates than this in a row end the job; run again, it resumes from its last "
        "checkpoint.",
    )
    micro_batch_size: Count | None = Field(None, description="Completions in memory at a time; null takes all.")
    generation_batch_size: Count = Field(256, description="Completions that a rollout generates at a time.")
    save_every: Count = Field(
        10,
        description="Save a checkpoint every N rollouts; a killed run loses at most this much work. A run keeps its "
        "newest complete checkpoint and its best model by validation: four times the size of the weights, eight while "
        "a checkpoint is written.",
    )
    vllm: Vllm | None = Field(None, description="Sample rollouts with vLLM; null samples with transformers.")
    bf16: bool = Field(False, description="bfloat16 autocast.")
    gradient_checkpointing: bool = Field(False, description="Trade time for memory.")
    lora: Lora | None = Field(
        None,
        description="Train adapters in place of all the policy's weights, in this stage; a critic with a trunk of "
        "its own still trains whole.",
    )
    ppo: Ppo = Field(default_factory=Ppo, description="Settings of algorithms with a critic.")
    validation: Validation = Field(default_factory=Validation, description="Validation during training.")

    @field_validator("algorithms")
    @classmethod
    def known(cls, value):
        for name in value:
            if name not in ALGORITHMS:
                raise ValueError(f"{name!r} does not exist; choose from {', '.join(ALGORITHMS)}")
        return value

    @model_validator(mode="after")
    def reachable(self):
        moved = self.lambda_schedule
        if moved and moved.steps is not None and moved.steps > self.steps:
            raise ValueError(f"lambda_schedule.steps {moved.steps} is more than steps {self.steps}")
        if self.labeled_fraction == 0 and set(self.lambda_) - {0, 1}:
            raise ValueError("labeled_fraction 0: no labelled problem is in a rollout, so lambda would weigh nothing")
        if self.kl_placement == "reward" and not self.kl_coefficient:
            raise ValueError("kl_placement: 'reward' without a `kl_coefficient`, which is 0")
        checks = self.validation
        if checks.every > self.steps and (checks.on_collapse != "flag" or checks.early_stopping_patience):
            raise ValueError(
                f"validation.every {checks.every} is more than steps {self.steps}: it would never validate"
            )
        divided = [name for name in self.algorithms if ALGORITHMS[name].scale_rewards != "none"]
        if self.kl_coefficient and self.kl_placement == "reward" and divided:
            raise ValueError(
                f"kl_placement: 'reward' does not go with {', '.join(divided)}, where rewards are divided by their "
                "spread"
            )
        return self

    @model_validator(mode="after")
    def samplable(self):
        critics = [name for name in self.algorithms if ALGORITHMS[name].critic]
        if critics and self.vllm:
            raise ValueError(f"vllm: {critics[0]!r} has a critic, which vLLM knows nothing of; leave out one of them")
        return self

    _without_dropout = field_validator("lora")(without_dropout)

    @field_validator("algorithms", "lambda_", "seeds")
    @classmethod
    def distinct(cls, value):
        if not value:
            raise ValueError("is an empty list, which leaves no run; name at least one")
        if len({f"{item:g}" if isinstance(item, float) else item for item in value}) != len(value):
            raise ValueError(f"{value} names something twice (run names show six digits of a lambda)")
        return value
