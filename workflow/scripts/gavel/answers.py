"""THE verifier: what a solution answers, and whether that is right. Rewards, judge calibration, votes and
evaluation all call this module, so there is one definition of 'correct'. It does not grade reasoning: only
the final answer.

Program solutions answer what they return (`gavel.programs` runs them). In text, the last of these markers
decides:

- `#### 18`, `\\boxed{18}`: the first number in it (after the last `=`, if there is one); a formula in a box, such as
  `\\sqrt{16}` or `2^{10}`, is evaluated (`gavel.latex`);
- `A: 18`, `Answer: 18` at the start of a line or sentence: the number it begins with; if it begins with words
  (`A: Let's see. ...`), the last number after it;
- `the answer is 18`: as above but within its line; without a number it is prose and does not count.

Without a marker the last number of the text is the answer. Annotations `<<48/2=24>>`, currency signs, units
after the number, full stops and thousands separators (`1,200`, `1 200`) are stripped; fractions, mixed
numbers (`1 1/2`), `\\frac{3}{4}` and exponents (`1e3`) are read; `25%` is 25; words such as 'million' or
'dozen' count as units. 'Cannot be answered' is only the exact word `None`, alone after a marker (`#### None`,
`A: None`, `\\boxed{None}`, `the answer is None`): a lower-case `none` may well mean zero. A marker with
something else ('#### unknown', an unfinished sum) is no answer, which is Python's None and equals nothing.
"""

import re
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from gavel.latex import latex_number
from gavel.numerals import NUMBER, UNANSWERABLE, canonical, fraction, number_value
from gavel.programs import Answer, NotRun, run_programs

__all__ = ["canonical", "equal", "extract", "solutions_to_answers", "verify"]

Format = Literal["text", "program"]

# Noise of floating-point arithmetic, far below any difference that a word problem can mean; integers are
# exact.
RELATIVE_TOLERANCE = Fraction(1, 10**9)
ABSOLUTE_TOLERANCE = Fraction(1, 10**12)

# GSM-Plus writes 13/3 as 4.33. Of two decimals the coarser is taken for a rounding of the finer if it has at
# least this many places (with one place, 12.24 would pass for 12.2) and lies within half a unit of its last
# place ...
ROUNDED_PLACES = 2
# ... and the difference is small relative to the number: 0.17 for 1/6 (2 %) passes, 0.05 for 0.0461 does not.
ROUNDED_RELATIVE = Fraction(2, 100)

# A marker's answer stands at its beginning; the bound keeps adversarial text linear.
ANSWER_LENGTH = 200

_MARKER = re.compile(
    r"(?P<hash>\#\#\#\#)"
    r"|(?P<box>\\(?:boxed|fbox)[ ]?\{)"
    r"|(?P<letter>(?:^|(?<=[.!?>\#]))[ \t*_]*(?:A|(?i:(?:final[ ])?answer))[*_]*[ \t]?[:=])"
    r"|(?P<phrase>(?i:\banswer[ ](?:is|will[ ]be|would[ ]be|should[ ]be)\b))",
    re.MULTILINE,
)
_LEAD = re.compile(r"[\s*_:=~≈\"'`(\[$€£\\]*(?:(?:about|approximately|roughly|exactly|equal to|just) )?")
_NONE = re.compile(r"[\s*_:=\"'`(\[$\\]*None[\s.*_\"'`)\]}$\\]*")
# What follows a number that is only the first operand of a sum: `10+John's age`, `5 * 3`, `5-6`.
_UNFINISHED = re.compile(r"[ ]?(?:[+×÷^][ ]?[\w({\\]|[-*/][ ]?[0-9(]|\\(?:pi|times|cdot|div|sqrt))")

_CHARACTERS = str.maketrans(
    {
        "\u2212": "-",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "⁄": "/",
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
    }
)
_ANNOTATION = re.compile(r"<<[^<>\n]*>>")
_LATEX = (
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)[ ]?\{([^{}]*)\}"), r"\1"),
    (re.compile(r"(?<=[0-9])\\[dt]?frac[ ]?\{([^{}]{1,50})\}[ ]?\{([^{}]{1,50})\}"), r" \1/\2"),
    (re.compile(r"\\[dt]?frac[ ]?\{([^{}]{1,50})\}[ ]?\{([^{}]{1,50})\}"), r"\1/\2"),
    (re.compile(r"\\[dt]?frac([0-9])([0-9])"), r"\1/\2"),
    (re.compile(r"\\[!,;:]|\{,\}(?=[0-9])"), lambda match: "," if match[0] == "{,}" else ""),
    (re.compile(r"\\([$% ])"), r"\1"),
)
_FENCE = re.compile(r"```(?:python|py)?[ ]*\n(.*?)(?:```|\Z)", re.DOTALL)


