"""The two models: the student that learns and the judge that pays."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gavel.common.redaction import refuse_as_name, refuse_in_options, refuse_in_url
from gavel.judge.kinds import KINDS, TASKS, task_of
from gavel.study.schema.base import Count, Positive, Section, Served, Share
from gavel.study.schema.judge_training import JudgeRl, SelfTaught

# Arguments of `apply_chat_template` that are the judge's to choose.
NOT_FOR_TEMPLATES = {
    "add_generation_prompt", "chat_template", "continue_final_message", "conversation", "messages", "padding",
    "return_dict", "return_tensors", "tokenize", "truncation",
}  # fmt: skip


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
    corrupted_fraction: Share = Field(
        0.25,
        description="Fraction of documents with a corrupted program, which leaves room for SFT and RL to improve.",
    )
    no_question_fraction: Share = Field(0.2, description="Fraction of documents that are a program without a question.")


class JudgeScratch(Scratch):
    """A tiny judge made from nothing on `data.pretrain` (with `judge.model: scratch`)."""

    steps: Count = Field(1200, description="Optimiser steps on judging pairs.")
    lm_steps: Count = Field(450, description="Optimiser steps of language modelling before those.")
    samples: Count = Field(4, description="The untuned student's samples for each question that it is asked.")
    questions: Count = Field(4000, description="Questions that the untuned student is sampled on.")
    tasks: list[Literal[*TASKS]] | None = Field(
        None,
        min_length=1,
        description="What it learns to be, all at once: a judge of single solutions or one that compares, at once or "
        "after its own solution. null is what this judge is. Of several each has its kind's labels.",
    )


class Model(Section):
    """A causal language model."""

    model: str = Field(description="Hub name, local folder, or `scratch`.")
    revision: str | None = Field(
        None, description="Hub commit or tag; null is the newest when it is fetched. Not of what is local."
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="Type of the weights.")
    pad_token: str | None = Field(None, description="Set where the tokenizer has none (Galactica: `<pad>`).")
    eos_token: str | None = Field(None, description="Set where the tokenizer has none (Galactica: `</s>`).")


class Student(Model):
    """The small model that learns."""

    scratch: StudentScratch = Field(default_factory=StudentScratch, description="Recipe for `model: scratch`.")


class Server(Served):
    """An OpenAI-compatible server that runs the judge (vLLM, llama.cpp, hosted ones)."""

    base_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Of an external server's API, such as http://localhost:8000/v1; `judge.model` is its name there. "
        "A name and a password in it are written as ${NAME}, for variables of the environment.",
    )
    command: str | Annotated[list[str], Field(min_length=1)] = Field(
        "vllm serve {model} --host {host} --port {port}",
        description="What a job starts, a line or a list of words; {model} is `judge.model`, {host} and {port} are "
        "filled in, and ${NAME} by variables of the environment, as for a key. The judge's `revision` and `dtype` are "
        "the server's to know: say them here.",
    )
    restarts: Annotated[int, Field(ge=0)] = Field(
        2, description="How many times a job starts its server again when it has died; then the job fails."
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY",
        description="Name of the environment variable that holds the key, if it needs one; capital letters.",
    )
    top_logprobs: Annotated[int, Field(ge=2, le=20)] = Field(
        20, description="Likeliest tokens to list; a label that is not among them counts as 0. Some servers allow 5."
    )
    concurrency: Count = Field(32, description="Requests at a time.")
    timeout_s: Positive = Field(60.0, description="Seconds that one request may take.")
    retries: Annotated[int, Field(ge=0)] = Field(
        5,
        description="Further attempts at a request that failed or got a malformed reply, each after a longer wait; "
        "then its reward is missing.",
    )

    @field_validator("base_url")
    @classmethod
    def without_secret(cls, value):
        if value is not None:
            refuse_in_url(value, references=True)
        return value

    @field_validator("api_key_env")
    @classmethod
    def name_of_a_variable(cls, value):
        refuse_as_name(value)
        return value

    @model_validator(mode="after")
    def reachable(self):
        self.check_served()
        return self


class Reasoning(Section):
    """The judge writes before it answers (Guo et al. 2025, arXiv 2505.14674)."""

    max_new_tokens: Count = Field(512, description="Budget of a reasoning, in tokens; the verdict follows in any case.")
    samples: Count = Field(1, description="Reasonings of each prompt, whose verdicts vote.")
    temperature: Annotated[float, Field(ge=0)] = Field(
        0.7, description="At which they are drawn; 0 takes the likeliest token, and is for one sample."
    )
    vote: Literal["mean", "majority"] = Field(
        "mean",
        description="What becomes of the verdicts: their mean probability, or the share of them that is for a label.",
    )
    seed: int = Field(0, description="Of the draws.")

    @model_validator(mode="after")
    def drawn(self):
        if self.samples > 1 and not self.temperature:
            raise ValueError(f"temperature: at 0 all {self.samples} samples would be the same")
        return self


class Benchmark(Section):
    """Solutions of some validation problems by several policies, in pairs of a right and a wrong one."""

    questions: Count = Field(
        200, description="The last so many validation problems. Judges that the study trains are selected on the rest."
    )
    samples: Count = Field(
        4,
        description="Solutions of each problem by each policy that is sampled, and so many spoilt references; also the "
        "most pairs of a problem.",
    )
    seed: int = Field(0, description="Of samples, spoilt references and the choice of pairs.")


def _own(default: str) -> str:
    """The kinds' defaults of a key, in words."""
    values = {name: getattr(kind, default) for name, kind in KINDS.items()}
    return ", ".join(f"{name} `{value if isinstance(value, str) else list(value)}`" for name, value in values.items())


