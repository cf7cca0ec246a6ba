"""The config, typed once: defaults, checks, the JSON schema and the reference in config/README.md come from here.

No job imports it, since its descriptions would be part of every digest. The Snakefile validates with it and hands
plain values on, so that a change of one key reruns the rules that use that key and no others.
"""

import difflib
import re
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from gavel.common.errors import InputError
from gavel.common.redaction import refuse_in_url, shown, shown_key
from gavel.data.sizes import check_unlabeled, check_validation
from gavel.judge.kinds import KINDS
from gavel.models import limits
from gavel.study.place import Place
from gavel.study.schema.base import Count, Positive, Section, Share, types_in
from gavel.study.schema.data import Data, Solution
from gavel.study.schema.models import Judge, Student
from gavel.study.schema.renamed import old_keys, renamed
from gavel.study.schema.training import Rl, Sft
from gavel.training import batches
from gavel.training.rl.algorithms import ALGORITHMS

COMPARISONS_OWN = ("figures", "logs", "mlartifacts")  # folders beside those of a sweep's variants
NOT_SHOWN = "what was found is not shown, in case it holds a password or key"
STORES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")  # what `tracking.uri` may begin with


class EvaluationVllm(Section):
    """Test samples drawn by vLLM (needs GPUs and the package). Each question's samples have a seed of their own."""

    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="Share of a GPU's memory for vLLM."
    )
    tensor_parallel_size: Count = Field(1, description="GPUs that share one copy.")
    max_model_length: Count | None = Field(None, description="Longest prompt and completion, in tokens.")


class Evaluation(Section):
    """Test-time sampling, the same for every run."""

    samples: Count = Field(16, description="Samples of each test problem, besides the greedy one.")
    temperature: Positive = Field(0.7, description="Of those samples (ReFT's voting samples at 0.7 too).")
    ks: list[Count] = Field([1, 2, 4, 8, 16], description="maj@k and pass@k for these k, none above `samples`.")
    seed: int = Field(0, description="Sampling noise.")
    batch_size: Count = Field(
        512,
        description="Completions decoded at a time; training and calibration, which look at validation problems, take "
        f"{limits.AT_A_TIME} at most.",
    )
    batch_tokens: Count | None = Field(
        None,
        description="Upper limit on prompt plus completion tokens in a generation batch, in evaluation and in "
        "validation; lower it if you run out of memory.",
    )
    vllm: EvaluationVllm | None = Field(None, description="Sample with vLLM; null samples with transformers.")
    judge: bool = Field(True, description="Ask the judge about every distinct solution (for the report only).")
    best_of: list[Literal["score", "elo", "knockout"]] = Field(
        ["score"],
        min_length=1,
        description="By what the judge picks the best of a question's samples: `score`, what it pays; of a judge that "
        "compares also `elo`, ratings from the same round robin, and `knockout`, a tournament of n-1 comparisons, "
        "which by itself needs no round robin.",
    )

    @model_validator(mode="after")
    def enough(self):
        if max(self.ks, default=0) > self.samples:
            raise ValueError(f"ks has {max(self.ks)}, but there are only {self.samples} samples")
        if len(set(self.best_of)) < len(self.best_of):
            raise ValueError(f"best_of names something twice: {', '.join(self.best_of)}")
        if contests := [name for name in self.best_of if name != "score"]:
            if not self.judge:
                raise ValueError(f"best_of: {contests[0]!r} asks the judge; write `judge: true`, or leave it out")
            if max(self.ks, default=0) < self.samples:
                raise ValueError(
                    f"best_of: {contests[0]!r} is among all {self.samples} samples; add {self.samples} to `ks`, to "
                    "hold it against maj@k and pass@k of as many"
                )
        return self


class Primary(Section):
    """The one comparison that the study was made for, named before any run; all others are corrected for number."""

    algorithm: str = Field("grpo", description="Of `rl.algorithms`.")
    lambda_: Share = Field(0.5, alias="lambda", description="Of `rl.lambda`.")
    seed: int = Field(0, description="Of `rl.seeds`.")
    test_set: str = Field(description="Of `data.tests`.")
    metric: Literal["greedy", "maj"] = Field("greedy", description="`greedy`, or `maj` at the largest k.")


