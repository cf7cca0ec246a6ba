"""The types of answer that a study's questions can have (the config's `data.answer_type`).

Everything that depends on what an answer is goes through this table: gold answers in data files, the answer of a text,
votes, corrupted solutions, probes. To add a type, write a module whose `TYPE` is an `AnswerType` and a line in
`MODULES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

# Type -> the module that has it as `TYPE`. A rule's digest leaves out the modules of types that the study does not use.
MODULES = {"number": "gavel.solutions.number_answers", "choice": "gavel.solutions.choice_answers"}
DEFAULT = "number"


@dataclass(frozen=True, kw_only=True)
class AnswerType:
    """What can be done with answers of one type. Answers are canonical texts, except where stated.

    Attributes:
        description: for the config reference.
        noun: what one answer is called.
        expected: what a gold answer must be, for messages.
        formats: formats of the solutions that can give such an answer (`program`, `text`).
        canonical: (published value) -> the canonical text of a gold answer; None if no response could equal it. Equal
            canonical texts are one candidate in votes.
        extract: (text of a solution) -> its answer; None if it has none. It never raises.
        equal: (answer or None, gold answer) -> whether they are the same; None equals nothing. `extract` and `equal`
            are None for numbers, whose rules are those of `gavel.solutions.verifier`: so an edit of these long rules
            does not rerun the jobs that only read gold answers.
        wrong: (answer, question) -> other answers in a fixed order, those that an error may lead to.
        several: (answer, question) -> answers in a fixed order, one of them the given one.
        state: (answer) -> the shortest text that gives it.
        restate: (text, its answer, another answer) -> the text as if it had led to the other answer.
        end_with: (text, its answer, another answer) -> the text with the other answer at its end.
        blank: (text) -> the text with its answers masked, to compare the wording of two texts.
    """

    description: str
    noun: str
    expected: str
    formats: tuple[str, ...]
    canonical: Callable[[object], str | None]
    extract: Callable[[str], str | None] | None
    equal: Callable[[str | None, str | None], bool] | None
    wrong: Callable[[str, str], list[str]]
    several: Callable[[str, str], list[str]]
    state: Callable[[str], str]
    restate: Callable[[str, str, str], str]
    end_with: Callable[[str, str, str], str]
    blank: Callable[[str], str]


def find(name: str) -> AnswerType:
    """The type of that name. Raises ValueError if there is none."""
    if name not in MODULES:
        raise ValueError(f"answer type {name!r} is unknown; use one of {', '.join(MODULES)}")
    found: AnswerType = import_module(MODULES[name]).TYPE
    return found


def descriptions() -> str:
    """What each type is, for the config reference."""
    return " ".join(f"`{name}`: {find(name).description}" for name in MODULES)


def modules_of_other_types(name: str) -> frozenset[str]:
    """The modules of all types but one."""
    return frozenset(module for other, module in MODULES.items() if other != name)
