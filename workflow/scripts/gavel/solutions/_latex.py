r"""The value of a formula in LaTeX or plain signs: `\frac{10\sqrt{10.5}}{27}`, `5!`, `3 \times 10^4`, `18\text{ m}^2`.

This is a parser of its own because a model's text may contain anything (`\binom{99999999}{49999999}`, `10^{10^{10}}`)
and general computer algebra does not bound its work. The bounds here are `MAX_LENGTH` characters, `MAX_DEPTH` levels,
and no number of more than `numbers.MAX_BITS` bits, which is checked before a number is computed. A formula that exceeds
a bound, or contains anything that is not listed here, has no value: nothing in it is skipped.

Supported: + - * / ^ ! and their LaTeX forms, brackets, fractions, mixed numbers, percent and degrees, roots, repeating
decimals, binomials, gcd, lcm, max, min, absolute values, floor and ceiling, pi, e, exp, logarithms and trigonometric
functions, integers with a base (`10_2`), and `2 million`. `a = b = c` has the value of c. Units and words may precede
the value or follow an operand.
"""

import math
import re
from fractions import Fraction
from functools import lru_cache

from gavel.solutions.numbers import (
    EXPONENT,
    LETTER,
    MAGNITUDES,
    MAX_BITS,
    PLAIN,
    SIGNIFICANT_DIGITS,
    integer_power,
    normalise_signs,
    plain_value,
)

MAX_LENGTH = 200  # longer formulas are prose or degenerate text
MAX_DEPTH = 30
# The result of each step is bounded: 10^1000 / 10^999 would be small again, but nobody answers that way.
MAX_FACTORIAL = 200  # 200! has 1,246 bits

Value = Fraction | float

_WORDS = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|normal)?|math(?:rm|bf|it|sf|bb|tt|normal)|mbox|hbox|bm|boldsymbol|operatorname\*?)[ ]?"
    r"\{([^{}]*)\}"
)
_UNIT_FRACTION = re.compile(rf"\\[dtc]?frac[ ]?\{{([ {LETTER}]+)\}}[ ]?\{{([ {LETTER}]+)\}}")
_SPACING = re.compile(r"(?<=[0-9])(?:\\[,;:!]|\\thinspace)(?=[0-9]{3}(?![0-9]))|(?<=[0-9])\{,\}(?=[0-9])")
_BLANKS = re.compile(
    r"\\(?:[,;:! ]|(?:quad|qquad|displaystyle|left|right|[bB]igg?[lr]?|limits)(?![A-Za-z]))|[&~]"
    r"|\\(?:begin|end)\{[a-z]+\*?\}(?:\{[lcr]*\})?"
)
_ROWS = re.compile(r"\\\\(?:\[[^\]]*\])?|\\newline")
_RELATION = re.compile(
    r"=|≈|≅|→|⇒"
    r"|\\(?:approx|simeq|cong|equiv|doteq|Rightarrow|Longrightarrow|implies|rightarrow|to)(?![A-Za-z])"
)
_SEVERAL = re.compile(r",(?![0-9]{3})|;|\b(?:or|and)\b")
_MONEY = re.compile(
    r"\\?[$]|[€£¥₹]|\\(?:pounds|euro|yen|EUR|(?:text|math)(?:dollar|euro|sterling|yen))(?![A-Za-z])"
    r"|\b(?:Rs|INR|USD|EUR|GBP)\b\.?(?=[ ]*[0-9])"
)
_OPTION = re.compile(r"^\s*\(?[A-E][).:]\s+")
# Words before the value: `Total: 18`. The name of a function or a negation is not such a word.
_BEFORE = re.compile(
    rf"^(?:\s*+(?!(?:not|no|none|negative|minus|between|either|sqrt|gcd|lcm|max|min|log|ln|exp|sin|cos|tan)\b)"
    rf"[{LETTER}']{{2,}}+(?:[ ]?:)?)++\s+(?=[-0-9(\[{{\\.$√])"
)
_NEGATIVE = re.compile(r"^\s*(?:negative|minus)\s+")
_TOKEN = re.compile(
    rf"(?P<mixed>[0-9]{{1,9}}[ ]+[0-9]{{1,9}}/[0-9]{{1,9}}(?![0-9.!^/]))"
    rf"|(?P<number>{PLAIN}{EXPONENT})"
    rf"|(?P<command>\\(?:[A-Za-z]+|.))|(?P<word>[{LETTER}]+)|(?P<sign>\*\*|[^\s])",
    re.DOTALL,
)
_UNGROUPED = re.compile(rf"(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+){EXPONENT})")
_REPEATING = re.compile(r"[ ]?\\(?:overline|bar|dot|overbar)[ ]?(?:\{([0-9]{1,20})\}|([0-9]))")
_BARE_POINT = re.compile(r"(?<![0-9])\.(?=[ ]?\\(?:overline|bar|dot)(?![a-z]))")
_DOTS = re.compile(r"[ ]?(?:\\(?:l|c)?dots(?![a-z])|\.\.\.|…)")

