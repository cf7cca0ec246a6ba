"""Base classes and value types of the config's sections."""

import re
import shlex
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from gavel.common.redaction import reject_secrets_in_command, reject_secrets_in_url

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def check_judge_names(value: dict[str, str]) -> dict[str, str]:
    """Raises `ValueError` unless the names of other judges can be those of files and of columns."""
    for name in value:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError(f"name {name!r}: expected only letters, digits, '_' and '-'")
    return value


# Other judges: name -> model folder, or a study's YAML file (`gavel.study.named_judge`).
NamedJudges = Annotated[dict[str, str], AfterValidator(check_judge_names)]
TemplateArguments = dict[str, bool | int | float | str]  # `chat_template_kwargs`
# Arguments of `apply_chat_template` that Gavel sets itself.
NOT_FOR_TEMPLATES = {
    "add_generation_prompt", "chat_template", "continue_final_message", "conversation", "messages", "padding",
    "return_dict", "return_tensors", "strftime_now", "tokenize", "truncation",
}  # fmt: skip

_LEADING_ZERO = re.compile(r"\s*[-+]?0[0-9_]+\s*")
_EXPONENT = re.compile(r"\s*[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+\s*")


class Section(BaseModel):
    """A closed section: unknown keys are errors, and so are values that YAML read as another type than was meant."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False, protected_namespaces=(), allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def check_yaml_type(cls, value: Any, info: ValidationInfo) -> Any:
        """Reject `010`, and `yes` for a number or text; read `1e-5` and `1e3` as numbers, which YAML 1.1 does not."""
        types = types_in(cls.model_fields[info.field_name].annotation)
        if dict in types or any(issubclass(kind, BaseModel) for kind in types):
            return value
        values = value if isinstance(value, list | tuple) else [value]
        numeric = types & {int, float} and str not in types
        if bool not in types and any(isinstance(item, bool) for item in values):
            raise ValueError(
                f"expected {'a number' if numeric else 'text'}; YAML reads yes, no, on and off as true and false "
                "unless they are in quotes"
            )
        if not numeric:
            return value
        if any(isinstance(item, str) and _LEADING_ZERO.fullmatch(item) for item in values):
            raise ValueError("write the number without a leading 0")
        numbers = [float(item) if isinstance(item, str) and _EXPONENT.fullmatch(item) else item for item in values]
        return numbers if isinstance(value, list | tuple) else numbers[0]


def types_in(annotation: Any) -> set[type]:
    """The types in an annotation: `list[int] | None` has int and NoneType."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return types_in(inner[0])
    if get_origin(annotation) is Literal:
        return {type(option) for option in inner}
    if get_origin(annotation) is dict:
        return {dict}
    return {kind for part in inner for kind in types_in(part)} if inner else {annotation}


def check_template_arguments(arguments: TemplateArguments, chat: bool) -> None:
    """Check a section's `chat_template_kwargs`.

    Raises:
        ValueError: without `chat` they have no effect, or one is not for templates.
    """
    if arguments and not chat:
        raise ValueError("chat_template_kwargs: need the chat template; write `chat: true`, or leave them out")
    if given := sorted(set(arguments) & NOT_FOR_TEMPLATES):
        raise ValueError(f"chat_template_kwargs: {given[0]!r} is set by Gavel itself; leave it out")


class ServerSection(Section):
    """A server that jobs send requests to."""

    serve: Literal["external", "job"] = Field(
        "external",
        description="Who starts the server. `external`: someone else; `base_url` is its address. `job`: each job that "
        "needs it starts its own on localhost, at a free port, and stops it at its end.",
    )
    base_url: str | None = Field(None, pattern=r"^https?://", description="Address of an external server.")
    command: str | Annotated[list[str], Field(min_length=1)] = Field(
        description="Command with which a job starts its server: one line or a list of words; {model}, {host} and "
        "{port} are filled in."
    )
    gpus: list[Annotated[int, Field(ge=0)]] | None = Field(
        None,
        description="GPUs visible to the job's server, counted from 0 among the job's `compute.gpus`; training uses "
        "the first `compute.processes` of them. null makes all visible, [] none.",
    )
    startup_timeout_s: Positive = Field(900.0, description="Time limit in seconds for the job's server to start up.")

    @field_validator("base_url")
    @classmethod
    def check_base_url(cls, value: Any) -> Any:
        if value is not None:
            reject_secrets_in_url(value)
        return value

    @field_validator("command")
    @classmethod
    def check_command(cls, value: Any) -> Any:
        reject_secrets_in_command(value)
        return value

    def check_served(self) -> None:
        """Raises `ValueError` if keys contradict each other."""
        if self.serve == "external":
            if self.base_url is None:
                raise ValueError("serve: 'external' needs `base_url`, the server's address; or write `serve: job`")
            for key in ("command", "gpus"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"{key}: is for a server that the job starts; write `serve: job`, or leave it out")
            return
        if isinstance(self.command, str):
            try:
                shlex.split(self.command)
            except ValueError as error:
                raise ValueError(
                    f"command: cannot be split into words ({str(error).lower()}); close the quote, or write a list of "
                    "words"
                ) from None
        if self.base_url is not None:
            raise ValueError("base_url: with `serve: job` the job chooses the address; leave one of them out")
        text = self.command if isinstance(self.command, str) else " ".join(self.command)
        if "\0" in text:
            raise ValueError("command: contains a NUL character; remove it")
        if "{port}" not in text:
            raise ValueError("command: has no {port}, where the job inserts a free port")
        if not text.split("{")[0].strip():
            raise ValueError("command: must begin with a program")
