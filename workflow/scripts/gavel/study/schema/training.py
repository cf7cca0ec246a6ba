"""How the student is trained: SFT, unless it is left out, then a grid of RL runs."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gavel.judge.kinds import CONTROL_REWARDS
from gavel.study.schema.base import Count, Fraction, NamedJudges, Positive, Section, ServerSection
from gavel.training.rl.algorithms import ALGORITHMS


class Lora(Section):
    """Low-rank adapters (Hu et al. 2021) with the package peft; the resulting model is merged."""

    r: Count = Field(16, description="Rank.")
    alpha: Positive = Field(32, description="The adapters' output is scaled by alpha / r.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Dropout before the adapters; SFT and DPO only, since RL runs without dropout."
    )
    target_modules: list[str] | None = Field(
        None,
        min_length=1,
        description="Names of the layers that get adapters, such as [q_proj, v_proj]; null takes all linear layers.",
    )


def without_dropout(lora: Lora | None) -> Lora | None:
    """Reject dropout in adapters that RL trains.

    Raises:
        ValueError: the adapters have dropout.
    """
    if lora is not None and lora.dropout:
        raise ValueError(
            f"dropout {lora.dropout:g}: RL runs without dropout, which would make the trained policy differ from the "
            "sampling policy; leave it out"
        )
    return lora


class Vllm(ServerSection):
    """Rollouts sampled by vLLM (needs the package). vLLM has its own random state: a resumed run continues correctly,
    but samples other responses than an uninterrupted one. vLLM and the trainer compute slightly different
    log-probabilities, which TRL corrects by importance sampling; the report shows how far apart they are."""

    mode: Literal["colocate", "server"] = Field(
        "colocate",
        description="`colocate`: in the training processes, on their GPUs or CPU; `server`: on a separate server (`trl "
        "vllm-serve`), which needs GPUs.",
    )
    base_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Mode `server`: address of an external server, such as http://node7:8000.",
    )
    command: str | Annotated[list[str], Field(min_length=1)] = Field(
        "trl vllm-serve --model {model} --host {host} --port {port}",
        description="Mode `server`: command with which a job starts its server, one line or a list of words; {model} "
        "is the checkpoint that RL starts from, {host} and {port} are filled in.",
    )
    timeout_s: Positive = Field(240.0, description="Mode `server`: seconds to wait for an external server.")
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = Field(
        0.3,
        description="Mode `colocate`: fraction of a GPU's memory for vLLM. (On a CPU, its cache has 1 GiB, or what "
        "VLLM_CPU_KVCACHE_SPACE says.)",
    )
    tensor_parallel_size: Count = Field(1, description="Mode `colocate`: GPUs per copy of the model.")
    max_model_length: Count | None = Field(
        None, description="Mode `colocate`: maximum length of prompt plus response, in tokens."
    )
    sleep: bool = Field(False, description="Mode `colocate`: release vLLM's memory while the policy is updated.")
    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        None,
        description="Mode `colocate`: dtype of vLLM's weights; null takes bfloat16 with `rl.bf16` and else "
        "`student.dtype`, so that vLLM computes as training does (vLLM's own choice for float32 is bfloat16).",
    )
    importance_sampling_mode: Literal["sequence_mask", "sequence_truncate", "token_mask", "token_truncate"] | None = (
        Field(
            "sequence_mask",
            description="TRL's `vllm_importance_sampling_mode`: a completion's loss (`sequence_*`), or each token's "
            "(`token_*`), is weighted by its probability under the trainer divided by that under vLLM. A ratio outside "
            "`importance_sampling_clip_min` and `_max` becomes 0 (`*_mask`; the report counts these) or the limit "
            "(`*_truncate`). null: no correction, and the difference is not measured.",
        )
    )
    importance_sampling_clip_max: Positive | None = Field(
        3.0, description="Upper limit of that ratio (TRL's `vllm_importance_sampling_clip_max`, its former cap)."
    )
    importance_sampling_clip_min: Positive | None = Field(
        None, description="Lower limit of that ratio (TRL's `vllm_importance_sampling_clip_min`)."
    )
    warn_logp_difference: Positive = Field(
        0.05,
        description="Warn, in the log and in the report, if the log-probabilities of a rollout's tokens under vLLM and "
        "under the trainer differ by more than this on average (absolute, in nats).",
    )

    @model_validator(mode="after")
    def check_correction(self) -> Self:
        low, high = self.importance_sampling_clip_min, self.importance_sampling_clip_max
        if low is not None and high is not None and low >= high:
            raise ValueError(
                f"importance_sampling_clip_min {low:g} is not less than importance_sampling_clip_max {high:g}"
            )
        mode = self.importance_sampling_mode
        if mode and mode.endswith("_truncate") and low is None and high is None:
            raise ValueError(
                f"importance_sampling_mode {mode!r} needs a limit; set importance_sampling_clip_max or _min"
            )
        return self

    @model_validator(mode="after")
    def check_access(self) -> Self:
        if self.mode == "colocate":
            for key in ("serve", "base_url", "gpus"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"{key}: applies to vLLM's server only; write `mode: server`, or leave it out")
            return self
        if self.serve == "external" and self.base_url is None:
            raise ValueError("mode 'server' needs `base_url`, the address of vLLM's server, or `serve: job`")
        self.check_served()
        if self.serve == "job" and not self.gpus:
            raise ValueError("gpus: name GPUs for the job's server, which cannot share the training GPUs")
        return self


class Sft(Section):
    """The supervised baseline on the labelled questions; every RL run starts from its best checkpoint."""

    seed: int = Field(0, description="Seed for the order of examples.")
    epochs: Count = Field(12, description="Passes over the labelled questions.")
    validate_every: Count = Field(
        1,
        description="Validate and save a checkpoint every N epochs; raise it if there are few labels, since "
        "validation then takes longer than an epoch.",
    )
    learning_rate: Positive = Field(4e-4, description="Peak learning rate, after warm-up; then linear decay.")
    batch_size: Count = Field(16, description="Examples per optimiser step.")
    micro_batch_size: Count | None = Field(
        None, description="Examples per forward and backward pass; null takes batch_size."
    )
    warmup: Annotated[int, Field(ge=0)] = Field(10, description="Warm-up, in optimiser steps.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="AdamW's weight decay.")
    max_grad_norm: Positive = Field(1.0, description="Gradient clipping.")
    bf16: bool = Field(False, description="bfloat16 autocast, for GPUs and CPUs that support it.")
    gradient_checkpointing: bool = Field(False, description="Recompute activations: slower, but needs less memory.")
    lora: Lora | None = Field(
        None, description="Train adapters instead of all weights in this stage; RL then starts from the merged model."
    )


class Ppo(Section):
    """Settings that only algorithms with a critic use."""

    trunk: Literal["own", "shared"] = Field(
        "own",
        description="The critic's trunk: `own`, a copy of the policy's (our choice), or `shared`, the policy's trunk "
        "with a value head (ReFT), which is faster and lets the value loss change the policy.",
    )
    epochs: Count = Field(2, description="Passes over each rollout (ReFT: 2).")
    minibatches: Count = Field(2, description="Optimiser steps per pass.")
    gamma: Fraction = Field(1.0, description="Discount factor (ReFT: 1).")
    gae_lambda: Fraction = Field(0.95, description="GAE's lambda (ReFT: 0.95); not the mixing weight.")
    value_clip: Positive = Field(0.2, description="Clip range of the value loss (ReFT: 0.2).")
    value_coefficient: Positive = Field(
        0.5, description="Weight of the value loss (our choice for `trunk: own`; ReFT, with a shared trunk: 5)."
    )
    critic_learning_rate: Positive = Field(1e-3, description="Learning rate of the critic.")
    critic_warmup: Annotated[int, Field(ge=0)] = Field(
        4, description="Number of first rollouts in which only the critic is trained."
    )


class Validation(Section):
    """Validation of the policy during training, with labels that never reach a reward."""

    every: Count = Field(5, description="Validate every N steps.")
    questions: Count = Field(300, description="Number of validation questions to use.")
    on_collapse: Literal["flag", "stop", "rollback", "raise_lambda"] = Field(
        "flag",
        description="What to do on a collapse: `flag` it in the report; `stop` the run; `rollback`: stop it, with its "
        "best checkpoint by validation as the result (which uses validation labels); or `raise_lambda`: give the "
        "labels more weight (0.25 at a time, up to 0.9).",
    )
    collapse_drop: Fraction = Field(
        0.1,
        description="A collapse: true accuracy is more than this below its best so far, while the judge's mean score "
        "is no lower. A pairwise judge counts as no lower while its win rate against SFT has fallen less than half as "
        "far as the true win rate. True accuracy below half of its best is a collapse too, whatever the judge's score.",
    )
    collapse_patience: Count = Field(2, description="Number of consecutive validations that must show a collapse.")
    early_stopping_patience: Count | None = Field(
        None,
        description="Stop a run after this many validations without a better greedy accuracy, with its best checkpoint "
        "by validation as the result (which uses validation labels); null trains all steps.",
    )
    reference: bool = Field(
        True,
        description="Keep the policy that RL starts from in memory, to report the policy's KL divergence from it.",
    )


class LambdaSchedule(Section):
    """Lambda over the rollouts of a run: it moves linearly from `start` to the run's own value and stays there."""

    start: Fraction = Field(description="Lambda at the first rollout.")
    steps: Count | None = Field(
        None,
        description="The rollout, counted from 1, at which lambda reaches the run's own value; null takes the last "
        "one. At most `rl.steps`.",
    )