class Prompting(Section):
    """The judging prompt and the two words that answer it."""

    prompt: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Judging prompt: a shipped name (judge, judge-instruct; pairwise, pairwise-instruct; with "
        "`judge.reasoning` reasoning, reasoning-instruct; pairwise-reasoning, pairwise-reasoning-instruct) or a file. "
        "Of a list of phrasings the probabilities are averaged. null takes the default of the kind of judge: "
        f"{_own('prompt')}; with `judge.reasoning` {_own('reasoning_prompt')}.",
    )
    labels: tuple[str, str] | None = Field(
        None,
        description="The label words: for right and wrong, or for the first and the second solution. Each must be one "
        f"token where it stands. null takes the default of the kind of judge: {_own('labels')}.",
    )
    swap_labels: bool = Field(
        False,
        description="Ask with both orders of the labels in the prompt's slot {labels} ('Yes or No', 'No or Yes'), and "
        "average the probabilities.",
    )
    chat: bool = Field(False, description="Apply the model's chat template to the prompt.")
    chat_template_kwargs: dict[str, bool | int | float | str] = Field(
        default_factory=dict,
        description="Arguments of the chat template (with `chat`), such as {enable_thinking: false} for models that "
        "would think before the label. A template that opens a thought there is refused.",
    )

    @field_validator("chat_template_kwargs")
    @classmethod
    def without_secret(cls, value):
        refuse_in_options(value)
        return value

    @field_validator("labels")
    @classmethod
    def different(cls, value):
        if value and value[0] == value[1]:
            raise ValueError("choose two different words")
        return value

    @model_validator(mode="after")
    def possible(self):
        if self.chat_template_kwargs and not self.chat:
            raise ValueError("chat_template_kwargs: are of the chat template; write `chat: true`, or leave them out")
        if given := sorted(set(self.chat_template_kwargs) & NOT_FOR_TEMPLATES):
            raise ValueError(f"chat_template_kwargs: {given[0]!r} is decided by the judge itself; leave it out")
        return self