def extract(text: str) -> str | None:
    """Canonical answer of a text solution: a number, `"None"` (cannot be answered), or None (no answer).

    Never raises, whatever the text; the rules are in the module's docstring.
    """
    text = _ANNOTATION.sub("", text.translate(_CHARACTERS))
    if "\\" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    for marker in reversed(list(_MARKER.finditer(text))):
        if marker["box"]:
            content = _braced(text, marker.end())
            if content is not None:
                return _boxed(content)
            continue
        line = text[marker.end() : marker.end() + ANSWER_LENGTH].lstrip().partition("\n")[0]
        if marker["hash"]:
            return _read(line)
        lead = _LEAD.match(line)
        if _NONE.fullmatch(line) or NUMBER.match(line, lead.end()):
            return _read(line)
        if marker["letter"]:
            return _last_number(text[marker.end() :])
        answer = _last_number(line)
        if answer is not None:
            return answer
    return _last_number(text)


def equal(answer: str | None, gold: str | None) -> bool:
    """Whether two answers are the same number, or both `"None"`; symmetric; no answer (None) equals nothing.

    Integers are compared exactly, other numbers up to floating-point noise, and a decimal with two or more
    places also matches what it rounds (4.33 and 13/3). Arguments need not be canonical; text that is no
    number equals nothing.
    """
    left, right = (None if value is None else canonical(value) for value in (answer, gold))
    if left is None or right is None:
        return False
    if left == right or UNANSWERABLE in (left, right):
        return left == right
    places = [len(text.partition(".")[2]) for text in (left, right)]
    if places == [0, 0]:
        return False
    x, y = fraction(left), fraction(right)
    difference, size = abs(x - y), max(abs(x), abs(y))
    if difference <= max(RELATIVE_TOLERANCE * size, ABSOLUTE_TOLERANCE):
        return True
    coarser = min(places)
    rounds = coarser >= ROUNDED_PLACES and 2 * difference * 10**coarser <= 1
    return rounds and difference <= ROUNDED_RELATIVE * size


def solutions_to_answers(responses: Sequence[str], format: Format) -> list[Answer]:
    """Answers of many solutions, in order: read from text, or returned by programs (a Markdown code fence
    around a program is taken off); `NOT_RUN` for a program that the batch's time did not suffice for. Raises ValueError
    for any other format."""
    if format == "text":
        return [extract(response) for response in responses]
    if format == "program":
        return run_programs([_unfenced(response) for response in responses])
    raise ValueError(f"format {format!r} is unknown; use 'text' or 'program'")


def verify(
    responses: Sequence[str], golds: Sequence[str], format: Format
) -> tuple[list[str | None], list[bool | None]]:
    """Answers of the responses and whether each equals the gold answer at its own position.

    Both are None for a program that did not run (`gavel.programs.NOT_RUN`): nobody knows whether it is right.

    Raises ValueError when the two lists differ in length or the format is unknown.
    """
    if len(responses) != len(golds):
        raise ValueError(f"{len(responses)} responses but {len(golds)} gold answers; give one gold a response")
    answers: list[str | None] = []
    correct: list[bool | None] = []
    for answer, gold in zip(solutions_to_answers(responses, format), golds, strict=True):
        ran = not isinstance(answer, NotRun)
        answers.append(answer if ran else None)
        correct.append(equal(answer, gold) if ran else None)
    return answers, correct


def _read(line: str) -> str | None:
    if _NONE.fullmatch(line):
        return UNANSWERABLE
    after = line.rpartition("=")[2]
    match = NUMBER.search(after) or NUMBER.search(line)
    if not match or _UNFINISHED.match(match.string, match.end()):
        return None
    return _canonical(match)


def _boxed(content: str) -> str | None:
    """What a box holds: a formula such as `\\sqrt{16}` or `2^{10}` by its value, anything else as `_read` has it."""
    formula = content.rpartition("=")[2].strip()
    if "\\" not in formula and "^" not in formula:
        return _read(content)
    value = canonical(latex_number(formula))
    leads = NUMBER.match(formula, _LEAD.match(formula).end())  # `18 m^2`
    return value if value is not None or not leads else _read(formula)


def _last_number(text: str) -> str | None:
    found = deque(NUMBER.finditer(text), maxlen=1)
    return _canonical(found[0]) if found else None


def _canonical(match: re.Match) -> str | None:
    value = number_value(match)
    return None if value is None else canonical(value)


def _braced(text: str, start: int) -> str | None:
    depth, end = 1, min(len(text), start + ANSWER_LENGTH)
    if text.find("}", start, end) < 0:
        return None
    for position in range(start, end):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return text[start:position].strip()
    return None


def _unfenced(response: str) -> str:
    fences = [code for code in _FENCE.findall(response) if "def solution" in code]
    return fences[-1] if fences else response
