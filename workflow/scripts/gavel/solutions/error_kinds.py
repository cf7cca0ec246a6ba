"""What is wrong with a wrong solution, as far as a comparison with the reference solution tells.

Errors that a policy made and errors that were injected are named by the same rules, so that a judge's figures on both
can be read side by side. The comparison is with the one reference: who went wrong on another way to the answer is told
by where that way leaves the reference's (more steps, another operation). Nothing is executed or parsed here: a solution
is a model's text, and is taken apart by regular expressions alone.
"""

import re
from typing import NamedTuple

# The kinds, in the order in which they are tried; the first that fits is the one. 'other wording' is of texts, 'other
# order', 'other operation' and 'other result' of programs.
KINDS = (
    "no answer",
    "fewer steps",
    "more steps",
    "other order",
    "other operation",
    "other number",
    "operation and number",
    "other result",
    "other wording",
)
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+\.?\d*|\.\d+|\*\*|//|[-+*/%()]|\S")
_NUMBER = re.compile(r"-?\d[\d,]*\.?\d*|-?\.\d+")
_OPERATORS = {"+", "-", "*", "/", "%", "**", "//"}
_COMMUTES = {"+", "*"}


class Step(NamedTuple):
    """One assignment of a program, names told by the place of what they stand for."""

    operators: tuple[str, ...]
    operands: tuple[str, ...]
    tokens: tuple[str, ...]


def steps(solution: str, solution_format: str) -> int:
    """How many steps a solution takes: assignments of a program, lines of a text before its answer."""
    lines = [line for line in solution.splitlines() if line.strip()]
    if solution_format == "program":
        return sum(" = " in line for line in lines)
    return sum(not line.startswith("####") for line in lines)


def error_kind(wrong: str, reference: str, answer: str | None, solution_format: str) -> str:
    """The kind of error, one of `KINDS`.

    Args:
        wrong: a solution whose answer is not the reference's.
        reference: a right solution of the same problem.
        answer: what the wrong one answers (`gavel.solutions.verifier`), None for no answer.
        solution_format: `program` or `text`.
    """
    if answer is None:
        return "no answer"
    own, right = steps(wrong, solution_format), steps(reference, solution_format)
    if own != right:
        return "fewer steps" if own < right else "more steps"
    return _of_program(wrong, reference) if solution_format == "program" else _of_text(wrong, reference)


def _of_program(wrong: str, reference: str) -> str:
    own, right = _steps(wrong), _steps(reference)
    if own == right:
        return "other result"
    pairs = list(zip(own, right, strict=True))
    operations = all(a.operators == b.operators for a, b in pairs)
    numbers = all(a.operands == b.operands for a, b in pairs)
    if operations and numbers:
        return "other order"
    first, second = _blank(own), _blank(right)
    if first != second and sorted(first) == sorted(second):
        return "other order"
    return "other operation" if numbers else "other number" if operations else "operation and number"


def _of_text(wrong: str, reference: str) -> str:
    return "other number" if _words(wrong) == _words(reference) else "other wording"


def _words(text: str) -> list[str]:
    return _NUMBER.sub("0", text).split()


def _steps(program: str) -> list[Step]:
    names: dict[str, str] = {}
    found: list[Step] = []
    for line in program.splitlines():
        head, separator, expression = line.partition(" = ")
        if not separator:
            continue
        tokens = [names.get(token, token) for token in _TOKEN.findall(expression)]
        names[head.strip()] = f"step {len(found)}"
        operators = sorted(token for token in tokens if token in _OPERATORS)
        operands = sorted(token for token in tokens if token not in _OPERATORS and token not in ("(", ")"))
        # 2*3 and 3*2 are one step.
        turned = sorted(tokens) if len(tokens) == 3 and set(operators) <= _COMMUTES else tokens
        found.append(Step(tuple(operators), tuple(operands), tuple(turned)))
    return found


def _blank(found: list[Step]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The steps, whichever step a name stands for."""
    blank = [tuple(sorted("step" if part.startswith("step ") else part for part in one.operands)) for one in found]
    return [(one.operators, operands) for one, operands in zip(found, blank, strict=True)]
