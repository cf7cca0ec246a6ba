"""Wrong programs made from right ones, for a student's noisy reading and a judge's examples."""

import random


def corrupt(program: str, rng: random.Random) -> str:
    """A wrong program made from a right one: an operator changed, operands swapped, or a number replaced."""
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


def _operands(line: str) -> list[str]:
    expression = line.split(" = ")[1]
    for operator in "+-*/()":
        expression = expression.replace(operator, " ")
    return expression.split()
