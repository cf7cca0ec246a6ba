"""Reference solutions, and corrupted ones made from them: a program with a changed step, a text with another number.

For the tiny student's corrupted documents, a judge's training examples, the judge benchmark and adversarial probes.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gavel.solutions.numbers import UNANSWERABLE, canonical, fraction
from gavel.solutions.programs import to_program

TRIES = 20  # attempts for each corrupted solution
SLIPS = (-10, -3, -2, -1, 1, 2, 3, 10)  # added to a text's number


def reference(row: Mapping[str, Any], solution_format: str) -> str | None:
    """A record's reference solution in the format; None if it has none.

    A program that cannot be converted has none. Neither has a question that cannot be answered, since none of its steps
    is correct.
    """
    if row.get("gold") in (None, UNANSWERABLE) or not row.get("solution"):
        return None
    if solution_format == "text":
        text: str = row["solution"]
        return text
    return to_program(row["solution"], row["gold"], row["question"]) or None


def references(rows: Sequence[Mapping[str, Any]], solution_format: str) -> dict[str, str]:
    """Id -> reference solution, of the records that have one (`reference`)."""
    pairs = ((row["id"], reference(row, solution_format)) for row in rows)
    return {name: text for name, text in pairs if text}


def shift_answer(answer: str, by: int) -> str:
    """The answer plus `by`, in canonical text."""
    return canonical(fraction(answer) + by)  # type: ignore[return-value]  # None only beyond the digits of any answer


def corrupt(program: str, rng: random.Random) -> str:
    """A corrupted program made from a correct one: an operator changed, operands swapped, or a number replaced."""
    lines = program.split("\n")
    spots = [i for i, line in enumerate(lines) if " = " in line]
    spot = rng.choice(spots)
    head, expression = lines[spot].split(" = ")
    operator = next((o for o in "*/+-" if o in expression[1:]), None)
    if operator is None:
        return program
    left, right = expression.split(operator, 1)
    numbers = [p for line in lines if " = " in line for p in _operands(line) if p.isdigit()]
    action = rng.random()
    if action < 0.5 or (action < 0.75 and operator in "+*"):
        operator = rng.choice([o for o in "*/+-" if o != operator])
    elif action < 0.75:
        left, right = right, left
    elif numbers:
        right = rng.choice(numbers)
    lines[spot] = f"{head} = {left}{operator}{right}"
    return "\n".join(lines)


def corruptions(program: str, rng: random.Random, tries: int) -> Iterator[str]:
    """The results of up to `tries` calls of `corrupt`, without those that leave the program unchanged.

    Yields nothing for a program without a step.
    """
    if " = " in program:
        made = (corrupt(program, rng) for _ in range(tries))
        yield from (text for text in made if text != program)


def corrupt_solution(solution: str, answer: str, solution_format: str, count: int, rng: random.Random) -> list[str]:
    """Up to `count` different solutions with one injected error each; some may still be correct (8 + 3 for 3 + 8).

    In a program one step is changed; in a text the answer's number, also in the last step.

    Args:
        answer: the solution's answer: the gold answer of a reference, the policy's own answer of a sample.
    """
    if solution_format == "program":
        made = corruptions(solution, rng, TRIES * count)
    else:
        slipped = (_slipped(solution, answer, by) for by in rng.sample(SLIPS, len(SLIPS)))
        made = (text for text in slipped if text != solution)
    distinct: dict[str, None] = {}
    for text in made:
        distinct[text] = None
        if len(distinct) == count:
            break
    return list(distinct)


def _slipped(text: str, answer: str, by: int) -> str:
    """A text whose answer is off by `by`, and so is whatever equals the answer in the last step."""
    wrong = shift_answer(answer, by)
    lines = text.rstrip().split("\n")
    body, last = lines[:-1], lines[-1]
    number = rf"(?<![\d.,]){re.escape(answer)}(?![\d]|[.,]\d)"
    if last.startswith("####"):
        return "\n".join([*body[:-1], *(re.sub(number, wrong, line) for line in body[-1:]), f"#### {wrong}"])
    changed = re.sub(number, wrong, last)
    return "\n".join([*body, changed if changed != last else f"{last}\n#### {wrong}"])


def _operands(line: str) -> list[str]:
    expression = line.split(" = ")[1]
    for operator in "+-*/()":
        expression = expression.replace(operator, " ")
    return expression.split()