class SignalGate(Section):
    """Whether RL has anything to learn from, before its first step: limits for the baseline's responses to validation
    questions and the judge's scores of them, as the calibration samples them."""

    min_mixed: Fraction | None = Field(
        0.05,
        description="Minimum fraction of groups with both correct and incorrect responses. In any other group, all "
        "that a reward tells apart is equally correct. null sets no limit.",
    )
    max_truncated: Fraction | None = Field(
        0.5, description="Maximum fraction of responses that are truncated; null sets no limit."
    )
    min_correlation: Annotated[float, Field(ge=-1, le=1)] | None = Field(
        0.5,
        description="Minimum correlation between the judge's advantages (a score minus its mean over the question's "
        "responses) and those of a reward for correctness; checked if the judge rewards any run. In the toy world, no "
        "judge of 0.46 or less made a student better (docs/studies/signal.md). null sets no limit.",
    )
    on_weak: Literal["warn", "stop"] = Field(
        "warn", description="Beyond a limit: `warn` in the log and the report, or `stop` before RL."
    )


class GroupFilter(Section):
    """Replace the groups of a rollout that carry no signal by groups of other questions of the same pool (in DAPO:
    dynamic sampling). A group is a question's responses. One that fails after the last redraw is left out of the
    update. A rollout takes up to `redraws` + 1 times the sampling and judging."""

    by: Literal["outcome", "spread"] = Field(
        "outcome",
        description="A group passes if it has both correct and incorrect responses (`outcome`): by the verifier where "
        "lambda uses the label, elsewhere by whether the judge accepts them; without either, it passes. Or if its "
        "rewards differ (`spread`). Shaped rewards (partial credit, a length penalty, a judge's probabilities) also "
        "differ between responses that are all wrong, and such groups then train the policy on these differences.",
    )
    min_spread: Annotated[float, Field(ge=0)] = Field(
        0.0, description="`spread`: a group passes if the standard deviation of its rewards is above this."
    )
    redraws: Count = Field(3, description="How many times the failed groups of a rollout are replaced.")

    @model_validator(mode="after")
    def check_spread(self) -> Self:
        if self.min_spread and self.by != "spread":
            raise ValueError("min_spread: has no effect with `by: outcome`; leave it out, or write `by: spread`")
        return self


