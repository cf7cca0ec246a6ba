"""Other verifiers: lm-evaluation-harness's filters for GSM8K, math-verify, and what they read of a program."""

import pytest

from gavel.solutions.other_verifiers import FILTERS, available, by_filter, with_answer
from gavel.solutions.verifier import verify

STRICT, FLEXIBLE = (by_filter(filter) for filter in FILTERS.values())


@pytest.mark.parametrize(
    ("response", "gold", "strict", "flexible"),
    [
        ("3 + 4 = 7\n#### 7", "7", ("7", True), ("7", True)),
        ("#### 7\nQuestion: 2 + 2?\n#### 4", "7", ("7", True), ("4", False)),  # the first mark, the last number
        ("#### $1,200.", "1200", (None, False), ("$1,200.", True)),  # a currency sign is not part of the mark
        ("#### 1,200.", "1200", ("1,200.", True), ("1,200.", True)),
        ("The answer is 7.", "7", (None, False), ("7.", True)),
        ("So 3.0 are left.", "3", (None, False), ("3.0", False)),  # compared as text
        ("#### -5", "-5", ("-5", True), ("-5", True)),
        ("She eats 1/3 pound.", "3", (None, False), ("3", True)),
        ("No idea", "7", (None, False), (None, False)),
        ("", "7", (None, False), (None, False)),
    ],
)
def test_the_filters_of_gsm8k(response, gold, strict, flexible):
    assert STRICT(response, gold) == strict
    assert FLEXIBLE(response, gold) == flexible


def test_math_verify_reads_formulas():
    read = available()["math-verify"]
    assert read("The answer is $\\frac{1}{2}$.", "0.5").correct
    assert read("#### 18", "18") == ("18", True)
    assert read("no number", "18") == (None, False)


def test_without_its_package_math_verify_is_left_out(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "math_verify", None)
    assert list(available()) == ["strict-match", "flexible-extract"]


def test_a_program_with_its_answer_below_can_be_read_and_still_runs():
    program = "def solution():\n    a = 3*4\n    result = a + 1\n    return result"
    text = with_answer(program, "13")
    assert [read(text, "13").correct for read in available().values()] == [True] * 3
    assert not any(read(program, "13").correct for read in available().values())
    assert verify([text], ["13"], "program") == (["13"], [True])
    assert with_answer(program, None) == program
