"""Formulas: their values, and that no text costs more than bounded work."""

import math
import random
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gavel.solutions import _latex as latex
from gavel.solutions._latex import latex_number
from gavel.solutions.numbers import MAX_BITS
from gavel.solutions.verifier import extract

HUGE = ["99999999", "49999999", "9" * 50, "9" * 399, "1" + "0" * 150, "2E99999999", "1e400", "0." + "9" * 90, "7", "0"]


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        (r"\frac{10\sqrt{10.5}}{27}", 10 * math.sqrt(10.5) / 27),
        ("5!", 120),
        (r"0.\overline{3}", Fraction(1, 3)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        (r"\frac{7}{2}\sqrt{4}", 7),
        (r"\frac{5!}{3!}", 20),
        (r"\frac{1{,}200}{4}", 300),
        (r"\frac12", Fraction(1, 2)),
        (r"\frac3{3} ", 1),
        (r"2\frac{1}{2}", Fraction(5, 2)),
        ("-2 1/2", Fraction(-5, 2)),
        ("-2^2", -4),
        ("1/2^3", Fraction(1, 8)),
        (r"\binom{10}{3}", 120),
        (r"\gcd(10,200)", 10),
        (r"\text{lcm}(4, 6)", 12),
        (r"\max(3, 1, 4)", 4),
        (r"\sqrt[3]{27}", 3),
        (r"\sqrt{16/9}", Fraction(4, 3)),
        (r"8^{2/3}", 4),
        (r"\log_2 8", 3),
        (r"\log 1000", 3),
        (r"\sin 30^\circ", 0.5),
        (r"\tan\frac{\pi}{4}", 1),
        ("e^{2}", math.e**2),
        (r"\lfloor 3.7 \rfloor + \lceil 0.2 \rceil", 4),
        ("|3-5|", 2),
        (r"\left(\frac{3}{2}\right)^2", Fraction(9, 4)),
        ("1.575 x 10^1", Fraction(63, 4)),
        (r"50\% \cdot 20", 10),
        (r"25\%", 25),
        (r"18\text{ m}^2", 18),
        (r"5\text{ cm} + 3\text{ cm}", 8),
        (r"18\ \frac{\text{miles}}{\text{hour}}", 18),
        (r"\frac{13}{3} \approx 4.33", Fraction(433, 100)),
        (r"x = 3 + 4 = 7", 7),
        (r"\begin{aligned} x &= 3 \\ &= 4 \end{aligned}", 4),
        (r"\frac{1}{2^{60}}", Fraction(1, 2**60)),
        ("1^{99999999999}", 1),
        ("10_2", 2),
        ("1011_{2}", 11),
        ("6!/(3!3!)", 20),
        ("sqrt(16)", 4),
        (r"2\text{ million}", 2_000_000),
        (r"\pounds 1560", 1560),
        ("300 K", 300),
    ],
)
def test_values(formula, value):
    found = latex_number(formula)
    assert found == value if isinstance(value, int | Fraction) and isinstance(found, Fraction) else found is not None
    assert math.isclose(found, value, rel_tol=1e-12)


@pytest.mark.parametrize(
    "formula",
    [
        r"\binom{99999999}{49999999}", r"\gcd(10^{99999999}, 7)", r"2E99999999\cdot 1", r"9^{9^9}", r"10^{10^{10}}",
        "99999999!", "2004!", r"\frac{1}{2004!}", r"\sqrt[99999999]{2}", r"2^{-99999999}", r"0.5^{99999999}",
        "x + 1", "5x", r"2\pi r", "5i", r"\sqrt{-1}", r"\frac{1}{0}", r"0^{-1}", r"\sqrt{x}", r"\sqrt{", "", r"\pm 5",
        "2, 3", "(2, 3)", r"\{2, 3\}", r"2 \text{ or } 3", "x = 2, y = 3", r"x \in \{5\}", "x > 5", "3:45", "4 10/3",
        r"4\frac{10}{3}", "5 3", r"\sqrt{4}3", "12!!", "2^{3}!", r"5\text{ hours }30\text{ minutes}", r"\int_0^1 x",
        "12_2", "10_{16}", "10_2_2", "5K", "10_", r"2\text{ million }3",
        "1.200,50", r"\overline{3}", r"2 \\ 3", r"\tan 90^\circ", r"\log 0", r"\log_1 5", r"\arcsin 2",
    ],
)  # fmt: skip
def test_what_has_no_single_value_within_the_bounds(formula):
    assert latex_number(formula) is None


