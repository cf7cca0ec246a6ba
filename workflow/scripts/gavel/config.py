"""The config, typed once: defaults, checks, the JSON schema and the reference in config/README.md come from here.

No other library module imports this one. The Snakefile validates with it and hands plain values on, so that a change
of one key reruns the rules that use that key and no others.
"""

import difflib
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gavel.algorithms import ALGORITHMS
from gavel.errors import InputError
from gavel.judge import KINDS

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A closed section: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False, protected_namespaces=())


class Source(Section):
    """Where problems come from: the embedded generator, a local file or folder, or a hub data set."""

    reader: Literal["generator", "gsm8k", "gsm_plus", "svamp", "jsonl"] = Field(
        description="How to read it. `generator` makes problems; the others read the published layouts; `jsonl` is "
        "this project's own record layout."
    )
    path: str | None = Field(None, description="Local file or folder, or a hub data set's name (not for `generator`).")
    name: str | None = Field(None, description="Hub configuration, such as `main` for openai/gsm8k.")
    split: str | None = Field(None, description="Hub split, such as `train` or `testmini`.")
    revision: str | None = Field(None, description="Hub commit or tag; pin it for a study that others repeat.")
    limit: Count | None = Field(None, description="Keep only the first so many rows.")
    set: Literal["pretrain", "main", "svamp", "plus"] | None = Field(
        None,
        description="Generator only: which kind of problems. `plus` perturbs the test set named by `of`.",
    )
    size: Count | None = Field(None, description="Generator only: number of problems.")
    seed: int = Field(0, description="Generator only: another seed gives other problems.")
    of: str | None = Field(None, description="Generator set `plus` only: the test set whose problems are perturbed.")

    @model_validator(mode="after")
    def complete(self):
        if self.reader == "generator":
            if self.set is None or self.size is None:
                raise ValueError("reader 'generator' needs `set` and `size`")
            if (self.set == "plus") != (self.of is not None):
                raise ValueError("`of` names the perturbed test set: needed with set 'plus', and only there")
        elif self.path is None:
            raise ValueError(f"reader {self.reader!r} needs `path`")
        return self


class Data(Section):
    """Problems and splits. Splits are disjoint by normalised question and decided by the seed and the row ids."""

    seed: int = Field(0, description="Decides which problems go to which split.")
    pretrain: Source | None = Field(
        None, description="What models made from scratch read; null where models come from elsewhere."
    )
    train: Source = Field(description="Labelled, unlabelled and validation problems are drawn from here.")
    labeled: int | float = Field(description="Labelled problems: a count, or a share of train between 0 and 1.")
    unlabeled: int | float = Field(description="Unlabelled problems (answers removed): a count or a share.")
    validation: int | float = Field(description="Validation problems: a count or a share. All selection uses these.")
    tests: dict[str, Source] = Field(description="Test sets by name; read by evaluation and audit only.")
    ngram: Count = Field(8, description="Word n-grams of this length count as overlap in the audit.")

    @field_validator("labeled", "unlabeled", "validation")
    @classmethod
    def count_or_share(cls, value):
        if value <= 0 or (isinstance(value, float) and not value.is_integer() and value >= 1):
            raise ValueError(f"{value} is neither a count (1, 2, ...) nor a share between 0 and 1")
        return value

    @field_validator("tests")
    @classmethod
    def some_test(cls, value):
        if not value:
            raise ValueError("name at least one test set")
        for name, source in value.items():
            if not name.replace("_", "").replace("-", "").isalnum():
                raise ValueError(f"test set name {name!r} may hold letters, digits, '-' and '_' only")
            if source.of is not None and (source.of == name or source.of not in value):
                raise ValueError(f"test set {name!r} perturbs {source.of!r}, which is not another test set")
        return value


class Solution(Section):
    """How the student answers."""

    format: Literal["program", "text"] = Field(
        "program",
        description="`program`: a Python function whose return value is the answer; `text`: free text.",
    )
    prompt: str = Field("solve", description="Solving prompt: a shipped name (solve, reft) or a file with {question}.")
    max_new_tokens: Count = Field(64, description="Longest solution, in tokens.")