class Tracking(Section):
    """MLflow."""

    uri: str | None = Field(
        None,
        description="Tracking server, `http://host:5000`; null keeps an SQLite store in `results_dir`. A name and a "
        "password are no part of it: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
    )

    @model_validator(mode="after")
    def addressed(self):
        """A password would be written into results and report; the message must not repeat it either."""
        if self.uri is None:
            return self
        scheme, found, _ = self.uri.partition("://")
        if not found or scheme.partition("+")[0] not in STORES:
            raise ValueError(f"uri: expected http://host:port of a server; {NOT_SHOWN}")
        try:
            refuse_in_url(self.uri.replace("#", "") if scheme == "sqlite" else self.uri)
        except ValueError as error:
            raise ValueError(
                f"uri: {error}: for a server set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead, for a "
                "database PGUSER and PGPASSWORD"
            ) from None
        return self


class Compute(Section):
    """What a training or sampling job asks the scheduler for."""

    threads: Count = Field(1, description="CPU threads of a job; tiny models are fastest as many one-thread jobs.")
    gpus: Annotated[int, Field(ge=0)] = Field(
        0, description="GPUs of an RL job, its servers' too; other jobs ask for those that they use."
    )
    processes: Count = Field(
        1, description="Processes of a training job, one for each GPU that it is to use; they share its CPU threads."
    )
    distributed: Literal["ddp", "fsdp", "deepspeed"] = Field(
        "ddp",
        description="How several processes share the training: each with everything (`ddp`), with a shard of policy, "
        "gradients and optimiser (`fsdp`), or of the last two (`deepspeed`, ZeRO 2). The files are in "
        "workflow/accelerate.",
    )
    mem_mb: Count = Field(
        3000,
        description="Memory of a job (of the default study's, PPO takes most: 2,395). With `--retries`, the second "
        "attempt asks for twice as much, and so on.",
    )
    runtime: Count = Field(
        60, description="Minutes after which a scheduler may stop a job; they grow as `mem_mb` does."
    )


class Shared(Section):
    """Folders of other studies whose stage this one takes; a sweep fills this in for what its variants agree in."""

    student: str | None = Field(None, description="Of a student made from scratch.")
    judge: str | None = Field(None, description="Of a judge made from scratch.")
    sft: str | None = Field(None, description="Of an SFT baseline made from the same data and settings.")
    benchmark: str | None = Field(None, description="Of the judge benchmark's pairs, made with that baseline.")