_SIGNS = {
    **dict.fromkeys(("×", "·", "⋅", "*", r"\times", r"\cdot", r"\ast"), "*"),
    **dict.fromkeys(("÷", "/", r"\div"), "/"),
    **dict.fromkeys(("^", "**"), "^"),
    **dict.fromkeys(("%", r"\%"), "%"),
    **dict.fromkeys(("°", r"\degree", r"\circ"), "degree"),
    **dict.fromkeys(("π", r"\pi"), "pi"),
    **dict.fromkeys(("√", r"\sqrt"), "sqrt"),
    **dict.fromkeys((r"\frac", r"\dfrac", r"\tfrac", r"\cfrac"), "frac"),
    **dict.fromkeys((r"\binom", r"\dbinom", r"\tbinom"), "binom"),
    **{rf"\{name}": name for name in "gcd max min ln log exp sin cos tan arcsin arccos arctan".split()},
    **{rf"\{name}": name for name in "lfloor rfloor lceil rceil lvert rvert vert".split()},
    r"\lbrack": "[",
    r"\rbrack": "]",
    r"\e": "e",
}
_LISTS = {"gcd", "lcm", "max", "min"}  # functions of several arguments
_FUNCTIONS = {"ln", "log", "exp", "sin", "cos", "tan", "arcsin", "arccos", "arctan"}
_CLOSING = {"(": ")", "[": "]", "{": "}", "lfloor": "rfloor", "lceil": "rceil", "lvert": "rvert"}
_STARTS = (
    {"(", "[", "{", "|", "vert", "lvert", "lfloor", "lceil", "sqrt", "frac", "binom", "pi", "e"} | _LISTS | _FUNCTIONS
)
_UNIT_LETTERS = set("mgshlLdVWJNCFK")


class _NoValue(Exception):
    """The text is not a formula with a value, or exceeds the bounds."""


@lru_cache(maxsize=4096)
def latex_number(text: str) -> Value | None:
    r"""The real number that a formula stands for: a Fraction if rational, a float if irrational, None without a value.

    A formula has no value if the value is not unique or cannot be evaluated. Never raises, and does bounded work,
    whatever the text (see the module's docstring).

    >>> latex_number(r"\frac{\sqrt{16}}{3}"), latex_number("2^{10}"), latex_number("x+1")
    (Fraction(4, 3), Fraction(1024, 1), None)
    """
    segments = _RELATION.split(_cleaned(text[-10 * MAX_LENGTH :]))
    if any(_SEVERAL.search(segment) for segment in segments[:-1]):
        return None
    if len(segments) > 1 and re.fullmatch(r"\s*[A-Za-z]?\s*", segments[-1]):
        segments.pop()  # 5 = x
    formula = segments[-1].strip().rstrip(".,;:").strip()
    if not formula or len(formula) > MAX_LENGTH:
        return None
    negative = _NEGATIVE.match(formula)
    formula = formula[negative.end() :] if negative else _BEFORE.sub("", formula)
    try:
        value = _Parser(_tokens(formula)).value()
    except (_NoValue, ArithmeticError, ValueError, RecursionError):
        return None
    return -value if negative else value