class RewardTerm(Section):
    """A reward of your own: a Python function of lists of questions, completions and gold answers (None where a
    completion's question is unlabelled, and everywhere at lambda 0). It returns a number for each completion, or None
    where the reward is unknown, which leaves it missing."""

    file: str = Field(
        description="File and function, such as my_terms.py:brevity. The file runs in every training job; an edit of "
        "it trains all RL runs again, an edit of what it imports does not.",
    )
    weight: float = Field(description="The function's values are multiplied by this and added to the reward.")

    @field_validator("file")
    @classmethod
    def check_file(cls, value: Any) -> Any:
        if not re.fullmatch(r".+\.py:[A-Za-z_]\w*", value):
            raise ValueError(f"{value!r} does not name a function in a Python file, such as my_terms.py:brevity")
        return value


class Rl(Section):
    """Reinforcement learning: a grid of algorithms x lambda x seeds; all runs share the other settings."""

    algorithms: list[str] = Field(["grpo", "ppo"], description=f"Any of: {', '.join(ALGORITHMS)}.")
    lambda_: list[Fraction] = Field(
        [0.0, 0.5, 1.0],
        alias="lambda",
        description="Weights of the verifiable reward on labelled questions; at 1 the judge contributes no reward, at "
        "0 the labels contribute none.",
    )
    lambda_schedule: LambdaSchedule | None = Field(
        None,
        description="Move lambda linearly to the run's own value; null keeps it constant, as runs at 0 and 1 always "
        "do.",
    )
    seeds: list[int] = Field([0], description="Seeds for the order of questions and for sampling.")
    runs: list[str] | None = Field(
        None,
        min_length=1,
        description="The grid's runs to train, by name (`grpo-lambda0.5-seed0`), such as several seeds of the primary "
        "comparison's runs and one of the others; null trains all of them.",
    )
    steps: Count = Field(80, description="Number of rollouts, the same in every run.")
    prompts_per_step: Count = Field(32, description="Questions per rollout.")
    num_generations: Annotated[int, Field(ge=2)] = Field(8, description="Responses per question (the group).")
    labeled_fraction: Fraction = Field(
        0.5, description="Fraction of a rollout's questions that are labelled; at lambda 1 all are."
    )
    learning_rate: Positive = Field(
        3e-5,
        description="Peak learning rate of the policy. Our choice for the shipped student, which 1.5e-4 ruins in a "
        "few steps; ReFT's PPO uses 3e-6 for Galactica-125M and 3e-7 for 6.7B.",
    )
    lr_scheduler: Literal["constant_with_warmup", "linear", "cosine"] = Field(
        "constant_with_warmup", description="Learning-rate schedule after warm-up."
    )
    warmup: Annotated[int, Field(ge=0)] = Field(10, description="Warm-up, in rollouts.")
    max_grad_norm: Positive = Field(1.0, description="Gradient clipping.")
    temperature: Positive = Field(1.0, description="Sampling temperature of rollouts.")
    kl_coefficient: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="Weight of the KL divergence from the policy that RL starts from (ReFT, in the reward: 0.01 for "
        "programs, 0.05 for text).",
    )
    kl_placement: Literal["loss", "reward"] = Field(
        "loss",
        description="Add the KL term to the `loss` (DeepSeekMath's GRPO) or to the `reward`, token by token (ReFT's "
        "PPO). `reward` does not work with dapo and gspo, which divide rewards by their standard deviation.",
    )
    entropy_coefficient: float = Field(
        0.0,
        description="Weight of an entropy bonus in the loss (TRL's `entropy_coef`): the mean entropy per token, in "
        "nats, is maximised; below 0 it is minimised.",
    )
    mask_truncated: bool = Field(
        False,
        description="Leave truncated responses out of the loss (TRL's `mask_truncated_completions`, from DAPO). Their "
        "rewards still count in their group's mean.",
    )
    center_judge: bool = Field(
        False,
        description="Subtract from the judge's score its mean over the question's responses. No effect on unlabelled "
        "questions with algorithms whose baseline is the group mean.",
    )
    length_penalty: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Reward deducted from a response of maximum length; from shorter ones, in proportion."
    )
    partial_credit: Fraction = Field(0.1, description="Verifiable reward of a wrong answer (ReFT: 0.1); 0 for none.")
    reward_terms: list[RewardTerm] = Field(
        [],
        description="Rewards of your own, added to the mixed reward of every completion, labelled or not, in all RL "
        "runs, and logged one by one.",
    )
    group_filter: GroupFilter | None = Field(
        None, description="Replace groups of responses that carry no signal; null keeps all groups."
    )
    max_missing_fraction: Fraction = Field(
        0.25, description="Skip the update if more than this fraction of a rollout's rewards is missing."
    )
    max_skipped_steps: Annotated[int, Field(ge=0)] = Field(
        3,
        description="Fail if more than this many updates in a row are skipped; a rerun resumes from the last "
        "checkpoint.",
    )
    micro_batch_size: Count | None = Field(None, description="Responses per forward and backward pass; null takes all.")
    generation_batch_size: Count = Field(256, description="Responses per generation batch in a rollout.")
    save_every: Count = Field(
        10,
        description="Save a checkpoint every N rollouts; a killed run loses at most this much work. A run keeps its "
        "newest complete checkpoint and its best model by validation: four times the size of the weights, eight while "
        "a checkpoint is being written.",
    )
    signal: SignalGate = Field(
        default_factory=SignalGate, description="Limits below which RL has too little to learn from."
    )
    keep_rollouts: Annotated[int, Field(ge=0)] = Field(
        1,
        description="Keep every Nth rollout on disk: all its responses with their rewards and log-probabilities, in "
        "runs/<run>/rollouts; 0 keeps none. A change retrains nothing, except from 0: then every RL run trains again.",
    )
    vllm: Vllm | None = Field(None, description="Sample rollouts with vLLM; null samples with transformers.")
    bf16: bool = Field(False, description="bfloat16 autocast.")
    gradient_checkpointing: bool = Field(False, description="Recompute activations: slower, but needs less memory.")
    lora: Lora | None = Field(
        None,
        description="Train adapters instead of all the policy's weights in this stage; a critic with its own trunk is "
        "still trained in full.",
    )
    ppo: Ppo = Field(default_factory=Ppo, description="Settings of algorithms with a critic.")
    validation: Validation = Field(default_factory=Validation, description="Validation during training.")

    @field_validator("reward_terms")
    @classmethod
    def check_terms(cls, value: Any) -> Any:
        names = [term.file.rpartition(":")[2] for term in value]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two functions are called {twice[0]}, the name in logs and curves; rename one")
        return value

    @field_validator("algorithms")
    @classmethod
    def check_algorithms(cls, value: Any) -> Any:
        for name in value:
            if name not in ALGORITHMS:
                raise ValueError(f"{name!r} does not exist; choose from {', '.join(ALGORITHMS)}")
        return value

    @model_validator(mode="after")
    def check_schedule(self) -> Self:
        schedule = self.lambda_schedule
        if schedule and schedule.steps is not None and schedule.steps > self.steps:
            raise ValueError(f"lambda_schedule.steps {schedule.steps} is more than steps {self.steps}")
        if self.labeled_fraction == 0 and set(self.lambda_) - {0, 1}:
            raise ValueError("labeled_fraction 0: rollouts have no labelled questions, so lambda would have no effect")
        if self.kl_placement == "reward" and not self.kl_coefficient:
            raise ValueError("kl_placement: 'reward' needs a `kl_coefficient` above 0")
        validation = self.validation
        if validation.every > self.steps and (validation.on_collapse != "flag" or validation.early_stopping_patience):
            raise ValueError(
                f"validation.every {validation.every} is more than steps {self.steps}, so the run would never be "
                "validated between its first and last step"
            )
        divided = [name for name in self.algorithms if ALGORITHMS[name].scale_rewards != "none"]
        if self.kl_coefficient and self.kl_placement == "reward" and divided:
            raise ValueError(
                f"kl_placement: 'reward' does not work with {', '.join(divided)}, where rewards are divided by their "
                "standard deviation"
            )
        return self

    @model_validator(mode="after")
    def check_sampling(self) -> Self:
        critics = [name for name in self.algorithms if ALGORITHMS[name].critic]
        if critics and self.vllm:
            raise ValueError(f"vllm: {critics[0]!r} has a critic, which vLLM does not support; leave out one of them")
        if self.group_filter and self.vllm:
            raise ValueError("group_filter: does not work with `vllm`; leave out one of them")
        if self.group_filter and critics:
            raise ValueError(
                f"group_filter: {critics[0]!r} has a critic, so it also learns from groups without spread; leave out "
                "one of them"
            )
        return self

    _without_dropout = field_validator("lora")(without_dropout)

    @field_validator("algorithms", "lambda_", "seeds")
    @classmethod
    def check_distinct(cls, value: Any) -> Any:
        if not value:
            raise ValueError("is an empty list, which leaves no run; name at least one")
        if len({f"{item:g}" if isinstance(item, float) else item for item in value}) != len(value):
            raise ValueError(f"{value} names something twice (run names show six digits of a lambda)")
        return value


