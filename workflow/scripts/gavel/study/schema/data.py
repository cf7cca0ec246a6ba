"""Where questions come from, how they are split, and how the student answers them."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gavel.common.redaction import reject_secrets_in_options
from gavel.data.readers import COLUMNS, READERS, reader_descriptions, readers_for
from gavel.solutions import answer_types
from gavel.study.schema.base import Count, Section, TemplateArguments, check_template_arguments

READ = (
    "path",
    "columns",
    "name",
    "split",
    "revision",
    "limit",
    "draw",
    "draw_per_kind",
    "skip_bad",
)  # keys of sources that are read
GENERATED = ("set", "size", "seed", "perturbs")  # keys of sources that are generated


class Columns(Section):
    """Names of the columns (keys of JSON objects) that the readers `rows` and `gsm8k` read; null stands for a column of
    the key's own name."""

    question: str | None = Field(None, description="Column with the question.")
    answer: str | None = Field(
        None, description="Column with the gold answer; for `gsm8k`, with the steps and the final `#### N`."
    )
    solution: str | None = Field(
        None, description="`rows` only: column with the worked solution, which SFT trains on; rows may lack one."
    )
    id: str | None = Field(None, description="`rows` only: column with a distinct name for each row.")
    kind: str | None = Field(None, description="`rows` only: column with the kind of question, for test sets.")
    choices: str | None = Field(
        None, description="`rows` only, with `data.answer_type: choice`: column with the list of options."
    )

    @model_validator(mode="after")
    def check_distinct(self) -> Self:
        named: dict[str, str] = {}
        for key in type(self).model_fields:
            column = getattr(self, key)
            if column is not None and (other := named.setdefault(column, key)) != key:
                raise ValueError(f"{other} and {key} name the same column, {column!r}; name two, or leave one out")
        return self


class Source(Section):
    """Where questions come from: the built-in generator, a local file or folder, or a hub data set."""

    reader: Literal["generator", *READERS] = Field(
        description="How to read it. `generator` generates questions; the others read published layouts. "
        f"{reader_descriptions()}"
    )
    path: str | None = Field(
        None,
        description="Local file (.jsonl, .json, .csv, .tsv, .parquet, or ASDiv's .xml) or folder, or a hub data set's "
        "name (not for `generator`).",
    )
    columns: Columns | None = Field(
        None,
        description="Names of the columns in the data set, such as `{question: problem, answer: final, solution: "
        "rationale}`; null stands for the reader's own names.",
    )
    name: str | None = Field(None, description="Hub configuration, such as `main` for openai/gsm8k; not for a file.")
    split: str | None = Field(
        None,
        description="Hub split, such as `train` or `testmini`; for a local file, the split's name in record ids, as in "
        "`gsm8k-train-00012`.",
    )
    revision: str | None = Field(
        None, description="Hub commit or tag; null downloads the newest. Not allowed for local files."
    )
    limit: Count | None = Field(None, description="Keep only the first N rows.")
    draw: Count | None = Field(
        None, description="Keep N of the rows, drawn by their ids alone: every study with these rows draws the same."
    )
    draw_per_kind: Count | None = Field(None, description="The same for each kind of question, such as of GSM-Plus.")
    skip_bad: bool = Field(
        False,
        description="Skip rows that the reader cannot read, and count them in `splits.json` and the report; otherwise "
        "the first such row is an error.",
    )
    set: Literal["pretrain", "main", "svamp", "plus"] | None = Field(
        None,
        description="Generator only: kind of questions. `plus` perturbs the questions of another test set.",
    )
    size: Count | None = Field(None, description="Generator only: number of questions.")
    seed: int = Field(0, description="Generator only: a different seed gives different questions.")
    perturbs: str | None = Field(None, description="Generator set `plus` only: name of the test set to perturb.")

    @field_validator("reader", mode="before")
    @classmethod
    def check_reader(cls, value: Any) -> Any:
        if value == "jsonl":
            raise ValueError("'jsonl' is now 'rows', which reads JSON Lines, JSON, CSV and Parquet alike")
        return value

    @model_validator(mode="after")
    def check_columns(self) -> Self:
        if self.columns is None or self.reader == "generator":
            return self
        for key in type(self.columns).model_fields:
            if getattr(self.columns, key) is not None and key not in COLUMNS.get(self.reader, ()):
                readers = " or ".join(repr(name) for name, keys in COLUMNS.items() if key in keys)
                raise ValueError(
                    f"columns.{key}: reader {self.reader!r} would ignore it; leave it out, or use {readers}"
                )
        return self

    @model_validator(mode="after")
    def check_draw(self) -> Self:
        if self.draw and self.draw_per_kind:
            raise ValueError("draw and draw_per_kind exclude each other; leave one out")
        return self

    @model_validator(mode="after")
    def check_keys(self) -> Self:
        generated = self.reader == "generator"
        for key in READ if generated else GENERATED:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(
                    f"{key}: reader {self.reader!r} would ignore it; leave it out"
                    + (", or write `limit` to keep only the first rows" if key == "size" else "")
                )
        if generated:
            if self.set is None or self.size is None:
                raise ValueError("reader 'generator' needs `set` and `size`")
            if (self.set == "plus") != (self.perturbs is not None):
                raise ValueError("`perturbs` names the test set to perturb: needed with set 'plus', and only there")
        elif self.path is None:
            raise ValueError(f"reader {self.reader!r} needs `path`")
        return self