def _cleaned(text: str) -> str:
    """The last row of a formula, without spacing, font commands and currency signs."""
    text = _UNIT_FRACTION.sub(r" \1 per \2 ", _WORDS.sub(r" \1 ", normalise_signs(text)))
    text = _BARE_POINT.sub("0.", _SPACING.sub("", text))
    rows = [row for row in _ROWS.split(text) if row.strip(" \n&")]
    if len(rows) > 1 and not _RELATION.search(rows[-1]):
        return ""  # a column of numbers, not a calculation
    return _OPTION.sub("", _MONEY.sub("", _BLANKS.sub(" ", rows[-1] if rows else "")))


def _tokens(text: str) -> list[tuple[str, str | Value]]:
    """Pairs (kind, content): ('number', value), ('digits', an integer's digits), ('sign', its name in `_SIGNS`),
    ('word', the word)."""
    tokens: list[tuple[str, str | Value]] = []
    brackets: list[bool] = []  # for each open bracket, whether it holds a function's arguments
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        # In gcd(10,200), the comma separates arguments.
        arguments = bool(brackets) and brackets[-1]
        match = (arguments and _UNGROUPED.match(text, position)) or _TOKEN.match(text, position)
        kind, word = match.lastgroup, match[0]
        position = match.end()
        if kind == "mixed":
            whole, part, parts = (int(number) for number in re.findall("[0-9]+", word))
            if part >= parts:
                raise _NoValue
            tokens.append(("number", whole + Fraction(part, parts)))
        elif kind == "number":
            value, position = _number(word, text, position)
            tokens.append(("digits" if word.isdigit() and value == int(word) else "number", value))
            if tokens[-1][0] == "digits":
                tokens[-1] = ("digits", word)
        elif kind == "word":
            if word == "K" and text[match.start() - 1 : match.start()].isdigit():
                raise _NoValue  # 5 K is a temperature, 5K may be 5,000
            function = word in _LISTS | _FUNCTIONS | {"sqrt"} and text[position:].lstrip()[:1] in ("(", "{")
            tokens.append(("sign" if function or word == "e" else "word", word))
        else:
            sign = _SIGNS.get(word, word)
            if sign in ("(", "[", "{"):
                brackets.append(bool(tokens) and tokens[-1] in {("sign", name) for name in _LISTS})
            elif sign in (")", "]", "}") and brackets:
                brackets.pop()
            tokens.append(("sign", sign))
    return tokens


def _number(word: str, text: str, position: int) -> tuple[Value, int]:
    r"""The value of a number and where it ends, including a repeating part (`0.1\overline{6}`) or dots after it."""
    value = plain_value(word)
    if value is None:
        raise _NoValue
    if "." in word and len(word) > SIGNIFICANT_DIGITS + 1:
        return float(value), position  # a longer decimal was rounded when it was computed
    _, point, places = word.partition(".")
    if point or text.startswith(".", position):
        if not point and not _REPEATING.match(text, position + 1):  # `5.` ends with a full stop
            return value, position
        start = position if point else position + 1
        if repeating := _REPEATING.match(text, start):
            digits = repeating[1] or repeating[2]
            tail = Fraction(int(digits), (10 ** len(digits) - 1) * 10 ** len(places))
            return value + tail, repeating.end()
        if dots := _DOTS.match(text, position):
            return value, dots.end()
    return value, position