class Scratch(Section):
    """A tiny model made from nothing on `data.pretrain` (with `model: scratch`)."""

    width: Count = Field(128, description="Hidden size.")
    layers: Count = Field(4, description="Number of layers.")
    heads: Count = Field(4, description="Attention heads.")
    steps: Count = Field(description="Optimiser steps.")
    batch_size: Count = Field(64, description="Documents a step.")
    seed: int = Field(0, description="Weights and order of documents.")


class StudentScratch(Scratch):
    """A tiny student made from nothing on `data.pretrain` (with `student.model: scratch`)."""

    steps: Count = Field(400, description="Optimiser steps.")
    wrong: Share = Field(0.25, description="Share of documents whose program is wrong: what is left to learn later.")
    bare: Share = Field(0.2, description="Share of documents without a question.")


class JudgeScratch(Scratch):
    """A tiny judge made from nothing on `data.pretrain` (with `judge.model: scratch`)."""

    steps: Count = Field(1200, description="Optimiser steps on judging pairs.")
    reading_steps: Count = Field(450, description="Optimiser steps of language modelling before that.")
    samples: Count = Field(4, description="The untuned student's samples for each question that it is asked.")
    questions: Count = Field(4000, description="Questions that the untuned student is sampled on.")


class Model(Section):
    """A causal language model."""

    model: str = Field(description="Hub name, local folder, or `scratch`.")
    revision: str | None = Field(None, description="Hub commit or tag.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="Type of the weights.")
    pad_token: str | None = Field(None, description="Set where the tokenizer has none (Galactica: `<pad>`).")
    eos_token: str | None = Field(None, description="Set where the tokenizer has none (Galactica: `</s>`).")


class Student(Model):
    """The small model that learns."""

    scratch: StudentScratch = Field(default_factory=StudentScratch, description="Recipe for `model: scratch`.")


class Server(Section):
    """An OpenAI-compatible server that runs the judge (vLLM, llama.cpp, hosted ones)."""

    base_url: str = Field(
        pattern=r"^https?://",
        description="Of its API, such as http://localhost:8000/v1; `judge.model` is its name there.",
    )
    api_key_env: str = Field("OPENAI_API_KEY", description="Environment variable that holds the key, if it needs one.")
    top_logprobs: Annotated[int, Field(ge=2, le=20)] = Field(
        20, description="Likeliest tokens to list; a label that is not among them counts as 0. Some servers allow 5."
    )
    concurrency: Count = Field(32, description="Requests at a time.")
    timeout_s: Positive = Field(60.0, description="Seconds that one request may take.")
    retries: Annotated[int, Field(ge=0)] = Field(
        5,
        description="Further attempts at a request that failed, each after a longer wait; then its reward is missing.",
    )


class Judge(Model):
    """The model that pays for solutions."""

    dtype: Literal["float32", "bfloat16", "float16", "auto"] = Field(
        "float32",
        description="Type of the weights; `auto` is bfloat16 where the processor computes in it, else float32.",
    )
    kind: str = Field("single-token", description=f"Kind of judge: {', '.join(KINDS)}.")
    prompt: str | Annotated[list[str], Field(min_length=1)] = Field(
        "judge",
        description="Judging prompt: a shipped name (judge, judge-instruct) or a file. Of a list of phrasings the "
        "probabilities are averaged.",
    )
    labels: tuple[str, str] = Field(
        (" Yes", " No"), description="The words for right and wrong, each one token where it stands."
    )
    swap_labels: bool = Field(
        False, description="Ask in both orders of the prompt's slot {labels} ('Yes or No', 'No or Yes') and average."
    )
    score: Literal["probability", "log-odds", "hard"] = Field(
        "probability",
        description="What is paid: P(Yes) / (P(Yes) + P(No)), its log-odds (within -10 and 10), or 0 and 1.",
    )
    chat: bool = Field(False, description="Put the prompt through the model's chat template.")
    server: Server | None = Field(None, description="Ask a server instead of loading the model.")
    cache: Literal["off", "run", "study"] = Field(
        "run",
        description="Keep answers, so that a resumed training run asks nothing twice: for each run apart, or for all "
        "jobs of the study (saves money with a hosted judge; results then depend, in the last digits, on who asked "
        "first).",
    )
    min_within_auc: Share | None = Field(
        None, description="The least AUC within questions that the judge should have before it pays; null asks nothing."
    )
    below: Literal["warn", "stop"] = Field(
        "warn", description="What a judge below `min_within_auc` does: a warning in log and report, or no RL."
    )
    max_tokens: Count = Field(
        2048, description="Longest judging prompt; the beginning of a longer one is cut (a server does as it does)."
    )
    batch_tokens: Count = Field(16384, description="Tokens in one forward pass; lower it when memory runs out.")
    calibration_samples: Count = Field(8, description="SFT samples of each validation problem for the calibration.")
    scratch: JudgeScratch = Field(default_factory=JudgeScratch, description="Recipe for `model: scratch`.")

    @field_validator("cache", mode="before")
    @classmethod
    def off(cls, value):
        return "off" if value is False else value  # what YAML makes of it

    @field_validator("labels")
    @classmethod
    def different(cls, value):
        if value[0] == value[1]:
            raise ValueError("choose two different words")
        return value

    @model_validator(mode="after")
    def possible(self):
        if self.server and self.model == "scratch":
            raise ValueError("server: the model made from scratch runs in the jobs; leave out `server`")
        if self.below == "stop" and self.min_within_auc is None:
            raise ValueError("below: 'stop' needs `min_within_auc`")
        return self

    @field_validator("kind")
    @classmethod
    def known(cls, value):
        if value not in KINDS:
            raise ValueError(f"{value!r} does not exist; choose one of {', '.join(KINDS)}")
        return value


class Lora(Section):
    """Low-rank adapters (Hu et al. 2021) through the package peft; what a run leaves is the merged, plain model."""

    r: Count = Field(16, description="Rank.")
    alpha: Positive = Field(32, description="The adapters' output is scaled by alpha / r.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="Dropout before the adapters.")
    target_modules: list[str] | None = Field(
        None, description="Names of the layers that get adapters, such as [q_proj, v_proj]; null takes all linear ones."
    )


class Vllm(Section):
    """Rollouts sampled by vLLM (needs a GPU and the package). Its random numbers are its own: a resumed run goes on
    correctly, but not with the completions that an uninterrupted one would have drawn."""

    mode: Literal["colocate", "server"] = Field(
        "colocate", description="On the training GPUs, or on a server of its own (`trl vllm-serve`)."
    )
    base_url: str | None = Field(
        None, pattern=r"^https?://", description="Mode `server`: where it is, such as http://node7:8000."
    )
    timeout_s: Positive = Field(240.0, description="Mode `server`: seconds to wait for it to be up.")
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
        if (self.mode == "server") != (self.base_url is not None):
            raise ValueError("`base_url` says where vLLM's server is: needed with mode 'server', and only there")
        return self


class Sft(Section):
    """The supervised baseline on the labelled problems; every RL run starts from its best checkpoint."""

    seed: int = Field(0, description="Order of examples.")
    epochs: Count = Field(12, description="Passes over the labelled problems.")
    check_every: Count = Field(
        1,
        description="Epochs between two looks at the validation problems, and two checkpoints; few labels make epochs "
        "cheaper than looks.",
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


class MonitorConfig(Section):
    """Watching the policy on validation problems during training."""

    every: Count = Field(5, description="Steps between two looks.")
    questions: Count = Field(300, description="Validation problems looked at.")
    action: Literal["flag", "stop", "rollback", "raise_lambda"] = Field(
        "flag",
        description="What a collapse leads to: a mark in the report; the end of the run; its end with the best "
        "checkpoint by validation (which uses validation labels); or more weight for the labels (0.25 at a time, up to "
        "0.9).",
    )
    collapse_drop: Share = Field(
        0.05, description="Collapse: true accuracy more than this below its best so far, while the judge pays no less."
    )
    collapse_patience: Count = Field(2, description="Looks in a row that must show it before it is called a collapse.")
    early_stop: Count | None = Field(
        None,
        description="Looks without a better greedy accuracy after which a run ends with its best checkpoint by "
        "validation (which uses validation labels); null trains all steps.",
    )
    reference: bool = Field(
        True, description="Keep the SFT policy in memory, to show how far (KL) the policy has moved from it."
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
    lambda_start: Share | None = Field(
        None,
        description="Lambda of the first rollout, from where it moves linearly to the cell's own; null keeps the "
        "cell's own throughout, as cells at 0 and 1 always do.",
    )
    lambda_steps: Count | None = Field(
        None, description="Rollouts until lambda has reached the cell's own; null takes all steps."
    )
    seeds: list[int] = Field([0], description="Order of problems and sampling noise.")
    steps: Count = Field(80, description="Rollouts; the same in every cell.")
    prompts_per_step: Count = Field(32, description="Problems in a rollout.")
    num_generations: Annotated[int, Field(ge=2)] = Field(8, description="Completions of each problem (the group).")
    labeled_share: Share = Field(0.5, description="Share of labelled problems in a rollout; at lambda 1 all are.")
    learning_rate: Positive = Field(1.5e-4, description="Peak learning rate of the policy.")
    lr_scheduler: Literal["constant_with_warmup", "linear", "cosine"] = Field(
        "constant_with_warmup", description="Learning rate after warm-up."
    )
    warmup: Annotated[int, Field(ge=0)] = Field(10, description="Warm-up, in rollouts.")
    max_grad_norm: Positive = Field(1.0, description="Gradient clipping.")
    temperature: Positive = Field(1.0, description="Of the rollout's sampling.")
    kl: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Weight of the KL to the SFT policy (ReFT, in the reward: 0.01 for programs, 0.05 for text)."
    )
    kl_in: Literal["loss", "reward"] = Field(
        "loss",
        description="Where that KL stands: in the loss (DeepSeekMath's GRPO), or token by token in the reward (ReFT's "
        "PPO); the latter not with dapo and gspo, which divide rewards by their spread.",
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
    max_missing_rewards: Share = Field(
        0.25, description="A rollout with more rewards missing does not move the policy."
    )
    max_skipped_steps: Annotated[int, Field(ge=0)] = Field(
        3, description="More such rollouts in a row end the job, which goes on from its last checkpoint when run again."
    )
    micro_batch_size: Count | None = Field(None, description="Completions in memory at a time; null takes all.")
    micro_rollout: Count = Field(256, description="Completions decoded at a time.")
    save_every: Count = Field(
        10,
        description="Rollouts between two checkpoints, which is what a kill can cost. The newest whole one is kept, "
        "and the best model by validation: four times the weights' size a run, eight while a checkpoint is written.",
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
    monitor: MonitorConfig = Field(default_factory=MonitorConfig, description="Looks at validation problems.")

    @field_validator("algorithms")
    @classmethod
    def known(cls, value):
        for name in value:
            if name not in ALGORITHMS:
                raise ValueError(f"{name!r} does not exist; choose from {', '.join(ALGORITHMS)}")
        return value

    @model_validator(mode="after")
    def reachable(self):
        if self.lambda_steps is not None and self.lambda_steps > self.steps:
            raise ValueError(f"lambda_steps {self.lambda_steps} is more than steps {self.steps}")
        divided = [name for name in self.algorithms if ALGORITHMS[name].scale_rewards != "none"]
        if self.kl and self.kl_in == "reward" and divided:
            raise ValueError(
                f"kl_in: 'reward' does not go with {', '.join(divided)}, where rewards are divided by their spread"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def renamed(cls, values):
        if isinstance(values, dict) and "use_vllm" in values:
            raise ValueError("use_vllm has become `vllm`: write `vllm: {mode: colocate}`, or leave it out")
        return values

    @model_validator(mode="after")
    def samplable(self):
        critics = [name for name in self.algorithms if ALGORITHMS[name].critic]
        if critics and self.vllm:
            raise ValueError(f"vllm: {critics[0]!r} has a critic, which vLLM knows nothing of; leave out one of them")
        return self

    @field_validator("algorithms", "lambda_", "seeds")
    @classmethod
    def distinct(cls, value):
        if len(set(value)) != len(value):
            raise ValueError(f"{value} names something twice")
        return value


class Evaluation(Section):
    """Test-time sampling, the same for every run."""

    samples: Count = Field(16, description="Samples of each test problem, besides the greedy one.")
    temperature: Positive = Field(0.7, description="Of those samples (ReFT's voting samples at 0.7 too).")
    ks: list[Count] = Field([1, 2, 4, 8, 16], description="maj@k and pass@k for these k, none above `samples`.")
    seed: int = Field(0, description="Sampling noise.")
    batch_size: Count = Field(512, description="Completions decoded at a time.")
    judge: bool = Field(True, description="Ask the judge about every distinct solution (for the report only).")

    @model_validator(mode="after")
    def enough(self):
        if max(self.ks, default=0) > self.samples:
            raise ValueError(f"ks has {max(self.ks)}, but there are only {self.samples} samples")
        return self


class Primary(Section):
    """The one comparison that the study was made for, named before any run; all others are corrected for number."""

    algorithm: str = Field("grpo", description="Of `rl.algorithms`.")
    lambda_: Share = Field(0.5, alias="lambda", description="Of `rl.lambda`.")
    seed: int = Field(0, description="Of `rl.seeds`.")
    set: str = Field(description="Of `data.tests`.")
    metric: Literal["greedy", "maj"] = Field("greedy", description="`greedy`, or `maj` at the largest k.")


class Tracking(Section):
    """MLflow."""

    uri: str | None = Field(None, description="Tracking server; null keeps an SQLite store in `results_dir`.")


class Compute(Section):
    """What a training or sampling job asks the scheduler for."""

    threads: Count = Field(1, description="CPU threads of a job; tiny models are fastest as many one-thread jobs.")
    gpus: Annotated[int, Field(ge=0)] = Field(0, description="GPUs of a job.")
    processes: Count = Field(
        1, description="Processes of a training job, one for each GPU that it is to use; they share its CPU threads."
    )
    distributed: Literal["ddp", "fsdp", "deepspeed"] = Field(
        "ddp",
        description="How several processes share the training: each with everything (`ddp`), with a shard of policy, "
        "gradients and optimiser (`fsdp`), or of the last two (`deepspeed`, ZeRO 2). The files are in "
        "workflow/accelerate.",
    )
    mem_mb: Count = Field(3000, description="Memory of a job.")
    runtime: Count = Field(60, description="Minutes after which a scheduler may stop a job.")


class Shared(Section):
    """Folders of other studies whose stage this one takes; a sweep fills this in for what its variants agree in."""

    student: str | None = Field(None, description="Of a student made from scratch.")
    judge: str | None = Field(None, description="Of a judge made from scratch.")
    sft: str | None = Field(None, description="Of an SFT baseline made from the same data and settings.")


class Sweep(Section):
    """The same study several times over, with some keys changed: a folder and a report each, and one that compares."""

    axis: Literal["variant", "labels", "judge_auc"] = Field(
        "variant",
        description="What accuracy is drawn against: the variants by name, their number of labelled problems, or their "
        "judge's AUC within questions.",
    )
    variants: dict[str, dict | None] = Field(
        min_length=2, description="Name -> the keys that differ from the config around the sweep."
    )

    @field_validator("variants")
    @classmethod
    def named(cls, value):
        for name in value:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
                raise ValueError(f"variant name {name!r}: a letter, then letters, digits and '_' only")
        return {name: overlay or {} for name, overlay in value.items()}


class Config(Section):
    """A whole study."""

    study: str = Field(description="Short name; MLflow's experiment.", pattern=r"^[A-Za-z0-9_.-]+$")
    question: str = Field("Does the judge's reward help?", description="What the study asks; the report's headline.")
    results_dir: str | None = Field(None, description="Where everything goes; `results/<study>` if not given.")
    data: Data = Field(description="Problems and splits.")
    solution: Solution = Field(default_factory=Solution, description="How the student answers.")
    student: Student = Field(description="The small model that learns.")
    judge: Judge = Field(description="The model that pays.")
    sft: Sft = Field(default_factory=Sft, description="The supervised baseline.")
    rl: Rl = Field(default_factory=Rl, description="The grid.")
    evaluation: Evaluation = Field(default_factory=Evaluation, description="Test-time sampling.")
    primary: Primary = Field(description="The comparison named in advance.")
    tracking: Tracking = Field(default_factory=Tracking, description="MLflow.")
    compute: Compute = Field(default_factory=Compute, description="Resources of a job.")
    sweep: Sweep | None = Field(None, description="Run the study in several variants.")
    shared: Shared = Field(default_factory=Shared, description="Stages taken from other studies.")

    @model_validator(mode="after")
    def consistent(self):
        self.results_dir = self.results_dir or f"results/{self.study}"  # no study writes into another's
        for key, options in (
            ("algorithm", self.rl.algorithms),
            ("seed", self.rl.seeds),
            ("set", list(self.data.tests)),
        ):
            if getattr(self.primary, key) not in options:
                raise ValueError(f"primary.{key} {getattr(self.primary, key)!r} is not one of the study's: {options}")
        if self.primary.lambda_ not in self.rl.lambda_:
            raise ValueError(f"primary.lambda {self.primary.lambda_} is not one of the study's: {self.rl.lambda_}")
        self.trainable()
        if self.rl.monitor.action == "raise_lambda" and 0 in self.rl.lambda_:
            raise ValueError("rl.monitor.action 'raise_lambda' needs labels, but rl.lambda names 0, which reads none")
        scratch = [name for name in ("student", "judge") if getattr(self, name).model == "scratch"]
        if scratch and self.data.pretrain is None:
            raise ValueError(f"{scratch[0]}.model is 'scratch', but data.pretrain names nothing to read")
        return self

    def trainable(self) -> None:
        """Whether the training jobs can be shared among the processes and GPUs that `compute` names."""
        count, gpus, kind = self.compute.processes, self.compute.gpus, self.compute.distributed
        if gpus and count > gpus:
            raise ValueError(
                f"compute.processes is {count}, but compute.gpus {gpus}; each process needs a GPU of its own"
            )
        if self.rl.vllm and not gpus:
            raise ValueError("rl.vllm needs a GPU, but compute.gpus is 0")
        if kind != "ddp":
            if count == 1:
                raise ValueError(
                    f"compute.distributed {kind!r} has nothing to share among one process; set compute.processes"
                )
            if not gpus:
                raise ValueError(f"compute.distributed {kind!r} needs GPUs, but compute.gpus is 0; ddp runs without")
            for name in self.rl.algorithms:
                if ALGORITHMS[name].critic:
                    raise ValueError(f"compute.distributed {kind!r} does not train the critic of {name!r}; take ddp")
        for key, size in (("rl.prompts_per_step", self.rl.prompts_per_step), ("sft.batch_size", self.sft.batch_size)):
            if size % count:
                raise ValueError(f"{key} is {size}, which {count} processes (compute.processes) cannot share evenly")


def load(raw: dict) -> dict:
    """Check a config and fill in its defaults.

    Args:
        raw: nested dictionary as read from YAML.

    Returns:
        The resolved config, plain values only, `lambda` under its own name.

    Raises:
        InputError: one line for the first problem: the key, what was found, what is expected, the nearest key.
    """
    return _checked(Config, raw)


def check_sweep(raw: dict) -> dict:
    """Check the section `sweep` alone; its variants are checked once each is merged. Raises `InputError` as `load`."""
    return _checked(Sweep, raw, "sweep")


def _checked(section: type[Section], raw: dict, *path: str) -> dict:
    try:
        return section.model_validate(raw).model_dump(by_alias=True, mode="json")
    except ValidationError as error:
        first, more = error.errors()[0], error.error_count() - 1
        suffix = f" (and {more} more)" if more else ""
        problem = {**first, "loc": (*path, *first["loc"])}
        raise InputError(f"config: {_explain(problem)}{suffix}") from None


def schema() -> dict:
    """The JSON schema: closed, described, with defaults."""
    return Config.model_json_schema(by_alias=True)


def _explain(problem: dict) -> str:
    parts = [str(part) for part in problem["loc"]]
    key = ".".join(parts)
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(parts[-1], _siblings(parts[:-1]), n=1, cutoff=0.5)
        hint = (
            f"; did you mean {'.'.join([*parts[:-1], near[0]])!r}?"
            if near
            else f"; keys here: {', '.join(_siblings(parts[:-1]))}"
        )
        return f"unknown key {key!r}{hint}"
    if problem["type"] == "missing":
        return f"{key!r} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(problem["input"], dict) else f" (found {problem['input']!r})"
    return f"{key}: {message}{shown}" if key else message


def _siblings(parts: list[str]) -> list[str]:
    """The valid keys of the section at a path; keys of mappings such as test-set names lead to the mapping's values."""
    whole = schema()
    node = whole
    for part in parts:
        node = definition(whole, node.get("properties", {}).get(part) or node.get("additionalProperties") or {})
    return list(node.get("properties", {}))


def definition(whole: dict, node: dict) -> dict:
    """The definition that a schema node refers to, or the node itself."""
    options = [node, *node.get("allOf", ()), *node.get("anyOf", ())]
    name = next((option["$ref"] for option in options if "$ref" in option), None)
    return whole["$defs"][name.rsplit("/", 1)[1]] if name else node
