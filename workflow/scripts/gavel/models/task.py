"""The task of a policy: the config's `solution`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, Self

from gavel.models import prompts


@dataclass(frozen=True)
class Task:
    """How questions become prompts, and what responses are expected.

    Attributes:
        prompt: solving prompt (name or file); it is read once.
        format: format of the responses.
        max_new_tokens: maximum length of a response, in tokens.
        answer_type: type of the answers (`gavel.solutions.answer_types`).
    """

    prompt: str
    format: Literal["program", "text"]
    max_new_tokens: int
    answer_type: str = "number"

    @classmethod
    def from_config(cls, solution: Mapping[str, Any]) -> Self:
        """The task in a config's section `solution`, whose other keys do not change responses, with its answers' type
        as `answer_type` (`gavel.study.params.solution`)."""
        return cls(**{field.name: solution[field.name] for field in fields(cls)})

    @cached_property
    def template(self) -> str:
        """The solving prompt's text. Raises `InputError` if it cannot be read or has no slot `{question}`."""
        return prompts.load(self.prompt)

    def prompts(self, questions: Iterable[str]) -> list[str]:
        """One prompt per question; raises `InputError` as `template`."""
        return [prompts.fill(self.template, question=question) for question in questions]