class _Parser:
    """Recursive descent over tokens. Every method returns the value of what it has read, or raises `_NoValue`."""

    def __init__(self, tokens: list[tuple[str, str | Value]]):
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0  # open absolute values |...|

    def value(self) -> Value:
        value = self.sum()
        if self.at < len(self.tokens):
            raise _NoValue
        return value

    def sum(self) -> Value:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _NoValue
        value = self.product()
        while self.sign() in ("+", "-"):
            sign = self.take()
            other = self.product()
            value = _bounded(value + other if sign == "+" else value - other)
        self.depth -= 1
        return value

    def product(self) -> Value:
        value = self.signed()
        while True:
            sign = self.sign()
            if sign in ("*", "/"):
                self.take()
                value = _times(value, self.signed()) if sign == "*" else _divided(value, self.signed())
            elif self.word() in ("x", "X") and self.kind(1) in ("number", "digits"):
                self.take()
                value = _times(value, self.signed())
            elif self.kind() in ("number", "digits") and self.tokens[self.at - 1] == ("sign", "!"):
                value = _times(value, self.power())  # 3!3!
            elif sign in _STARTS and self.kind(-1) != "word" and not (self.bars and sign in ("|", "vert")):
                # `2\\frac{1}{2}` is a mixed number, which `operand` has read; `4\\frac{10}{3}` reads two ways.
                if self.kind(-1) in ("number", "digits") and self.simple_fraction():
                    raise _NoValue
                value = _times(value, self.power())
            else:
                return value

    def signed(self) -> Value:
        signs = 0
        while self.sign() in ("+", "-"):
            signs += self.take() == "-"
            if self.at > MAX_LENGTH:
                raise _NoValue
        value = self.power()
        return -value if signs % 2 else value

    def power(self) -> Value:
        value = self.operand()
        if self.sign() == "^":
            self.take()
            braces = self.sign() == "{"
            inside = self.tokens[self.at + braces][1] if self.at + braces < len(self.tokens) else None
            if inside == "degree" or inside in ("st", "nd", "rd", "th"):
                self.at += 1 + braces
                if braces:
                    self.close("}")
            else:
                value = _power(value, self.exponent())
                if self.sign() in ("!", "^"):
                    raise _NoValue  # 2^{3}! and {2^3}^4 read two ways
        return self.units(value)

    def exponent(self) -> Value:
        if self.sign() in ("-", "+"):
            sign = self.take()
            value = self.exponent()
            return -value if sign == "-" else value
        if self.kind() in ("number", "digits"):
            value = self.number()
            return _power(value, self.exponent()) if self.sign() == "^" and self.take() else value
        return self.primary()

    def operand(self) -> Value:
        whole = self.kind() == "digits"
        if whole and self.kind(1) == "sign" and self.tokens[self.at + 1][1] == "_":
            return self.in_base()
        value = self.primary()
        if whole and (fraction := self.simple_fraction()):
            top, bottom, end = fraction
            if 0 < top < bottom:
                value, self.at = value + Fraction(top, bottom), end
        while self.sign() in ("!", "%"):
            if self.take() == "!":
                if self.sign() == "!":
                    raise _NoValue
                value = _factorial(value)
            elif self.at < len(self.tokens) and self.sign() not in (")", "]", "}") and self.kind() != "word":
                value = _divided(value, Fraction(100))  # `25%` is 25, but `25%` of a sum is a quarter
        return self.units(value)

    def in_base(self) -> Value:
        """An integer with a base from two to ten: `1011_2`, `12_{8}`."""
        digits = self.take()
        self.take()
        base = _whole(self.argument())
        if not 2 <= base <= 10 or int(max(digits)) >= base:
            raise _NoValue
        return _bounded(Fraction(int(digits, base)))

    def units(self, value: Value) -> Value:
        """Skip the unit after an operand: `m^2`, `miles per hour`, `m/s`, a degree sign. `million` multiplies the
        value."""
        if self.sign() == "degree":
            self.take()
        while (word := (self.word() or "").lower().removesuffix("s")) in MAGNITUDES:
            self.take()
            value = _times(value, Fraction(MAGNITUDES[word]))
        while self.is_unit():
            self.take()
            if self.sign() == "^":
                self.take()
                self.exponent()
            if self.sign() in ("/", "*") and self.kind(1) == "word":
                self.take()
        return value

    def is_unit(self) -> bool:
        word = self.word()
        times = word in ("x", "X") and self.kind(1) in ("number", "digits")
        return word is not None and not times and word not in ("and", "or") and (len(word) > 1 or word in _UNIT_LETTERS)

    def primary(self) -> Value:
        if self.kind() in ("number", "digits"):
            return self.number()
        sign = self.take() if self.kind() == "sign" else None
        if sign in ("(", "[", "{", "lfloor", "lceil", "lvert"):
            value = self.sum()
            self.close(_CLOSING[sign])
            if sign in ("lfloor", "lceil"):
                return Fraction(math.floor(value) if sign == "lfloor" else math.ceil(value))
            return abs(value) if sign == "lvert" else value
        if sign in ("|", "vert"):
            self.bars += 1
            value = self.sum()
            self.bars -= 1
            self.close(sign)
            return abs(value)
        if sign in ("pi", "e"):
            return math.pi if sign == "pi" else math.e
        if sign == "frac":
            return _divided(self.argument(), self.argument())
        if sign == "binom":
            return _binomial(self.argument(), self.argument())
        if sign == "sqrt":
            return self.root()
        if sign in _LISTS:
            return _of_several(sign, self.arguments())
        if sign in _FUNCTIONS:
            return self.function(sign)
        raise _NoValue

    def simple_fraction(self) -> tuple[int, int, int] | None:
        r"""Numerator, denominator and end of a fraction of two integers that comes next (`\frac{1}{2}`, `\frac12`).

        Only looks ahead, so that nested fractions are read once.
        """
        if self.sign() != "frac":
            return None
        at, numbers = self.at + 1, ""
        while at < len(self.tokens) and numbers.count(" ") < 2:
            kinds = [
                self.tokens[at + i][1] if self.tokens[at + i][0] != "digits" else "n"
                for i in range(3)
                if at + i < len(self.tokens)
            ]
            if kinds == ["{", "n", "}"]:
                numbers, at = f"{numbers}{self.tokens[at + 1][1]} ", at + 3
            elif kinds[0] == "n" and len(self.tokens[at][1]) + numbers.count(" ") <= 2:
                numbers, at = numbers + "".join(f"{digit} " for digit in self.tokens[at][1]), at + 1
            else:
                return None
        if numbers.count(" ") != 2:
            return None
        top, bottom = numbers.split()
        return int(top), int(bottom), at

    def root(self) -> Value:
        degree: Value = Fraction(2)
        if self.sign() == "[":
            self.take()
            degree = self.sum()
            self.close("]")
        return _root(self.argument(), degree)

    def function(self, name: str) -> Value:
        base: Value | None = None
        if self.sign() == "_":
            self.take()
            base = self.argument()
        start = self.at
        value = float(self.power())
        degrees = any(what == "degree" for _, what in self.tokens[start : self.at])
        if name in ("sin", "cos", "tan"):
            value = math.radians(value) if degrees else value
            if name == "tan" and abs(math.cos(value)) < 1e-12:
                raise _NoValue
        if name == "log":
            return _bounded(math.log(value) / math.log(float(base)) if base is not None else math.log10(value))
        named = {"ln": "log", "arcsin": "asin", "arccos": "acos", "arctan": "atan"}.get(name, name)
        return _bounded(getattr(math, named)(value))

    def argument(self) -> Value:
        r"""The argument of a command: a group, a command, or one digit (`\frac12` is 1/2)."""
        if self.kind() == "digits" and len(self.tokens[self.at][1]) > 1:
            word = self.tokens[self.at][1]
            self.tokens[self.at : self.at + 1] = [("digits", word[0]), ("digits", word[1:])]
        if self.sign() == "(":
            return self.primary()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _NoValue
        value = self.units(self.primary())
        self.depth -= 1
        return value

    def arguments(self) -> list[Value]:
        closing = _CLOSING.get(self.take() if self.sign() in ("(", "{", "[") else "")
        values = [self.sum()]
        while self.sign() == ",":
            self.take()
            values.append(self.sum())
        self.close(closing)
        return values

    def number(self) -> Value:
        kind, what = self.tokens[self.at]
        self.at += 1
        return Fraction(what) if kind == "digits" else what

    def kind(self, ahead: int = 0) -> str | None:
        at = self.at + ahead
        return self.tokens[at][0] if 0 <= at < len(self.tokens) else None

    def sign(self) -> str | None:
        return self.tokens[self.at][1] if self.kind() == "sign" else None

    def word(self) -> str | None:
        return self.tokens[self.at][1] if self.kind() == "word" else None

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][1]

    def close(self, sign: str | None) -> None:
        if sign is None or self.sign() != sign:
            raise _NoValue
        self.take()


