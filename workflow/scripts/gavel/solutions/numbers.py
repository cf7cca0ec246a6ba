r"""Numbers as people and programs write them, converted to one canonical text. Knows nothing of solutions or votes.

The canonical text of a number is one of three:

- an integer's digits: `18`;
- a decimal without trailing zeros and with at most `SIGNIFICANT_DIGITS` digits: `0.5`. So 1/2, 0.50 and a float's
  0.49999999999999994 are one answer in a vote. Longer decimals and irrational values are rounded to it;
- a fraction in lowest terms, if an exact value does not fit into such a decimal: `13/3`, `1/1152921504606846976`.

The text `None` means "this question cannot be answered" and is canonical too.
"""

import math
import re
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

UNANSWERABLE = "None"

# A double has 15 to 17 significant digits, and a dozen operations lose a few of them; 12 survive, so 0.1 + 0.2 and 0.3
# get one text. Raise it only for tasks whose answers differ in the 12th digit.
SIGNIFICANT_DIGITS = 12

# Longer numbers are degenerate text (a model that repeats one digit), never an answer; a float needs up to 309 digits.
MAX_DIGITS = 400
MAX_BITS = math.ceil(MAX_DIGITS * math.log2(10))

# Letters that make following digits part of a word (`AZYUK2A`). Chinese and Japanese are excluded because they write
# numbers without spaces around them.
LETTER = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u03ff\u0400-\u04ff"
CURRENCY = (
    r"(?:(?:US|CA|AU|NZ|HK|SG|C|A|R|S)?[$]|[€£¥₹₩₱]"
    r"|(?:Rs|INR|USD|EUR|GBP|CAD|AUD|NZD|JPY|CNY|RMB|CHF)\.?(?=[ ]?[-0-9.]))"
)

# Words that multiply the number before them (`2 million`). `dozen` and `lakh` are units, which questions ask for.
MAGNITUDES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_MAGNITUDE = f"(?:{'|'.join(MAGNITUDES)})"

# Thousands as in 1,200 and 1 200, and as India groups them: 1,00,000.
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}|[0-9]{1,3}(?:[ ][0-9]{3})+(?![0-9])|[0-9]+)"
PLAIN = rf"(?:{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)"
EXPONENT = r"(?:[eE][-+]?[0-9]{1,9})?"
_RAISED = r"[ ]?(?:\^|\*\*)[ ]?(?:\{{[ ]?(?P<{0}_braced>-?[0-9]{{1,9}})[ ]?\}}|\(?(?P<{0}>-?[0-9]{{1,9}})\)?)"
_POWER = _RAISED.format("power").removeprefix("[ ]?")
_SCALE = rf"[ ]?(?:[xX×*·⋅]|\\times|\\cdot)[ ]?10{_RAISED.format('scale')}"

# A number does not start inside a word (AZYUK2A, COVID-19, x_1), in an exponent (cm^2), or inside a longer token (the
# 45 of 3:45).
_START = (
    rf"(?<![{LETTER}0-9])(?<![{LETTER}]_)(?<![{LETTER}]_\{{)(?<![0-9][.,:/'])(?<![{LETTER}]-)"
    r"(?<!\^)(?<!\^-)(?<!\^\{)(?<!\^\{-)"
)
# Nor does it end inside one: a time or ratio (3:45), a date (1/2/2020), a version (3.5.2), a list (2,3,4).
_END = r"(?![0-9]|[.,:/'hH][0-9])"

# A minus is a sign only where it cannot be a subtraction: `10-5` ends with 5, `= -5` with -5.
NUMBER = re.compile(
    rf"(?P<sign>(?<![0-9A-Za-z_)\]}}%])[-+])?{_START}(?:{CURRENCY}[ ]?(?P<inner>-[ ]?)?)?"
    rf"(?:(?P<whole>[0-9]{{1,9}})[ ](?P<part>[0-9]{{1,9}})/(?P<parts>[0-9]{{1,9}})"
    rf"|(?P<top>{PLAIN}{EXPONENT})(?:{_SCALE}|{_POWER}|[ ]?/[ ]?(?P<bottom>{PLAIN}))?){_END}"
    rf"(?:[ -](?P<magnitude>(?i:{_MAGNITUDE}(?:[ ]{_MAGNITUDE})?))s?(?![{LETTER}0-9]))?"
)
# Digits that are not a single number: 3:45, 1/2/2020, 2020-01-05, 2,3,4, 3.5.2.
COMPOUND = re.compile(rf"(?<![{LETTER}0-9])(?:[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}|[0-9]+(?:[.,:/'][0-9]+)+)(?![0-9])")

