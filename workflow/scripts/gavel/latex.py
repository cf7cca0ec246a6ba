"""Numbers in LaTeX beyond plain numbers and simple fractions: read by math-verify, evaluated here within bounds.

math-verify (Hugging Face; https://github.com/huggingface/Math-Verify) turns LaTeX into an unevaluated SymPy tree. The
tree is evaluated by hand, because text from a model may hold 10^{10^{10}}.
"""

import logging
import math
from fractions import Fraction
from functools import lru_cache

MAX_LENGTH = 100  # longer answers are prose or degenerate
MAX_EXPONENT = 64
MAX_BITS = 1400  # as many as `gavel.numerals` reads


@lru_cache(maxsize=4096)
def latex_number(text: str) -> Fraction | float | None:
    """The real number that a piece of LaTeX stands for: exact where it is rational; None for anything else.

    Never raises, and does no unbounded work, whatever the text.

    >>> latex_number(r"\\frac{\\sqrt{16}}{3}"), latex_number("2^{10}"), latex_number("x+1")
    (Fraction(4, 3), Fraction(1024, 1), None)
    """
    if len(text) > MAX_LENGTH:
        return None
    import math_verify  # slow to import, and most answers do not need it

    # It warns at every call without a time-out of its own, which would need the main thread's alarm.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    how = [math_verify.LatexExtractionConfig()]
    try:
        found = math_verify.parse(f"${text}$", how, fallback_mode="no_fallback", parsing_timeout=None)
        return _value(found[0]) if found else None
    except Exception:  # the parser's own errors have no common class
        return None


def _value(node) -> Fraction | float | None:
    """The value of an unevaluated tree of sums, products, powers, roots, pi and e."""
    if node.is_Rational:
        return Fraction(int(node.p), int(node.q))
    if node.is_Float or str(node) in ("pi", "E"):
        return float(node)
    parts = [_value(part) for part in node.args]
    if not parts or any(part is None for part in parts):
        return None
    if node.is_Add:
        return _bounded(sum(parts))
    if node.is_Mul:
        return _bounded(math.prod(parts))
    return _power(*parts) if node.is_Pow else None


def _power(base: Fraction | float, exponent: Fraction | float) -> Fraction | float | None:
    if abs(exponent) > MAX_EXPONENT or (base == 0 and exponent < 0):
        return None
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            return _bounded(base ** int(exponent))
        if exponent == Fraction(1, 2) and base >= 0:
            root = Fraction(math.isqrt(base.numerator), math.isqrt(base.denominator))
            if root * root == base:
                return root
    value = float(base) ** float(exponent)
    return value if isinstance(value, float) and math.isfinite(value) else None


def _bounded(value: Fraction | float) -> Fraction | float | None:
    if isinstance(value, Fraction):
        return value if max(value.numerator.bit_length(), value.denominator.bit_length()) <= MAX_BITS else None
    return value if math.isfinite(value) else None