class Data(Section):
    """Questions and splits. Splits are disjoint by normalised question, and depend on the seed and the record ids."""

    seed: int = Field(0, description="Determines which questions go into which split.")
    pretrain: Source | None = Field(
        None, description="Pretraining data for models made from scratch; null if there are none."
    )
    train: Source = Field(description="Source of the labelled, unlabelled and validation questions.")
    labeled: int | float = Field(description="Labelled questions: a count, or a fraction of `train` between 0 and 1.")
    unlabeled: int | float = Field(description="Unlabelled questions (gold answers removed): a count or a fraction.")
    validation: int | float = Field(
        description="Validation questions: a count or a fraction. All model selection uses these."
    )
    tests: dict[str, Source] = Field(
        description="Test sets by name; only the evaluation and the contamination audit read them."
    )
    answer_type: Literal[*answer_types.MODULES] = Field(
        answer_types.DEFAULT,
        description=f"What the answers of all questions are. {answer_types.descriptions()} Programs answer only "
        "numbers: `choice` needs `solution.format: text`.",
    )
    ngram: Count = Field(8, description="Shared word n-grams of this length count as contamination in the audit.")

    @field_validator("labeled", "unlabeled", "validation")
    @classmethod
    def check_size(cls, value: Any) -> Any:
        if value <= 0 or (isinstance(value, float) and not value.is_integer() and value >= 1):
            raise ValueError(f"{value} is neither a count (1, 2, ...) nor a fraction between 0 and 1")
        return value

    @field_validator("tests")
    @classmethod
    def check_tests(cls, value: Any) -> Any:
        if not value:
            raise ValueError("name at least one test set")
        for name, source in value.items():
            if not name.replace("_", "").replace("-", "").isalnum():
                raise ValueError(f"test set name {name!r} may contain only letters, digits, '-' and '_'")
            if name.startswith("-"):
                raise ValueError(
                    f"test set name {name!r} must not begin with a dash, which programs take for an option"
                )
            if source.perturbs is not None and (source.perturbs == name or source.perturbs not in value):
                raise ValueError(f"test set {name!r} perturbs {source.perturbs!r}, which is not another test set")
        return value

    @model_validator(mode="after")
    def check_answer_type(self) -> Self:
        readers = readers_for(self.answer_type)
        if self.answer_type == "number":
            readers.append("generator")
        sources = {"train": self.train, "pretrain": self.pretrain}
        for key, source in (sources | {f"tests.{name}": test for name, test in self.tests.items()}).items():
            if source and source.reader not in readers:
                raise ValueError(
                    f"{key}.reader: {source.reader!r} does not read answers of `answer_type` {self.answer_type!r}; use "
                    f"{', '.join(readers)}, or another `answer_type`"
                )
        return self


class Solution(Section):
    """How the student answers."""

    format: Literal["program", "text"] = Field(
        "program",
        description="`program`: a Python function that returns the answer; `text`: free text.",
    )
    reasoning: bool = Field(
        False,
        description="`program` only: in the programs that SFT trains on, each step's text is a comment above its "
        "statement, and names come from the text (`clips_in_may`) instead of being a, b, c. For students that can use "
        "the words. Such programs have four times as many tokens; raise `max_new_tokens`.",
    )
    prompt: str = Field(
        "solve", description="Solving prompt: a shipped name (solve, reft, choice) or a file with {question}."
    )
    chat: bool = Field(
        False,
        description="Put the prompt into the student's chat template, as the user's message: in SFT, rollouts, "
        "calibration and evaluation alike. The end token is then the one with which the template ends a reply.",
    )
    system: str | None = Field(
        None,
        description="System message (with `chat`), a text; null sends none. A template may have a default of its own; "
        "the log and the report show the prompt.",
    )
    chat_template_kwargs: TemplateArguments = Field(
        default_factory=dict,
        description="Arguments of the chat template (with `chat`), such as {enable_thinking: false}. Templates that "
        "show the current date get a fixed one.",
    )
    max_new_tokens: Count = Field(
        64, description="Maximum response length in tokens; together with any prompt it must fit the student's context."
    )
    batch_seconds: Annotated[float, Field(ge=2)] = Field(
        60.0,
        description="Time limit in seconds for running up to 1,024 programs; larger batches get proportionally more. "
        "Programs that have not run by then count as missing, not wrong: they get no reward and are left out of "
        "metrics; the log and the report give their number. An endless program blocks one worker for a second.",
    )

    @field_validator("chat_template_kwargs")
    @classmethod
    def check_for_secrets(cls, value: Any) -> Any:
        reject_secrets_in_options(value)
        return value

    @model_validator(mode="after")
    def check_chat(self) -> Self:
        if self.system is not None and not self.chat:
            raise ValueError("system: needs the chat template; write `chat: true`, or put it into `prompt`")
        check_template_arguments(self.chat_template_kwargs, self.chat)
        return self

    @model_validator(mode="after")
    def check_reasoning(self) -> Self:
        if self.reasoning and self.format == "text":
            raise ValueError("reasoning: is for programs; a text has its reasoning anyway; leave it out")
        return self