# One form for characters with the same meaning: minus signs and dashes between or before numbers, narrow spaces,
# full-width digits, fraction characters.
CHARACTERS = str.maketrans(
    dict.fromkeys("\u2212\u2013\u2010\u2011\u2012\ufe63\uff0d", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u202f", " ")
    | dict.fromkeys("✕✖", "×")
    | {chr(0xFF10 + digit): str(digit) for digit in range(10)}
    | {
        "\uff0e": ".",
        "\uff05": "%",
        "⁄": "/",
        "π": r"\pi ",
        "±": r"\pm ",
        "∓": r"\mp ",
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
        "⅓": " 1/3",
        "⅔": " 2/3",
    }
)


_RAISED_DIGITS = re.compile(r"(?<=[0-9)])[⁻]?[⁰¹²³⁴-⁹]+")
_LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_ROOT = re.compile(r"√[ ]?([0-9.]+)?")


def normalise_signs(text: str) -> str:
    """The text with one form of each sign and digit: `CHARACTERS`, `10³` as `10^{3}`, `√16` as a command."""
    if text.isascii():
        return text
    text = _RAISED_DIGITS.sub(lambda match: "^{" + match[0].translate(_LOWERED) + "}", text.translate(CHARACTERS))
    return _ROOT.sub(lambda match: rf"\sqrt{{{match[1]}}}" if match[1] else r"\sqrt ", text)


def number_value(match: re.Match[str]) -> Fraction | None:
    """Exact value of a `NUMBER` match; None if it is not a single number: n/0, `4 10/3` (neither a mixed number nor
    one fraction), or more than `MAX_DIGITS` digits."""
    if match["whole"]:
        whole, part, parts = (int(match[name]) for name in ("whole", "part", "parts"))
        if part >= parts:
            return None
        value: Fraction | None = Fraction(part, parts) + whole
    else:
        top, bottom = plain_value(match["top"]), plain_value(match["bottom"] or "1")
        if top is None or not bottom:
            return None
        value = plain = top / bottom
        scale, power = match["scale"] or match["scale_braced"], match["power"] or match["power_braced"]
        if scale:
            value = None if abs(int(scale)) > MAX_DIGITS else plain * Fraction(10) ** int(scale)
        elif power:
            value = integer_power(plain, int(power))
    if value is None:
        return None
    for magnitude in (match["magnitude"] or "").lower().split():
        value *= MAGNITUDES[magnitude]
    return -value if match["sign"] == "-" or match["inner"] else value


def is_exact(match: re.Match[str]) -> bool:
    """Whether a `NUMBER` match is written as an exact value, not as a decimal that may be rounded."""
    return bool(match["whole"] or match["bottom"] or match["scale"] or match["power"]) or "." not in match["top"]


def integer_power(base: Fraction, exponent: int) -> Fraction | None:
    """`base ** exponent`; None if the result has more than `MAX_BITS` bits or divides by 0."""
    if base == 0 and exponent <= 0:
        return None
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if size > 1 and (size - 1) * abs(exponent) > MAX_BITS:
        return None
    if size == 1:  # 0, 1 and -1, whose powers need no work
        return Fraction(1) if base == 1 or (exponent % 2 == 0 and base) else base
    return base**exponent


def canonical(value: object) -> str | None:
    """Canonical text of an int, float, Fraction, Decimal or the text of a number; None for anything else.

    Text may have a currency sign, thousands commas or spaces, a percent sign (`25%` is 25, as the benchmarks write it),
    a word of `MAGNITUDES` (`2 million`) and a full stop, but no other words. `1.200,50` is not supported; booleans, NaN
    and infinities are not numbers.

    >>> canonical("$1,200.50"), canonical(0.1 + 0.2), canonical("3/4"), canonical("None"), canonical("many")
    ('1200.5', '0.3', '0.75', 'None', None)
    >>> canonical("13/3"), canonical(13 / 3)
    ('13/3', '4.33333333333')
    """
    if isinstance(value, str):
        return _canonical_text(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return _decimal(Fraction(repr(float(value)))) if math.isfinite(value) else None
    if isinstance(value, int | Fraction):
        return exact_text(Fraction(value))
    if isinstance(value, Decimal):
        fits = value.is_finite() and -MAX_DIGITS < value.adjusted() < MAX_DIGITS
        return _decimal(Fraction(value)) if fits else None
    return None


def too_long_note(value: object) -> str:
    """The reason, in brackets after a blank, if `canonical` rejects an int or the text of a number because it has too
    many digits; otherwise an empty text. It goes to the end of an error message."""
    if isinstance(value, str):
        text = _trimmed(value.translate(CHARACTERS).strip())
        match = NUMBER.fullmatch(text)
        large = len(text) > MAX_DIGITS or re.search("[eE^*×]", text)
        too_long = match is not None and bool(large) and match_text(match) is None
    else:
        too_long = isinstance(value, int) and canonical(value) is None and not isinstance(value, bool)
    return f" (too long: a number has {MAX_DIGITS} digits at most)" if too_long else ""


def match_text(match: re.Match[str]) -> str | None:
    """Canonical text of a `NUMBER` match; None as in `number_value`."""
    value = number_value(match)
    if value is None:
        return None
    return exact_text(value) if is_exact(match) else _decimal(value)


@lru_cache(maxsize=65536)
def fraction(text: str) -> Fraction:
    """Exact value of a canonical text other than `None`."""
    return Fraction(text)


@lru_cache(maxsize=65536)
def _canonical_text(text: str) -> str | None:
    plain = text.translate(CHARACTERS).strip()
    if plain == UNANSWERABLE:
        return UNANSWERABLE
    match = NUMBER.fullmatch(_trimmed(plain))
    return match_text(match) if match else None


def _trimmed(plain: str) -> str:
    """A number's text in plain characters (`CHARACTERS`), without a full stop or percent sign at its end."""
    return re.sub(r"^-[ ]", "-", plain).rstrip(".").rstrip("%").rstrip()


def words_value(text: str) -> Fraction | None:
    """Value of a number in English words; None if they are not a single number.

    >>> words_value("twenty-one"), words_value("one hundred and five"), words_value("three and a half")
    (Fraction(21, 1), Fraction(105, 1), Fraction(7, 2))
    >>> words_value("a dozen"), words_value("two thirds"), words_value("two three")
    (Fraction(12, 1), Fraction(2, 3), None)
    """
    words = re.split(r"[ -]+", text.lower())
    whole, group, scale = 0, -1, math.inf  # -1: no word of this group of three digits yet
    for index, word in enumerate(words):
        last = index == len(words) - 1
        if word in ("a", "an"):
            follows = words[index + 1] if not last else ""
            if group >= 0 and follows in _PARTS:  # three and a half
                return whole + group + Fraction(1, _PARTS[follows]) if index + 2 == len(words) else None
            if index or not (follows in MAGNITUDES or follows in _PARTS or follows == "dozen"):
                return None
            group = 1
        elif word == "and":
            if last or (group < 1 and not whole):
                return None
        elif word == "dozen":
            return Fraction(12) if last and words[:-1] in ([], ["a"]) else None
        elif word in _PARTS:
            top = group if group >= 0 else 1
            return Fraction(top, _PARTS[word]) if last and not whole and 0 < top < 20 and "and" not in words else None
        elif word in _SMALL:
            value = _SMALL[word]
            free = group % 100 == 0 if value >= 10 else group % 10 == 0 and (group % 100 == 0 or group % 100 >= 20)
            if group >= 0 and (not free or not value or not group):
                return None
            group = max(group, 0) + value
        elif word == "hundred":
            if not 0 < group < 20:
                return None
            group *= 100
        elif word in MAGNITUDES:
            if group < 1 or MAGNITUDES[word] >= scale:
                return None
            scale = MAGNITUDES[word]
            whole, group = whole + group * scale, 0 if last else -1
        else:
            return None
    return Fraction(whole + group) if group >= 0 else None


_SMALL = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
} | {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_PARTS = {
    word + plural: value
    for value, word in enumerate("third quarter fifth sixth seventh eighth ninth tenth".split(), start=3)
    for plural in ("", "s")
} | {"half": 2, "halves": 2, "fourth": 4, "fourths": 4}
_WORD = "|".join(sorted([*_SMALL, *_PARTS, *MAGNITUDES, "dozen"], key=len, reverse=True))
# Words that may be a number; `words_value` decides whether they are.
NUMBER_WORDS = rf"(?:an?[ ])?(?:{_WORD})(?:(?:[ ]and(?:[ ]an?)?)?[ -](?:{_WORD}))*(?![A-Za-z0-9])"


def plain_value(text: str) -> Fraction | None:
    """Exact value of a `PLAIN` text with an `EXPONENT`; None beyond `MAX_DIGITS`."""
    if len(text) > MAX_DIGITS:
        return None
    text = text.replace(",", "").replace(" ", "").lower()
    _, _, exponent = text.partition("e")
    return None if abs(int(exponent or 0)) > MAX_DIGITS else Fraction(text)


def exact_text(value: Fraction) -> str | None:
    """Canonical text of an exact value: a decimal if that loses nothing, else a fraction."""
    text = _decimal(value)
    if text is None or Fraction(text) == value:
        return text
    return f"{value.numerator}/{value.denominator}"


def _decimal(value: Fraction) -> str | None:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        return None
    if value.denominator == 1:
        return str(value.numerator)
    # Digits before the point are never rounded away, however many there are.
    digits = max(SIGNIFICANT_DIGITS, len(str(abs(value.numerator) // value.denominator)) + 2)
    rounded = Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator))
    return format(rounded.normalize(Context(prec=digits)), "f")
