"""Reference solutions, and corrupted ones made from them: a program with a changed step, a text with another answer.

For the tiny student's corrupted documents, a judge's training examples, the judge benchmark and adversarial probes.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gavel.solutions import answer_types
from gavel.solutions.numbers import UNANSWERABLE
from gavel.solutions.programs import to_program

TRIES = 20  # attempts for each corrupted solution


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


def corrupt_solution(
    solution: str,
    answer: str,
    solution_format: str,
    count: int,
    rng: random.Random,
    *,
    question: str,
    answer_type: str = answer_types.DEFAULT,
) -> list[str]:
    """Up to `count` different solutions with one injected error each; some may still be correct (8 + 3 for 3 + 8).

    In a program one step is changed; in a text the answer (a number also in the last step).

    Args:
        answer: the solution's answer: the gold answer of a reference, the policy's own answer of a sample.
        question: the solution's question, which may say what other answers there are.
        answer_type: of the answer.
    """
    if solution_format == "program":
        made = corruptions(solution, rng, TRIES * count)
    else:
        kind = answer_types.find(answer_type)
        wrong = kind.wrong(answer, question)
        slipped = (kind.restate(solution, answer, other) for other in rng.sample(wrong, len(wrong)))
        made = (text for text in slipped if text != solution)
    distinct: dict[str, None] = {}
    for text in made:
        distinct[text] = None
        if len(distinct) == count:
            break
    return list(distinct)


def _operands(line: str) -> list[str]:
    expression = line.split(" = ")[1]
    for operator in "+-*/()":
        expression = expression.replace(operator, " ")
    return expression.split()
