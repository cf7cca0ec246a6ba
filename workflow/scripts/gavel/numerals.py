"""Numbers as people and programs write them, turned into one canonical text. Knows nothing of solutions or
votes.

The canonical text of an integer is its digits; of any other number its plain decimal expansion, without
trailing zeros, at `SIGNIFICANT_DIGITS`, so that 1/2, 0.50 and a float's 0.49999999999999994 are one answer in
a vote. The text `None` stands for "this question cannot be answered" and is canonical too.
"""

import math
import re
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

UNANSWERABLE = "None"

# A double carries 15 to 17 significant digits and a dozen operations lose a few of them; 12 is what survives,
# so 0.1 + 0.2 and 0.3 get one text. Raise it only for tasks whose answers differ in the 12th digit.
SIGNIFICANT_DIGITS = 12

# Longer numbers are degenerate text (a model stuck on one digit), never an answer; a float needs up to 309
# digits.
MAX_DIGITS = 400

_PLAIN = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]{1,3}(?:[ ][0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_EXPONENT = r"(?:[eE][-+]?[0-9]{1,9})?"

# A minus is a sign only where it cannot be a subtraction: `10-5` ends on 5, `= -5` on -5.
NUMBER = re.compile(
    rf"(?P<sign>(?<![\w)\]%])-)?(?:[$€£][ ]?)?(?P<inner>(?<![\w)\]%])-)?"
    rf"(?:(?P<whole>[0-9]{{1,9}})[ ](?P<part>[0-9]{{1,9}})/(?P<parts>[0-9]{{1,9}})(?![0-9])"
    rf"|(?P<top>(?:{_PLAIN}){_EXPONENT})(?:[ ]?/[ ]?(?P<bottom>{_PLAIN}))?)"
)


def number_value(match: re.Match) -> Fraction | None:
    """Exact value of a `NUMBER` match; None where it is no number (n/0, more than `MAX_DIGITS` digits)."""
    if match["whole"]:
        whole, part, parts = (int(match[name]) for name in ("whole", "part", "parts"))
        if not parts:
            return None
        # `1 1/2` is a mixed number; in `2 120/10` the 2 belongs to the words before.
        value = Fraction(part, parts) + (whole if part < parts else 0)
    else:
        top, bottom = _plain_value(match["top"]), _plain_value(match["bottom"] or "1")
        if top is None or not bottom:
            return None
        value = top / bottom
    return -value if match["sign"] or match["inner"] else value


def canonical(value) -> str | None:
    """Canonical text of an int, float, Fraction, Decimal or the text of a number; None for anything else.

    Text may carry a currency sign, thousands commas or spaces, a percent sign (25% is 25, as the benchmarks
    write it) and a full stop, but no words. `1.200,50` is not understood; booleans, NaN and infinities are
    not numbers.

    >>> canonical("$1,200.50"), canonical(0.1 + 0.2), canonical("3/4"), canonical("None"), canonical("many")
    ('1200.5', '0.3', '0.75', 'None', None)
    """
    if isinstance(value, str):
        return _canonical_text(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return _text(Fraction(repr(float(value)))) if math.isfinite(value) else None
    if isinstance(value, int | Fraction):
        return _text(Fraction(value))
    if isinstance(value, Decimal):
        fits = value.is_finite() and -MAX_DIGITS < value.adjusted() < MAX_DIGITS
        return _text(Fraction(value)) if fits else None
    return None


@lru_cache(maxsize=65536)
def fraction(text: str) -> Fraction:
    """Exact value of a canonical text other than `None`."""
    return Fraction(text)


@lru_cache(maxsize=65536)
def _canonical_text(text: str) -> str | None:
    text = text.strip()
    if text == UNANSWERABLE:
        return text
    text = text.replace("\u2212", "-").rstrip(".").rstrip("%").rstrip()
    match = NUMBER.fullmatch(text)
    value = match and number_value(match)
    return None if value is None else _text(value)


def _plain_value(text: str) -> Fraction | None:
    if len(text) > MAX_DIGITS:
        return None
    text = text.replace(",", "").replace(" ", "").lower()
    _, _, exponent = text.partition("e")
    return None if abs(int(exponent or 0)) > MAX_DIGITS else Fraction(text)


def _text(value: Fraction) -> str | None:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_DIGITS * math.log2(10):
        return None
    if value.denominator == 1:
        return str(value.numerator)
    # Digits before the point are never rounded away, however many there are.
    digits = max(SIGNIFICANT_DIGITS, len(str(abs(value.numerator) // value.denominator)) + 2)
    rounded = Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator))
    return format(rounded.normalize(Context(prec=digits)), "f")
