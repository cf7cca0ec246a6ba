"""Reference solutions, and corrupted ones made from them: a program with a changed step, a text with another answer.

For the tiny student's corrupted documents, a judge's training examples, the judge benchmark and adversarial probes.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from gavel.solutions import answer_types
from gavel.solutions.numbers import UNANSWERABLE
from gavel.solutions.programs import assignment, to_program, value_of

TRIES = 20  # attempts for each corrupted solution
_NUMBER = re.compile(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\d\w])|(?<![\w.])\.\d+(?![\w.])")
_NAME = re.compile(r"[A-Za-z_]\w*")
# How a solution's text writes a program's operators.
_WRITTEN = {"*": r"(?:[*×·]|\b[xX]\b)", "/": r"[/÷]", "+": r"\+", "-": r"[-−–]"}


def reference(row: Mapping[str, Any], solution_format: str, reasoning: bool = False) -> str | None:
    """A record's reference solution in the format; None if it has none.

    A program that cannot be converted has none. Neither has a question that cannot be answered, since none of its steps
    is correct.

    Args:
        row: a record.
        solution_format: `program` or `text`.
        reasoning: whether a program has the solution's text as comments (`gavel.solutions.programs.convert`).
    """
    if row.get("gold") in (None, UNANSWERABLE) or not row.get("solution"):
        return None
    if solution_format == "text":
        text: str = row["solution"]
        return text
    return to_program(row["solution"], row["gold"], row["question"], reasoning)


def references(rows: Sequence[Mapping[str, Any]], solution_format: str, reasoning: bool = False) -> dict[str, str]:
    """Id -> reference solution, of the records that have one (`reference`)."""
    pairs = ((row["id"], reference(row, solution_format, reasoning)) for row in rows)
    return {name: text for name, text in pairs if text}


def corrupt(program: str, rng: random.Random) -> str:
    """A corrupted program made from a correct one: an operator changed, operands swapped, or a number replaced.

    Comments follow, so that they do not give the changed step away: they have its new calculation, and the values that
    result from it.
    """
    lines = program.split("\n")
    steps = {i: step for i, line in enumerate(lines) if (step := assignment(line))}
    spot = rng.choice(list(steps))
    head, expression = steps[spot]
    operator = next((o for o in "*/+-" if o in expression[1:]), None)
    if operator is None:
        return program
    left, right = expression.split(operator, 1)
    numbers = [p for _, step in steps.values() for p in _operands(step) if p.isdigit()]
    action = rng.random()
    if action < 0.5 or (action < 0.75 and operator in "+*"):
        operator = rng.choice([o for o in "*/+-" if o != operator])
    elif action < 0.75:
        left, right = right, left
    elif numbers:
        right = rng.choice(numbers)
    changed = f"{left}{operator}{right}"
    if "#" in program:
        return "\n".join(_retold(lines, steps, spot, changed))
    lines[spot] = f"{head} = {changed}"
    return "\n".join(lines)


def corruptions(program: str, rng: random.Random, tries: int) -> Iterator[str]:
    """The results of up to `tries` calls of `corrupt`, without those that leave the program unchanged.

    Yields nothing for a program without a step.
    """
    if any(map(assignment, program.split("\n"))):
        made = (corrupt(program, rng) for _ in range(tries))
        yield from (text for text in made if text != program)


def _retold(lines: Sequence[str], steps: Mapping[int, tuple[str, str]], spot: int, changed: str) -> list[str]:
    """The lines with another expression at `spot`, and with comments that agree with it from there on.

    The comments above a step are about its operands and its value. Values that cannot be calculated stay as they are.

    Args:
        lines: a program's.
        steps: line -> the step's name and expression.
        spot: the changed line.
        changed: its new expression.
    """
    old: dict[str, Fraction] = {}
    new: dict[str, Fraction] = {}
    retold: list[str] = []
    comments: list[str] = []
    for i, line in enumerate(lines):
        if line.lstrip().startswith("#"):
            comments.append(line)
            continue
        if i in steps:
            head, before = steps[i]
            after = changed if i == spot else before
            values = {old[name]: new[name] for name in _NAME.findall(before) if name in old}
            first, second = value_of(before, old), value_of(after, new)
            if first is not None and second is not None:
                values[first] = second
            comments = [_NUMBER.sub(partial(_renewed, values), text) for text in comments]
            if i == spot:
                comments = [_rewritten(text, before, after, old) for text in comments]
            if first is not None and second is not None:
                old[head.strip()], new[head.strip()] = first, second
            line = line.replace(f" = {before}", f" = {after}", 1)
        retold += [*comments, line]
        comments = []
    return [*retold, *comments]


def _rewritten(text: str, before: str, after: str, values: Mapping[str, Fraction]) -> str:
    """A comment with another calculation: `48 * 2` for `48 / 2`; unchanged if it does not have the one `before`."""
    parts = [part for part in re.split(r"([-+*/()])", _with_values(before, values)) if part]
    pattern = r"\s*".join(_WRITTEN[part] if part in _WRITTEN else _amount(part) for part in parts)
    spaced = re.sub(r"(?<=[\w).])([-+*/])", r" \1 ", _with_values(after, values))
    return re.sub(rf"(?<![\w.]){pattern}(?!\.?\w)", lambda _: spaced, text, count=1)


def _amount(number: str) -> str:
    """A pattern for a number as texts write it: `$1,200.00` for 1200; for another operand, the operand itself."""
    whole, _, places = number.partition(".")
    if not (whole + places).isdecimal():
        return re.escape(number)
    return r"[$€£]?" + (",?".join(whole) or "0?") + (rf"\.{places}0*" if places else r"(?:\.0+)?(?!\d)")


def _with_values(expression: str, values: Mapping[str, Fraction]) -> str:
    """The expression with numbers for names."""
    return _NAME.sub(lambda match: _number(values[match[0]]) if match[0] in values else match[0], expression)


def _renewed(values: Mapping[Fraction, Fraction], match: re.Match[str]) -> str:
    before = Fraction(match[0].replace(",", ""))
    return match[0] if values.get(before, before) == before else _number(values[before])


def _number(value: Fraction) -> str:
    """As solutions write it: an integer, or a decimal with two places at most."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.2f}".rstrip("0").rstrip(".")


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


def _operands(expression: str) -> list[str]:
    for operator in "+-*/()":
        expression = expression.replace(operator, " ")
    return expression.split()