class Judge(Model):
    """The model that pays for solutions."""

    dtype: Literal["float32", "bfloat16", "float16", "auto"] = Field(
        "float32",
        description="Type of the weights; `auto` is bfloat16 where the processor computes in it, else float32.",
    )
    kind: str = Field("single-token", description=f"Kind of judge: {', '.join(KINDS)}.")
    prompting: Prompting = Field(default_factory=Prompting, description="The judging prompt and its answers.")
    score: str | None = Field(
        None,
        description="What is paid. single-token: `probability` (the default), P(Yes) / (P(Yes) + P(No)); its "
        "`log-odds` (within -10 and 10); `hard`, 0 or 1. pairwise: `win-rate` (the default), the mean probability of "
        "being better than another solution of the group; `elo`, that of being better than an average one by the "
        "ratings of a Bradley-Terry fit.",
    )
    reasoning: Reasoning | None = Field(
        None,
        description="Let the judge write before it answers, where its prompt has the slot {reasoning}; null answers at "
        "once.",
    )
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
    max_off_label: Share | None = Field(
        0.5,
        description="The most probability, mean over the calibration, that may fall on other tokens than the two "
        "labels. Above 0.5 the model would rather say something else than either label, and a score rests on the "
        "smaller part of its probability. null asks nothing.",
    )
    on_weak_judge: Literal["warn", "stop"] = Field(
        "warn",
        description="If the judge's AUC within questions is below `min_within_auc`, or its probability off the labels "
        "above `max_off_label`: `warn` in log and report, or `stop` before RL.",
    )
    max_tokens: Count = Field(
        2048, description="Longest judging prompt; the beginning of a longer one is cut (a server does as it does)."
    )
    batch_tokens: Count = Field(16384, description="Tokens in one forward pass; lower it when memory runs out.")
    calibration_samples: Count = Field(8, description="SFT samples of each validation problem for the calibration.")
    benchmark: Benchmark | None = Field(
        None, description="Try the study's judges on pairs of solutions of validation problems; null does not."
    )
    scratch: JudgeScratch = Field(default_factory=JudgeScratch, description="Recipe for `model: scratch`.")
    self_taught: SelfTaught | None = Field(
        None, description="Let a pairwise judge teach itself on unlabelled questions before it pays; null does not."
    )
    rl: JudgeRl | None = Field(
        None,
        description="Train a pairwise judge by RL on the labelled questions before it pays, after `self_taught`; null "
        "does not.",
    )

    @field_validator("cache", mode="before")
    @classmethod
    def off(cls, value):
        return "off" if value is False else value  # what YAML makes of it

    @model_validator(mode="after")
    def possible(self):
        if self.server and self.model == "scratch":
            raise ValueError("server: the model made from scratch runs in the jobs; leave out `server`")
        if self.on_weak_judge == "stop" and self.min_within_auc is None and self.max_off_label is None:
            raise ValueError("on_weak_judge: 'stop' needs `min_within_auc` or `max_off_label`")
        return self

    @model_validator(mode="after")
    def of_its_kind(self):
        kind = KINDS[self.kind]
        for key, value in kind.defaults(reasons=bool(self.reasoning)).items():
            section = self if key == "score" else self.prompting
            if getattr(section, key) is None:
                setattr(section, key, value)
        if self.score not in kind.scores:
            raise ValueError(f"score: {self.score!r} is none of a {self.kind} judge's: {', '.join(kind.scores)}")
        for key in ("self_taught", "rl"):
            if getattr(self, key) and not kind.relative:
                raise ValueError(f"{key}: trains a judge that compares two solutions; write `kind: pairwise`")
            if getattr(self, key) and self.server:
                raise ValueError(f"{key}: trains the judge's weights, which a server keeps; leave out `server`")
            if getattr(self, key) and self.dtype != "float32":
                raise ValueError(
                    f"{key}: {self.dtype} numbers lie too far apart for small steps; write dtype: float32, with "
                    f"`bf16: true` in {key} to compute in bfloat16"
                )
        if kind.relative and self.prompting.swap_labels:
            raise ValueError(
                f"prompting.swap_labels: a {self.kind} judge asks in both orders of the solutions; leave it out"
            )
        if kind.relative and self.calibration_samples < 2:
            raise ValueError(f"calibration_samples: a {self.kind} judge needs at least 2, to hold one against another")
        if self.model == "scratch":
            task = task_of(self.kind, bool(self.reasoning))
            if task is None:
                raise ValueError(f"model: nothing here makes a {self.kind} judge from scratch; name a model")
            self.scratch.tasks = self.scratch.tasks or [task]
            if task not in self.scratch.tasks:
                raise ValueError(f"scratch.tasks: {self.scratch.tasks} do not make what this judge is; add {task!r}")
        return self

    @field_validator("kind")
    @classmethod
    def known(cls, value):
        if value not in KINDS:
            raise ValueError(f"{value!r} does not exist; choose one of {', '.join(KINDS)}")
        return value
