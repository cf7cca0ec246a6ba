"""Convert annotated solutions (GSM8K's `<<48/2=24>>`) to programs, mechanically.

This module runs no programs (`gavel.solutions.sandbox.pool` does). The few expressions that occur are parsed with `ast`
and evaluated exactly with fractions, so nothing in a data file is ever executed.
"""

import ast
import re
import string
from collections.abc import Mapping, Sequence
from fractions import Fraction

from gavel.solutions import _reasoning
from gavel.solutions.numbers import canonical

ANNOTATION = re.compile(r"<<([^<>]*)>>")
_LITERAL = re.compile(r"\d+\.?\d*|\.\d+")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_PERCENT = re.compile(r"(\d+\.?\d*|\.\d+)%")
_PLAIN = re.compile(r"[\d.+*/()-]+")

# Bounds far above any grade-school step; they limit the time and memory that a hostile data file can cost.
MAX_EXPRESSION_LENGTH = 200
MAX_EXPONENT = 32
MAX_BITS = 512
MAX_STEPS = len(string.ascii_lowercase) + 1  # a name for each but the last

# Numbers that questions often spell out; a literal that equals one of them is more likely the question's than a step's.
_NUMBER_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "hundred": 100, "thousand": 1000,
    "half": 2, "twice": 2, "double": 2, "triple": 3, "third": 3, "quarter": 4, "dozen": 12,
}  # fmt: skip