def random_formula(rng: random.Random, depth: int) -> str:
    """A formula of every construct that the parser knows, with numbers of any size."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice([*HUGE, str(rng.randint(0, 300)), r"\pi", "e", "x", r"0.\overline{37}", r"3\frac{1}{2}"])

    def part() -> str:
        return random_formula(rng, depth - 1)

    command = rng.choice(sorted(sign for sign, name in latex._SIGNS.items() if name not in "[]" and len(sign) > 1))
    function = rng.choice(sorted(latex._FUNCTIONS | latex._LISTS))
    return rng.choice(
        [
            lambda: f"{part()} {rng.choice(['+', '-', '*', '/', '^', '**', '×', '÷', ' x ', ' '])} {part()}",
            lambda: f"{{{part()}}}^{{{part()}}}",
            lambda: f"({part()})!",
            lambda: f"\\frac{{{part()}}}{{{part()}}}",
            lambda: f"\\binom{{{part()}}}{{{part()}}}",
            lambda: f"\\sqrt[{part()}]{{{part()}}}",
            lambda: f"\\{function}({part()}, {part()})",
            lambda: f"\\log_{{{part()}}}{{{part()}}}",
            lambda: f"{function}({part()})",
            lambda: f"|{part()}|",
            lambda: f"\\lfloor {part()} \\rfloor \\lceil {part()} \\rceil",
            lambda: f"{part()}\\%",
            lambda: f"{part()}^\\circ",
            lambda: f"{command}{{{part()}}}{{{part()}}}",
            lambda: f"{part()} = {part()}",
            lambda: f"-\\left({part()}\\right)",
        ]
    )()


def test_no_formula_of_huge_numbers_takes_long():
    """Every construct, nested, with huge numbers: the slowest of 3,000 takes a few milliseconds; the bound is 2 seconds
    for a busy machine, where an unbounded computation would need hours."""
    rng, slowest, valued = random.Random(0), 0.0, 0
    for _ in range(3000):
        formula = random_formula(rng, rng.randint(1, 4))
        start = time.perf_counter()
        value = latex_number(formula)
        slowest = max(slowest, time.perf_counter() - start)
        valued += value is not None
        if isinstance(value, Fraction):
            assert max(value.numerator.bit_length(), value.denominator.bit_length()) <= MAX_BITS
    assert slowest < 2
    assert valued > 300  # the formulas are not all refused at sight


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    [
        r"\frac{1}{", r"1\frac{1\frac{", r"\sqrt", r"\sin", "(", "|", "2^", "^-", "-", "9!", "a", "a ", "a: ",
        r"\text{",
        r"\begin{a}", "x=", "1,", "1 ", "%", r"\\", r"\frac11", "e", r"\overline", "0.",
        r"\binom", r"\gcd(", "{", "a'",
    ],
)  # fmt: skip
def test_no_repeated_piece_takes_long(piece):
    """Whatever recursion, look-ahead or pattern a piece sets off: the text counts up to `MAX_LENGTH`, nesting up to
    `MAX_DEPTH`."""
    for count in (10, 50, 5000):
        extract(f"\\boxed{{{piece * min(count, 50)}5}}")
        latex_number(piece * count + "5")
        latex_number("5" + piece * count)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=150) | st.lists(st.sampled_from([*latex._SIGNS, *"(){}[]|,.=x5!0", "99999999"])).map(" ".join))
def test_no_text_raises(text):
    value = latex_number(text)
    assert value is None or math.isfinite(value)