class Replay(Section):
    """Judges that judge the completions of every RL run again after training, as `gavel replay` does. They give no
    reward; the report shows what they would have rewarded."""

    judges: NamedJudges = Field(
        {}, description="Name -> model folder, or a study's YAML file for its judge (one that is already trained)."
    )
    every: Count = Field(1, description="Replay every Nth step that was kept (`rl.keep_rollouts`).")


class Controls(Section):
    """Runs beside the grid that tell what a judge's reward is worth: other rewards, other baselines, upper bounds. They
    start from the baseline, with the questions of the runs with lambda below 1 in the same order, as many steps and as
    many completions of each, and have no part in the primary comparison."""

    rewards: list[Literal[*CONTROL_REWARDS]] = Field(
        [],
        description="RL with another reward, each on all questions: `majority-vote` of the question's completions (no "
        "judge, no label), a `coin`, `format` (any readable answer), `all-answers` (the verifier, with the withheld "
        "answers of unlabelled questions: an upper bound).",
    )
    sft: list[Literal["judge-accepted", "majority-vote", "all-answers"]] = Field(
        [],
        description="SFT from the baseline on its own samples of RL's questions: those that the judge accepts "
        "(`judge-accepted`, rejection sampling) or that have the majority's answer (`majority-vote`); or on the "
        "reference solutions of all of these questions (`all-answers`: an upper bound).",
    )
    base: bool = Field(False, description="Evaluate the student before any training, too.")
    algorithm: str | None = Field(None, description="Algorithm of the RL controls; null takes the grid's first.")
    seeds: list[int] | None = Field(None, min_length=1, description="Seeds of the controls; null takes `rl.seeds`.")
    epochs: Count = Field(
        1, description="Passes of SFT controls over their examples; other settings are those of `sft`."
    )

    @field_validator("algorithm")
    @classmethod
    def check_algorithm(cls, value: Any) -> Any:
        if value is not None and value not in ALGORITHMS:
            raise ValueError(f"{value!r} does not exist; choose from {', '.join(ALGORITHMS)}")
        return value

    @field_validator("rewards", "sft", "seeds")
    @classmethod
    def check_distinct(cls, value: Any) -> Any:
        if value is not None and len(set(value)) != len(value):
            raise ValueError(f"{value} names something twice")
        return value
