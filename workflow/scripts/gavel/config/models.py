"""The two models: the student that learns and the judge that pays."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gavel.config.section import Count, Positive, Section, Share
from gavel.config.serving import Served
from gavel.judge import KINDS


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
    revision: str | None = Field(None, description="Hub commit or tag; null is the newest when it is fetched.")
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
        description="Of an external server's API, such as http://localhost:8000/v1; `judge.model` is its name there.",
    )
    command: str | Annotated[list[str], Field(min_length=1)] = Field(
        "vllm serve {model} --host {host} --port {port}",
        description="What a job starts, a line or a list of words; {model} is `judge.model`, {host} and {port} are "
        "filled in. The judge's `revision` and `dtype` are the server's to know: say them here.",
    )
    restarts: Annotated[int, Field(ge=0)] = Field(
        2, description="How many times a job starts its server again when it has died; then the job fails."
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

    @model_validator(mode="after")
    def reachable(self):
        self.check_served()
        return self


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
