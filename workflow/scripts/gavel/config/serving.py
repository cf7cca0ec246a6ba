"""Who starts a server that jobs ask: somebody else, or each job its own."""

import shlex
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gavel.config.section import Positive, Section
from gavel.redaction import refuse_in_command, refuse_in_url


class Served(Section):
    """A server that jobs ask."""

    serve: Literal["external", "job"] = Field(
        "external",
        description="Who starts it: `external`, somebody else, and `base_url` says where it is; or each `job` that "
        "asks it, on its own node and a free port of loopback, and ends it when it ends itself.",
    )
    base_url: str | None = Field(None, pattern=r"^https?://", description="Where an external one is.")
    command: str | Annotated[list[str], Field(min_length=1)] = Field(
        description="What a job starts, a line or a list of words; {model}, {host} and {port} are filled in."
    )
    gpus: list[Annotated[int, Field(ge=0)]] | None = Field(
        None,
        description="The GPUs that the job's server sees, counted from 0 among the job's `compute.gpus`; training "
        "takes the first `compute.processes` of them. null shows it all, [] none.",
    )
    startup_s: Positive = Field(900.0, description="Seconds in which the job's server must be ready to answer.")

    @field_validator("base_url")
    @classmethod
    def without_secret(cls, value):
        if value is not None:
            refuse_in_url(value)
        return value

    @field_validator("command")
    @classmethod
    def without_key(cls, value):
        refuse_in_command(value)
        return value

    def check_served(self) -> None:
        """Raises `ValueError` where keys contradict each other."""
        if self.serve == "external":
            if self.base_url is None:
                raise ValueError("serve: 'external' needs `base_url`, where the server is; or write `serve: job`")
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
                    f"words, found {self.command!r}"
                ) from None
        if self.base_url is not None:
            raise ValueError("base_url: with `serve: job` the job chooses the address; leave one of them out")
        text = self.command if isinstance(self.command, str) else " ".join(self.command)
        if "\0" in text:
            raise ValueError("command: has a NUL character in it, which no program can be given")
        if "{port}" not in text:
            raise ValueError("command: has no {port}, where the job puts the port that it found free")
        if not text.split("{")[0].strip():
            raise ValueError("command: must begin with a program")
