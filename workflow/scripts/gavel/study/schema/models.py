"""The two models: the student, which learns, and the judge, which rewards it."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gavel.common.redaction import check_variable_name, reject_secrets_in_options, reject_secrets_in_url
from gavel.judge.kinds import KINDS, TASKS, task_of
from gavel.study.schema.base import (
    Count,
    Fraction,
    NamedJudges,
    Positive,
    Section,
    ServerSection,
    TemplateArguments,
    check_template_arguments,
)
from gavel.study.schema.judge_kinds import Panel, Simulated
from gavel.study.schema.judge_training import JudgeRl, SelfTaught, Verifier


class Scratch(Section):
    """A tiny model trained from scratch on `data.pretrain` (with `model: scratch`)."""

    width: Count = Field(128, description="Hidden size.")
    layers: Count = Field(4, description="Number of layers.")
    heads: Count = Field(4, description="Attention heads.")
    steps: Count = Field(description="Optimiser steps.")
    batch_size: Count = Field(64, description="Documents per step.")
    seed: int = Field(0, description="Seed for the weights and the order of documents.")


class StudentScratch(Scratch):
    """A tiny student trained from scratch on `data.pretrain` (with `student.model: scratch`)."""

    steps: Count = Field(400, description="Optimiser steps.")
    corrupted_fraction: Fraction = Field(
        0.25,
        description="Fraction of documents with a corrupted program, which leaves room for SFT and RL to improve.",
    )
    no_question_fraction: Fraction = Field(
        0.2, description="Fraction of documents that are a program without a question."
    )


class JudgeScratch(Scratch):
    """A tiny judge trained from scratch on `data.pretrain` (with `judge.model: scratch`)."""

    steps: Count = Field(1200, description="Optimiser steps on judging pairs.")
    lm_steps: Count = Field(450, description="Optimiser steps of language modelling before those.")
    samples: Count = Field(4, description="Responses sampled from the untuned student per question.")
    questions: Count = Field(4000, description="Questions on which the untuned student is sampled.")
    tasks: list[Literal[*TASKS]] | None = Field(
        None,
        min_length=1,
        description="Tasks to train on together: a pointwise judge (`single-token`) or a pairwise one (`pairwise`), or "
        "either after reasoning (`reasoning`, `pairwise-reasoning`). null trains only the task of this study's judge. "
        "With several tasks, each uses the labels of its kind of judge.",
    )


class Model(Section):
    """A causal language model."""

    model: str = Field(description="Hub name, local folder, local GGUF file (its path ends in .gguf), or `scratch`.")
    gguf_file: str | None = Field(
        None,
        description="A GGUF file in the hub repository or local folder `model`, such as model-Q4_K_M.gguf; null takes "
        "the repository's own weights. GGUF files are dequantised and saved as an ordinary model folder.",
    )
    revision: str | None = Field(
        None, description="Hub commit or tag; null downloads the newest. Not allowed for local models."
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="Data type of the weights.")
    pad_token: str | None = Field(
        None,
        description="Padding token, from the vocabulary. null takes the tokenizer's own; if it has none, or if that is "
        "also its end token, a free special token, which the log and the report name.",
    )
    eos_token: str | None = Field(
        None, description="End token, from the vocabulary; set this if the tokenizer has none (Galactica: `</s>`)."
    )


class Student(Model):
    """The small model that learns."""

    scratch: StudentScratch = Field(default_factory=StudentScratch, description="Recipe for `model: scratch`.")


class Server(ServerSection):
    """An OpenAI-compatible server that runs the judge (vLLM, llama.cpp, or a hosted one)."""

    base_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Address of an external server's API, such as http://localhost:8000/v1; `judge.model` is the "
        "model's name there. Write a user name and password as ${NAME}, to be read from environment variables.",
    )
    command: str | Annotated[list[str], Field(min_length=1)] = Field(
        "vllm serve {model} --host {host} --port {port}",
        description="Command with which a job starts its server: one line or a list of words. {model} is "
        "`judge.model`; {host}, {port} and environment variables written as ${NAME}, such as a key, are filled in. "
        "The judge's `revision` and `dtype` are not passed on; write them into the command.",
    )
    restarts: Annotated[int, Field(ge=0)] = Field(
        2, description="How many times a job restarts a server that has died, before the job fails."
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY",
        description="Name of the environment variable with the API key, if the server needs one; in capital letters.",
    )
    top_logprobs: Annotated[int, Field(ge=2, le=20)] = Field(
        20,
        description="Number of most likely tokens to request; a label that is not among them gets probability 0. Some "
        "servers allow only 5.",
    )
    concurrency: Count = Field(32, description="Maximum number of concurrent requests.")
    timeout_s: Positive = Field(60.0, description="Timeout of a request, in seconds.")
    retries: Annotated[int, Field(ge=0)] = Field(
        5,
        description="Retries of a failed request or malformed reply, each after a longer wait; then the reward is "
        "missing.",
    )

    @field_validator("base_url")
    @classmethod
    def check_base_url(cls, value: Any) -> Any:
        if value is not None:
            reject_secrets_in_url(value, references=True)
        return value

    @field_validator("api_key_env")
    @classmethod
    def check_api_key_env(cls, value: Any) -> Any:
        check_variable_name(value)
        return value

    @model_validator(mode="after")
    def check_access(self) -> Self:
        self.check_served()
        return self


class Reasoning(Section):
    """Chain-of-thought judging: the judge reasons before its verdict (Guo et al. 2025, arXiv 2505.14674)."""

    max_new_tokens: Count = Field(512, description="Token budget of the reasoning; the verdict follows in any case.")
    samples: Count = Field(1, description="Reasonings sampled per prompt; their verdicts are combined (`vote`).")
    temperature: Annotated[float, Field(ge=0)] = Field(
        0.7, description="Sampling temperature of the reasoning; 0 is greedy, and needs `samples: 1`."
    )
    vote: Literal["mean", "majority"] = Field(
        "mean",
        description="How to combine verdicts: `mean` averages their probabilities, `majority` takes the fraction of "
        "verdicts for a label.",
    )
    seed: int = Field(0, description="Sampling seed.")

    @model_validator(mode="after")
    def check_samples(self) -> Self:
        if self.samples > 1 and not self.temperature:
            raise ValueError(f"temperature: at 0 all {self.samples} samples would be the same")
        return self


class Benchmark(Section):
    """The judge benchmark: pairs of correct and incorrect responses to validation questions, by several policies."""

    questions: Count = Field(
        200, description="Use the last N validation questions. Judges that the study trains are selected on the rest."
    )
    samples: Count = Field(
        4,
        description="Responses per question from each sampled policy, and as many corrupted reference solutions; also "
        "the maximum number of pairs per question.",
    )
    seed: int = Field(0, description="Seed for samples, corrupted references and the choice of pairs.")


def _defaults_of(default: str) -> str:
    """The default of a key for each kind of judge, as text."""
    values = {name: value for name, kind in KINDS.items() if (value := getattr(kind, default))}
    return ", ".join(f"{name} `{value if isinstance(value, str) else list(value)}`" for name, value in values.items())


class Prompting(Section):
    """The judging prompt and its two labels, the words that the judge answers with."""

    prompt: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Judging prompt: a shipped name (judge, judge-instruct; pairwise, pairwise-instruct; with "
        "`judge.reasoning` reasoning, reasoning-instruct; pairwise-reasoning, pairwise-reasoning-instruct) or a file. "
        "With a list, the probabilities of all prompts are averaged. null takes the default of the kind of judge: "
        f"{_defaults_of('prompt')}; with `judge.reasoning` {_defaults_of('reasoning_prompt')}.",
    )
    labels: tuple[str, str] | None = Field(
        None,
        description="The two labels: for correct and incorrect, or for the first and the second response. Each must be "
        f"a single token after the prompt. null takes the default of the kind of judge: {_defaults_of('labels')}.",
    )
    swap_labels: bool = Field(
        False,
        description="Ask with both orders of the labels in the prompt's {labels} slot ('Yes or No', 'No or Yes'), and "
        "average the probabilities.",
    )
    chat: bool = Field(False, description="Apply the model's chat template to the prompt.")
    chat_template_kwargs: TemplateArguments = Field(
        default_factory=dict,
        description="Arguments of the chat template (with `chat`), such as {enable_thinking: false} for models that "
        "would think before the label. A template that opens a thinking block there is refused.",
    )

    @field_validator("chat_template_kwargs")
    @classmethod
    def check_template_arguments(cls, value: Any) -> Any:
        reject_secrets_in_options(value)
        return value

    @field_validator("labels")
    @classmethod
    def check_labels(cls, value: Any) -> Any:
        if value and value[0] == value[1]:
            raise ValueError("choose two different words")
        return value

    @model_validator(mode="after")
    def check_template_is_used(self) -> Self:
        check_template_arguments(self.chat_template_kwargs, self.chat)
        return self


class Judge(Model):
    """The model that scores responses for the reward."""

    model: str | None = Field(
        None,
        description="As `student.model`. A judge of kind `simulated` or `panel` has no model of its own: this key has "
        "no effect on it.",
    )
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = Field(
        "float32",
        description="Data type of the weights; `auto` is bfloat16 if the CPU or GPU supports it, otherwise float32.",
    )
    kind: str = Field("single-token", description=f"Kind of judge: {', '.join(KINDS)}.")
    prompting: Prompting = Field(default_factory=Prompting, description="The judging prompt and its labels.")
    score: str | None = Field(
        None,
        description="The reward. single-token: `probability` (the default), P(Yes) / (P(Yes) + P(No)); `log-odds` of "
        "that, clipped to [-10, 10]; `hard`, 0 or 1. pairwise: `win-rate` (the default), the mean probability of "
        "beating another response of the group; `elo`, the probability of beating an average one, by the ratings of a "
        "Bradley-Terry fit.",
    )
    reasoning: Reasoning | None = Field(
        None,
        description="Let the judge reason before its verdict, in the prompt's {reasoning} slot; null asks for a direct "
        "verdict.",
    )
    simulated: Simulated | None = Field(
        None,
        description="Set error rates and biases, of a judge of kind `simulated`; with a single-token judge, scores "
        "are a mean of the model's and the simulated ones. null: none.",
    )
    panel: Panel | None = Field(
        None, description="The members of a judge of kind `panel`, and how their scores are combined. null: none."
    )
    server: Server | None = Field(None, description="Use a server instead of loading the model.")
    cache: Literal["off", "run", "study"] = Field(
        "run",
        description="Cache verdicts, so that a resumed training run does not repeat requests: `run` for each run; "
        "`study` for all jobs of the study (saves money with a hosted judge, but the last digits of results then "
        "depend on which job asked first); `off` disables it.",
    )
    min_within_auc: Fraction | None = Field(
        None, description="Minimum AUC within questions that the judge needs before RL; null sets no minimum."
    )
    reference_prompt: str | None = Field(
        None,
        description="A judging prompt with the slot {reference} for the gold answer: a shipped name (judge-reference, "
        "judge-reference-instruct) or a file. The calibration, on validation questions, asks the judge about the same "
        "responses with it, too: an upper bound on what this judge could tell. It never gives a reward. Single-token "
        "judges only; null does not ask.",
    )
    max_off_label: Fraction | None = Field(
        0.5,
        description="Maximum mean probability, over the calibration, of tokens other than the two labels. Above 0.5 "
        "the model prefers another answer to either label, and a score rests on the smaller part of its probability. "
        "null sets no maximum.",
    )
    on_weak_judge: Literal["warn", "stop"] = Field(
        "warn",
        description="If the judge's AUC within questions is below `min_within_auc`, or its off-label probability above "
        "`max_off_label`: `warn` in the log and the report, or `stop` before RL.",
    )
    max_tokens: Count = Field(
        2048,
        description="Maximum length of a judging prompt in tokens; longer ones are cut at the beginning (a server "
        "follows its own rules).",
    )
    batch_tokens: Count = Field(16384, description="Tokens per forward pass; lower it if you run out of memory.")
    calibration_samples: Count = Field(
        8, description="Samples of the baseline (SFT) per validation question for the calibration."
    )
    watch: NamedJudges = Field(
        {},
        description="Judges that watch: name -> model folder, or a study's YAML file for its judge (one that is "
        "already trained), as in `replay.judges`. They score the samples of `rl.validation` beside the judge and give "
        "no reward. An alarm flags a run in which a watching judge's mean score falls while the judge's does not; it "
        "needs no labels. Pointwise judges only.",
    )
    benchmark: Benchmark | None = Field(
        None, description="Evaluate the study's judges on pairs of responses to validation questions; null skips it."
    )
    scratch: JudgeScratch = Field(default_factory=JudgeScratch, description="Recipe for `model: scratch`.")
    verifier: Verifier | None = Field(
        None,
        description="Fine-tune a single-token judge on samples of the labelled questions before RL; null skips it.",
    )
    self_taught: SelfTaught | None = Field(
        None, description="Let a pairwise judge train itself on unlabelled questions before RL; null skips it."
    )
    rl: JudgeRl | None = Field(
        None,
        description="Train a pairwise judge by RL on the labelled questions before the student's RL, after "
        "`self_taught`; null skips it.",
    )

    @field_validator("cache", mode="before")
    @classmethod
    def check_cache(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML reads `off` as false

    @model_validator(mode="after")
    def check_training(self) -> Self:
        if self.server and self.model == "scratch":
            raise ValueError("server: a model made from scratch runs in the jobs themselves; leave out `server`")
        if self.on_weak_judge == "stop" and self.min_within_auc is None and self.max_off_label is None:
            raise ValueError("on_weak_judge: 'stop' needs `min_within_auc` or `max_off_label`")
        return self

    @model_validator(mode="after")
    def check_kind_settings(self) -> Self:
        kind = KINDS[self.kind]
        self._check_parts(kind.model)
        if not kind.prompt and (given := self.prompting.model_dump(exclude_defaults=True)):
            raise ValueError(f"prompting.{next(iter(given))}: a {self.kind} judge has no judging prompt; leave it out")
        if not kind.reasoning_prompt and self.reasoning:
            raise ValueError(f"reasoning: a {self.kind} judge cannot reason before its verdict; leave it out")
        for key, value in kind.defaults(reasons=bool(self.reasoning)).items():
            section = self if key == "score" else self.prompting
            if getattr(section, key) is None:
                setattr(section, key, value)
        if self.score not in kind.scores:
            raise ValueError(
                f"score: a {self.kind} judge has no score {self.score!r}; choose from {', '.join(kind.scores)}"
            )
        if self.reference_prompt and (self.kind != "single-token" or self.simulated):
            what = "a simulated judge" if self.simulated else f"a {self.kind} judge"
            raise ValueError(f"reference_prompt: is not for {what}; leave it out")
        if self.verifier and self.kind != "single-token":
            raise ValueError("verifier: trains only a single-token judge; write `kind: single-token`")
        if self.verifier and self.reasoning:
            raise ValueError("verifier: trains a judge without reasoning; leave one of them out")
        for key in ("verifier", "self_taught", "rl"):
            if key != "verifier" and getattr(self, key) and not kind.comparative:
                raise ValueError(f"{key}: trains only a pairwise judge; write `kind: pairwise`")
            if getattr(self, key) and self.server:
                raise ValueError(f"{key}: cannot train a judge that runs on a server; leave out `server`")
            if getattr(self, key) and self.dtype != "float32":
                raise ValueError(
                    f"{key}: dtype {self.dtype} is too coarse for small updates; write dtype: float32, with "
                    f"`bf16: true` in {key} to compute in bfloat16"
                )
        if kind.comparative and self.prompting.swap_labels:
            raise ValueError(
                f"prompting.swap_labels: a {self.kind} judge already asks in both orders of the responses; leave it out"
            )
        if kind.comparative and self.calibration_samples < 2:
            raise ValueError(f"calibration_samples: a {self.kind} judge needs at least 2, to compare them")
        if self.model == "scratch":
            task = task_of(self.kind, bool(self.reasoning))
            if task is None:
                raise ValueError(f"model: a {self.kind} judge cannot be made from scratch; name a model")
            self.scratch.tasks = self.scratch.tasks or [task]
            if task not in self.scratch.tasks:
                raise ValueError(f"scratch.tasks: {self.scratch.tasks} lack the task of this judge; add {task!r}")
        return self

    def _check_parts(self, has_model: bool) -> None:
        if has_model and self.model is None:
            raise ValueError("model: is missing; name a hub model, a folder or a GGUF file, or write `scratch`")
        if (self.panel is None) == (self.kind == "panel"):
            raise ValueError(
                "panel: is missing; name its judges"
                if self.panel is None
                else f"panel: is not for a {self.kind} judge; write `kind: panel`, or leave it out"
            )
        if not has_model:
            self.model, self.gguf_file, self.revision, self.server = None, None, None, None
        if self.panel:
            if self.simulated:
                raise ValueError("simulated: is not for a panel, but one of its judges may be simulated; leave it out")
        elif self.kind == "simulated":
            self.simulated = self.simulated or Simulated()
            if self.simulated.weight != 1:
                raise ValueError("simulated.weight: a simulated judge has no model, so its weight is 1; leave it out")
        elif self.simulated and (self.kind != "single-token" or self.score == "log-odds"):
            raise ValueError(
                "simulated: mixes only with a single-token judge whose scores are in [0, 1]; write `kind: simulated`, "
                "or leave it out"
            )

    @field_validator("kind")
    @classmethod
    def check_kind(cls, value: Any) -> Any:
        if value not in KINDS:
            raise ValueError(f"{value!r} does not exist; choose one of {', '.join(KINDS)}")
        return value