def _bounded(value: Value) -> Value:
    if isinstance(value, Fraction):
        fits = max(value.numerator.bit_length(), value.denominator.bit_length()) <= MAX_BITS
    else:
        fits = isinstance(value, float) and math.isfinite(value)
    if not fits:
        raise _NoValue
    return value


def _times(left: Value, right: Value) -> Value:
    return _bounded(left * right)


def _divided(left: Value, right: Value) -> Value:
    return _bounded(left / right)


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(exponent, Fraction) and isinstance(base, Fraction):
        if exponent.denominator == 1:
            value = integer_power(base, exponent.numerator)
            if value is None:
                raise _NoValue
            return _bounded(value)
        if exponent.denominator <= MAX_BITS and (root := _exact_root(base, exponent.denominator)) is not None:
            return _power(root, Fraction(exponent.numerator))
    value = float(base) ** float(exponent)
    return _bounded(value) if isinstance(value, float) else _bounded(math.nan)


def _root(value: Value, degree: Value) -> Value:
    if degree == 0 or degree != int(degree) or abs(degree) > MAX_BITS:
        raise _NoValue
    if value < 0 and degree % 2:
        return -_power(-value, 1 / Fraction(degree))
    return _power(value, 1 / Fraction(degree))


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    """The rational root of a non-negative number; None if it has none."""
    if value < 0:
        raise _NoValue
    parts = [_integer_root(part, degree) for part in (value.numerator, value.denominator)]
    return None if None in parts else Fraction(*parts)


