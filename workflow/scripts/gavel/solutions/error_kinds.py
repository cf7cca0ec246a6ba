"""The kind of error in an incorrect solution, as far as a comparison with the reference solution shows.

Errors of a policy and injected errors are classified by the same rules, so a judge's metrics on both can be compared.
There is only one reference: if a solution took another path to the answer, the kind is where that path leaves the
reference's (more steps, another operation). Nothing is executed or parsed here: a model's text is only split by regular
expressions.
"""

import re
from typing import NamedTuple

from gavel.solutions import answer_types
from gavel.solutions.programs import assignment

# The kinds, in the order in which they are tried; the first match counts. 'other wording' is only for texts; 'other
# order', 'other operation' and 'other result' are only for programs. If answers are not numbers, 'other number' is
# named after their type: 'other choice'.
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
_OPERATORS = {"+", "-", "*", "/", "%", "**", "//"}
_COMMUTES = {"+", "*"}


class Step(NamedTuple):
    """One assignment of a program, with each name replaced by the step that it stands for."""

    operators: tuple[str, ...]
    operands: tuple[str, ...]
    tokens: tuple[str, ...]


def steps(solution: str, solution_format: str) -> int:
    """The number of steps in a solution: assignments of a program, lines of a text before its answer."""
    lines = [line for line in solution.splitlines() if line.strip()]
    if solution_format == "program":
        return sum(assignment(line) is not None for line in lines)
    return sum(not line.startswith("####") for line in lines)


def error_kind(
    wrong: str, reference: str, answer: str | None, solution_format: str, answer_type: str = answer_types.DEFAULT
) -> str:
    """The kind of error, one of `KINDS`.

    Args:
        wrong: a solution whose answer is not the reference's.
        reference: a correct solution of the same question.
        answer: the answer of `wrong` (`gavel.solutions.verifier`), None without one.
        solution_format: `program` or `text`.
        answer_type: of the answer.
    """
    if answer is None:
        return "no answer"
    taken, needed = steps(wrong, solution_format), steps(reference, solution_format)
    if taken != needed:
        return "fewer steps" if taken < needed else "more steps"
    return _of_program(wrong, reference) if solution_format == "program" else _of_text(wrong, reference, answer_type)


def _of_program(wrong: str, reference: str) -> str:
    taken, needed = _steps(wrong), _steps(reference)
    if taken == needed:
        return "other result"
    pairs = list(zip(taken, needed, strict=True))
    operations = all(a.operators == b.operators for a, b in pairs)
    numbers = all(a.operands == b.operands for a, b in pairs)
    if operations and numbers:
        return "other order"
    first, second = _blank(taken), _blank(needed)
    if first != second and sorted(first) == sorted(second):
        return "other order"
    return "other operation" if numbers else "other number" if operations else "operation and number"


def _of_text(wrong: str, reference: str, answer_type: str) -> str:
    kind = answer_types.find(answer_type)
    same = kind.blank(wrong).split() == kind.blank(reference).split()
    return f"other {kind.noun}" if same else "other wording"


def _steps(program: str) -> list[Step]:
    names: dict[str, str] = {}
    result: list[Step] = []
    for line in program.splitlines():
        if (step := assignment(line)) is None:
            continue
        head, expression = step
        tokens = [names.get(token, token) for token in _TOKEN.findall(expression)]
        names[head.strip()] = f"step {len(result)}"
        operators = sorted(token for token in tokens if token in _OPERATORS)
        operands = sorted(token for token in tokens if token not in _OPERATORS and token not in ("(", ")"))
        # 2*3 and 3*2 are the same step.
        ordered = sorted(tokens) if len(tokens) == 3 and set(operators) <= _COMMUTES else tokens
        result.append(Step(tuple(operators), tuple(operands), tuple(ordered)))
    return result


def _blank(program: list[Step]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The operators and operands of the steps, with all names of steps alike."""
    blank = [tuple(sorted("step" if part.startswith("step ") else part for part in step.operands)) for step in program]
    return [(step.operators, operands) for step, operands in zip(program, blank, strict=True)]