class Sweep(Section):
    """The same study several times over, with some keys changed: a folder and a report each, and one that compares."""

    axis: Literal["variant", "labels", "judge_auc", "judge_tokens"] = Field(
        "variant",
        description="What accuracy is drawn against: the variants by name, their number of labelled problems, their "
        "judge's AUC within questions, or the tokens that their judge takes in the training of the primary run.",
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
            if name in COMPARISONS_OWN:
                raise ValueError(f"variant name {name!r}: a folder of the comparison is called so; choose another")
        return {name: overlay or {} for name, overlay in value.items()}


class Config(Place):
    """A whole study."""

    question: str = Field("Does the judge's reward help?", description="What the study asks; the report's headline.")
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
        for key, options in (
            ("algorithm", self.rl.algorithms),
            ("seed", self.rl.seeds),
            ("test_set", list(self.data.tests)),
        ):
            if getattr(self.primary, key) not in options:
                raise ValueError(f"primary.{key} {getattr(self.primary, key)!r} is not one of the study's: {options}")
        if self.primary.lambda_ not in self.rl.lambda_:
            raise ValueError(f"primary.lambda {self.primary.lambda_} is not one of the study's: {self.rl.lambda_}")
        if self.primary.metric == "maj" and not self.evaluation.ks:
            raise ValueError("primary.metric 'maj' is of the largest k, but evaluation.ks is an empty list; name some")
        self.check_training()
        if self.rl.validation.on_collapse == "raise_lambda" and 0 in self.rl.lambda_:
            raise ValueError(
                "rl.validation.on_collapse 'raise_lambda' needs labels, but rl.lambda names 0, which reads none"
            )
        self.check_sizes()
        contests = [name for name in self.evaluation.best_of if name != "score"]
        if contests and not KINDS[self.judge.kind].relative:
            raise ValueError(
                f"evaluation.best_of names {contests[0]!r}, which needs a judge that compares; a {self.judge.kind} "
                "judge scores every solution by itself: write `best_of: [score]`"
            )
        scratch = [name for name in ("student", "judge") if getattr(self, name).model == "scratch"]
        if scratch and self.data.pretrain is None:
            raise ValueError(f"{scratch[0]}.model is 'scratch', but data.pretrain names nothing to read")
        return self

    def check_sizes(self) -> None:
        """Whether the splits hold what the judge's training and benchmark take; of shares the data job knows."""
        taught, benchmark = self.judge.self_taught, self.judge.benchmark
        unlabeled, validation = self.data.unlabeled, self.data.validation
        try:
            if taught and unlabeled >= 1:
                check_unlabeled(taught.model_dump(), int(unlabeled))
            if benchmark and validation >= 1:
                check_validation(benchmark.questions, int(validation))
        except InputError as error:
            raise ValueError(str(error)) from None

    def check_training(self) -> None:
        """Whether the training jobs can be shared among the processes and GPUs that `compute` names."""
        count, gpus, kind = self.compute.processes, self.compute.gpus, self.compute.distributed
        dtype, whole = self.student.dtype, [name for name in ("sft", "rl") if not getattr(self, name).lora]
        if dtype != "float32" and whole:
            raise ValueError(
                f"student.dtype is {dtype}, whose numbers lie too far apart for {whole[0]}'s small steps: AdamW would "
                "leave most weights as they are; write float32, with `bf16: true` in `sft` and `rl` to compute in "
                "bfloat16, or train adapters (`lora`)"
            )
        if gpus and count > gpus:
            raise ValueError(
                f"compute.processes is {count}, but compute.gpus {gpus}; each process needs a GPU of its own"
            )
        for key, asked in (("rl.vllm", self.rl.vllm), ("evaluation.vllm", self.evaluation.vllm)):
            if asked and not gpus:
                raise ValueError(f"{key} needs a GPU, but compute.gpus is 0")
        if self.evaluation.vllm and self.evaluation.vllm.tensor_parallel_size > gpus:
            raise ValueError(
                f"evaluation.vllm.tensor_parallel_size is {self.evaluation.vllm.tensor_parallel_size}, but "
                f"compute.gpus {gpus}"
            )
        for key, server in (("judge.server", self.judge.server), ("rl.vllm", self.rl.vllm)):
            asked = max((server and server.gpus) or [], default=-1)
            if asked >= gpus:
                raise ValueError(
                    f"{key}.gpus names GPU {asked}, but compute.gpus is {gpus}; they are counted from 0 among those"
                )
        if self.rl.vllm and min(self.rl.vllm.gpus or [count]) < count:
            raise ValueError(
                f"rl.vllm.gpus names GPU {min(self.rl.vllm.gpus)}, on which the job trains: with compute.processes "
                f"{count}, take others than the first {count}"
            )
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
        taught = self.judge.self_taught
        stages = {"sft": self.sft}
        if taught:
            stages |= {"judge.self_taught.sft": taught.sft, "judge.self_taught.dpo": taught.dpo}
        for key, stage in stages.items():
            if stage:
                batches.split(stage.batch_size, count, stage.micro_batch_size, key)
        grid = self.rl
        for name in grid.algorithms:
            _, minibatches = ALGORITHMS[name].passes(grid.ppo.model_dump())
            batches.share(grid.prompts_per_step, grid.num_generations, count, minibatches, grid.micro_batch_size)
        if own := self.judge.rl:
            batches.share(own.prompts_per_step, own.num_generations, count, 1, own.micro_batch_size, key="judge.rl")


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


def completed(study: dict) -> dict:
    """A resolved config, perhaps an earlier version's, with the defaults of the keys that it lacks.

    Values are not checked, nor are unknown keys.

    Raises:
        InputError: a key has a new name, or one is missing that has no default.
    """
    if old := old_keys(study):
        first, more = next(iter(old)), len(old) - 1
        raise InputError(
            f"was written by an earlier version: the key {first!r} is now {old[first]!r}"
            f"{f' (and {more} more)' if more else ''}; run the study again with this version, or leave it out"
        )
    return _completed(Config, study)


def _completed(section: type[Section], values: dict, *path: str) -> dict:
    found = dict(values)
    for name, field in section.model_fields.items():
        key = field.alias or name
        inner = next((kind for kind in types_in(field.annotation) if issubclass(kind, Section)), None)
        if key not in values:
            if field.is_required():
                raise InputError(f"{'.'.join([*path, key])!r} is missing")
            default = field.get_default(call_default_factory=True)
            found[key] = default.model_dump(by_alias=True, mode="json") if isinstance(default, Section) else default
        elif inner and isinstance(values[key], dict):
            found[key] = _completed(inner, values[key], *path, key)
    return found


def check_sweep(raw: dict) -> dict:
    """Check the section `sweep` alone; its variants are checked once each is merged. Raises `InputError` as `load`."""
    return _checked(Sweep, raw, "sweep")


def check_place(raw: dict) -> tuple[str, str]:
    """The study's name and results folder of a config that is not yet whole. Raises `InputError` as `load`."""
    found = _checked(Place, {key: raw[key] for key in Place.model_fields if key in raw})
    return found["study"], found["results_dir"]


def _checked(section: type[Section], raw: dict, *path: str) -> dict:
    try:
        return section.model_validate(raw).model_dump(by_alias=True, mode="json")
    except ValidationError as error:
        # A mistyped key first: what is missing may be what it was meant to be. Of what may be a text or a list, an
        # empty list next: it is no text either.
        ranks = {"extra_forbidden": 0, "too_short": 1}
        first = min(error.errors(), key=lambda problem: ranks.get(problem["type"], 2))
        more = error.error_count() - 1
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
        if new := renamed(parts):
            return f"unknown key {key!r}; it is now {new!r}"
        near = difflib.get_close_matches(parts[-1], siblings(parts[:-1]), n=1, cutoff=0.5)
        hint = (
            f"; did you mean {'.'.join([*parts[:-1], near[0]])!r}?"
            if near
            else f"; keys here: {', '.join(siblings(parts[:-1]))}"
        )
        if shown_key(parts[-1]) is None:
            return f"{'.'.join(parts[:-1]) or 'top level'}: unknown key ({NOT_SHOWN}){hint}"
        return f"unknown key {key!r}{hint}"
    if problem["type"] == "missing":
        return f"{key!r} is missing"
    if problem["type"] in ("model_type", "dict_type", "model_attributes_type"):
        hints = {True: " (write {} for its defaults)", None: " (its keys belong below it, indented; or leave it out)"}
        value = problem["input"]
        hint = hints[value] if value is True or value is None else ""
        found = shown(parts, value)
        return f"{key}: is a section of keys{f', found {found}' if found else f'; {NOT_SHOWN}'}{hint}"
    if parts and (parts[-1] in ("int", "float", "str") or parts[-1].startswith("list[")):  # of a key that may be either
        parts = parts[:-1]
        key = ".".join(parts)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "string_type" and isinstance(problem["input"], int | float):
        message += "; put it in quotes"
    if problem["type"] == "string_pattern_mismatch" and parts[-1] == "base_url":
        message = "expected an address that begins with http:// or https://"
    if problem["type"] == "too_short" and isinstance(problem["input"], list) and not problem["input"]:
        return f"{key}: is an empty list; name at least one, or leave the key out"
    if isinstance(problem["input"], dict) or not key:
        return f"{key}: {message}" if key else message
    if found := shown(parts, problem["input"]):
        return f"{key}: {message} (found {found})"
    own = problem["type"] == "value_error"  # which says so where that is to be known
    return f"{key}: {message}{'' if own else f' ({NOT_SHOWN})'}"


def siblings(parts: list[str]) -> list[str]:
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