def _integer_root(number: int, degree: int) -> int | None:
    low, high = 0, 1 << (number.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= number else (low, middle - 1)
    return low if low**degree == number else None


def _whole(value: Value) -> int:
    if not isinstance(value, Fraction) or value.denominator != 1:
        raise _NoValue
    return value.numerator


def _factorial(value: Value) -> Fraction:
    if not 0 <= _whole(value) <= MAX_FACTORIAL:
        raise _NoValue
    return Fraction(math.factorial(_whole(value)))


def _binomial(n: Value, k: Value) -> Fraction:
    n, k = _whole(n), _whole(k)
    if n < 0 or k < 0:
        raise _NoValue
    result, k = 1, min(k, n - k)
    if k < 0:
        return Fraction(0)
    for i in range(1, k + 1):  # at most MAX_BITS times: each step at least doubles the result, as n >= 2k
        result = result * (n - k + i) // i
        if result.bit_length() > MAX_BITS:
            raise _NoValue
    return Fraction(result)


def _of_several(name: str, values: list[Value]) -> Value:
    if name in ("max", "min"):
        return max(values) if name == "max" else min(values)
    whole = [_whole(value) for value in values]
    return _bounded(Fraction(math.gcd(*whole) if name == "gcd" else math.lcm(*whole)))
