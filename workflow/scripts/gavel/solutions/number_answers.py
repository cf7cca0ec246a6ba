"""Answers that are numbers, or `"None"` for a question that has no answer.

`gavel.solutions.numbers` reads and writes numbers; `gavel.solutions.verifier` has the rules by which a text states one.
"""

import re

from gavel.solutions.answer_types import AnswerType
from gavel.solutions.numbers import UNANSWERABLE, canonical, fraction

SLIPS = (-10, -3, -2, -1, 1, 2, 3, 10)  # from an answer to a wrong one
SEVERAL = (2, -1, 0, 1, -2)  # from an answer to several, the answer itself in the middle
_NUMBER = re.compile(r"-?\d[\d,]*\.?\d*|-?\.\d+")


def shift(answer: str, by: int) -> str:
    """The answer plus `by`, in canonical text."""
    return canonical(fraction(answer) + by)  # type: ignore[return-value]  # None only beyond the digits of any answer


def _wrong(answer: str, question: str) -> list[str]:
    return [] if answer == UNANSWERABLE else [shift(answer, by) for by in SLIPS]


def _several(answer: str, question: str) -> list[str]:
    return [shift(answer, by) for by in SEVERAL]


def _state(answer: str) -> str:
    return f"#### {answer}"


def _restate(text: str, answer: str, wrong: str) -> str:
    """Replaces the answer, and whatever equals it in the last step."""
    lines = text.rstrip().split("\n")
    body, last = lines[:-1], lines[-1]
    number = rf"(?<![\d.,]){re.escape(answer)}(?![\d]|[.,]\d)"
    if last.startswith("####"):
        return "\n".join([*body[:-1], *(re.sub(number, wrong, line) for line in body[-1:]), f"#### {wrong}"])
    changed = re.sub(number, wrong, last)
    return "\n".join([*body, changed if changed != last else f"{last}\n#### {wrong}"])


def _end_with(text: str, answer: str, wrong: str) -> str:
    steps, _, _ = text.rpartition("####")
    return f"{steps or text}\n#### {wrong}"


def _blank(text: str) -> str:
    return _NUMBER.sub("0", text)


TYPE = AnswerType(
    description="a number, or `None` for a question that has no answer.",
    noun="number",
    expected="a number or the word None",
    formats=("program", "text"),
    canonical=canonical,
    extract=None,
    equal=None,
    wrong=_wrong,
    several=_several,
    state=_state,
    restate=_restate,
    end_with=_end_with,
    blank=_blank,
)