class NotConvertible(ValueError):
    """A solution that does not convert to a program.

    Attributes:
        kind: the reason in a few words, the same for all solutions with this reason.
        detail: what was found in this one.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail


def to_program(solution: str, gold: str, question: str, reasoning: bool = False) -> str | None:
    """As `convert`, but None for a solution that does not convert."""
    try:
        return convert(solution, gold, question, reasoning)
    except NotConvertible:
        return None


def convert(solution: str, gold: str, question: str, reasoning: bool = False) -> str:
    """Convert an annotated solution to `def solution(): ... return result`, without a trailing newline.

    Each annotation's left side becomes a statement; the right side (the claimed value) is not read. All statements but
    the last are named a, b, c, ... A literal that equals an earlier step's exact value becomes that step's name:

    - if the number does not occur in the question (as digits or a small number word): always. If several steps have
      that value, the first occurrence in the expression takes the most recent step, the next occurrence the step
      before.
    - if it does: only its first occurrence, and only if it is the immediately preceding step's value (solutions chain;
      any other coincidence is as likely the question's own number).

    Linking compares exact values, so it never changes what the program returns.

    Args:
        solution: text with annotations; expressions may contain + - * / // ** ( ) . and `$`, `1,000`, `10%`.
        gold: the gold answer.
        question: the question's text.
        reasoning: write each step's text as a comment above its statement, and name statements after their texts
            (`clips_in_may`). Statements and value stay the same.

    Raises:
        NotConvertible: there is no annotation, one is not plain arithmetic, there are more than `MAX_STEPS`, or the
            program's value is not the gold answer.
    """
    annotations = ANNOTATION.findall(solution)
    if not annotations:
        raise NotConvertible("no calculation", "it has no calculation such as <<48/2=24>>")
    if len(annotations) > MAX_STEPS:
        raise NotConvertible("too many calculations", f"it has {len(annotations)} calculations, more than {MAX_STEPS}")
    steps = _reasoning.steps(solution, ANNOTATION) if reasoning else [_reasoning.Step() for _ in annotations]
    names = [step.name or letter for step, letter in zip(steps, string.ascii_lowercase, strict=False)]
    names[len(steps) - 1 :] = ["result"]
    given = _numbers_in(question)
    values: list[Fraction] = []
    lines = ["def solution():"]
    for step, name, annotation in zip(steps, names, annotations, strict=True):
        expression = _expression(annotation)
        value = None if expression is None else value_of(expression)
        if expression is None or value is None:
            shown = annotation if len(annotation) <= 60 else f"{annotation[:60]}..."
            raise NotConvertible("not plain arithmetic", f"<<{shown}>> is not plain arithmetic")
        lines += [f"    # {line}" for line in step.comments]
        lines.append(f"    {name} = {_link(expression, values, names, given)}")
        values.append(value)
    # Canonical texts, not `gavel.solutions.verifier.equal`, which would accept a program that returns 10/3 for 3.33.
    if (answer := canonical(values[-1])) != canonical(gold):
        raise NotConvertible("another answer", f"its last calculation gives {answer}, but the answer is {gold}")
    return "\n".join([*lines, "    return result"])


def assignment(line: str) -> tuple[str, str] | None:
    """The indented name and the expression of a program's line `name = expression`, without a comment.

    None for any other line, such as a comment. The line is only split, not parsed.
    """
    name, separator, expression = line.partition("#")[0].partition(" = ")
    return (name, expression.rstrip()) if separator else None


def _expression(annotation: str) -> str | None:
    """The left side as Python arithmetic without spaces; None if it is anything else."""
    left, separator, right = annotation.partition("=")
    if not separator or "=" in right or len(left) > MAX_EXPRESSION_LENGTH or re.search(r"[\d.]\s+[\d.]", left):
        return None
    text = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), re.sub(r"[\s$]", "", left))
    text = _PERCENT.sub(r"(\1/100)", text)
    # Python rejects integer literals with leading zeros.
    text = _LITERAL.sub(lambda match: re.sub(r"^0+(?=\d)", "", match.group()), text)
    return text if _PLAIN.fullmatch(text) else None


def value_of(expression: str, names: Mapping[str, Fraction] | None = None) -> Fraction | None:
    """Exact value of an arithmetic expression; None for bad syntax, division by zero, or a value that is too large.

    Args:
        expression: numbers, names and operators.
        names: the values of the names in it.
    """
    text = expression.strip()
    if len(text) > MAX_EXPRESSION_LENGTH:
        return None
    try:
        return _evaluate(ast.parse(text, mode="eval").body, text, names or {})
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _evaluate(node: ast.expr, text: str, names: Mapping[str, Fraction]) -> Fraction:
    match node:
        case ast.Name(id=name) if name in names:
            result = names[name]
        case ast.Constant(value=int() | float()):
            # The source text, not the parsed float: 0.1 is one tenth here.
            result = Fraction(ast.get_source_segment(text, node) or "")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            result = -_evaluate(operand, text, names)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            result = _evaluate(operand, text, names)
        case ast.BinOp(left=left, op=op, right=right):
            result = _apply(op, _evaluate(left, text, names), _evaluate(right, text, names))
        case _:
            raise ValueError("not plain arithmetic")
    if max(result.numerator.bit_length(), result.denominator.bit_length()) > MAX_BITS:
        raise OverflowError("value too large")
    return result


def _apply(op: ast.operator, left: Fraction, right: Fraction) -> Fraction:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.FloorDiv():
            return Fraction(left // right)
        case ast.Pow() if right.denominator == 1 and abs(right) <= MAX_EXPONENT:
            return left ** int(right)
    raise ValueError("not plain arithmetic")


def _link(expression: str, values: Sequence[Fraction], names: Sequence[str], given: set[Fraction]) -> str:
    """Replace literals that stand for earlier steps by the steps' names; `values[i]` is step i's exact value."""
    seen: dict[Fraction, int] = {}

    def replace(match: re.Match[str]) -> str:
        number = Fraction(match.group())
        occurrence = seen.get(number, 0)
        seen[number] = occurrence + 1
        steps = [index for index in reversed(range(len(values))) if values[index] == number]
        if number in given:
            linked = occurrence == 0 and bool(steps) and steps[0] == len(values) - 1
        else:
            linked = bool(steps)
        return names[steps[min(occurrence, len(steps) - 1)]] if linked else match.group()

    return _LITERAL.sub(replace, expression)


def _numbers_in(question: str) -> set[Fraction]:
    text = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), question.lower())
    words = {_NUMBER_WORDS[word] for word in re.findall(r"[a-z]+", text) if word in _NUMBER_WORDS}
    return {Fraction(number) for number in _LITERAL.findall(text)} | {Fraction(word) for word in words}
