"""The one definition of 'correct', against written examples, the published verdicts, and arbitrary text."""

import ast
import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gavel.common.paths import ROOT
from gavel.solutions.numbers import canonical, words_value
from gavel.solutions.verifier import equal, extract, solutions_to_answers, verify
from helpers.answer_corpus import DATA

PUBLISHED = ROOT.parent / "shared" / "data" / "gsm8k_model_solutions.jsonl"
ACCURACIES = {
    "6b_finetuning": 21.68,
    "6b_verification": 39.04,
    "175b_finetuning": 34.72,
    "175b_verification": 56.25,
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("48/2 = <<48/2=24>>24 clips\n#### 1,200", "1200"),
        ("A: $18", "18"),
        ("The answer is 3.", "3"),
        (r"\boxed{\frac{3}{4}}", "0.75"),
        ("3/4", "0.75"),
        ("12.50", "12.5"),
        ("-7", "-7"),
        ("25%", "25"),
        ("1e3", "1000"),
        ("1 200", "1200"),
        ("#### 18 dollars.", "18"),
        ("#### -$5", "-5"),
        ("#### $-5", "-5"),
        ("it is \u22125", "-5"),
        ("10-5", "5"),
        ("#### \n18\n", "18"),
        ("**Answer:** 18", "18"),
        ("The final answer is: $\\boxed{\\$1{,}200\\text{ dollars}}$.", "1200"),
        (r"\boxed{-\dfrac{1}{2}}", "-0.5"),
        (r"so $1\frac{1}{2}$", "1.5"),
        ("1½ cups", "1.5"),
        ("#### 5 + 3 = 8", "8"),
        ("A: Let's see. 5 + 3 = 8. So 8 eggs.", "8"),
        ("The answer is that she has 18 apples", "18"),
        ("18 eggs. The answer is correct.", "18"),
        ("She has 3 apples and buys 4 more, so 7.", "7"),
        ("#### 5\nWait.\n#### 6", "6"),
        (r"\boxed{5} and then \boxed{", "5"),
        ("<<48/2=24>>24 and <<41.5+", None),  # breaks off in a computation
        ("so (<<48/2=24>>24)", "24"),
        ("A: 18-year-old", "18"),
        # 'cannot be answered', in the documented forms only
        ("We don't know the price. \n#### None", "None"),
        ("A: None", "None"),
        (r"\boxed{None}", "None"),
        (r"$\boxed{\text{None}}$", "None"),
        ("the answer is None", "None"),
        ("The answer is None.", "None"),
        ("#### none", None),
        ("None", None),
        ("None of the 5 boxes", "5"),
        ("#### None\nThe answer is 4", "4"),
        # no answer
        ("", None),
        ("hello", None),
        ("I have 5 of them.\n#### unknown", None),
        ("A: cannot be determined", None),
        ("A: 10+John's age", None),
        ("#### 5 - 3", None),
        ("#### 5/0", None),
        ("#### 1e999999999", None),
        ("3" * 5000, None),
    ],
)
def test_extract(text, answer):
    assert extract(text) == answer


@pytest.mark.parametrize("marker", ["#### ", "A: ", "The answer is ", "It is ", ""])
@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("|-5|", "5"),
        ("|\u22125|", "5"),
        ("|-2.5|.", "2.5"),
        ("|-5| = 5", "5"),
        ("|3 - 8| = |-5|", "5"),
        ("2 * |-5| = 10", "10"),
        ("-|-5|", "-5"),
        ("$|-5|$", "5"),
        (r"\boxed{|-5|}", "5"),
    ],
)
def test_bars_around_a_negative_number_take_its_sign(marker, statement, answer):
    assert extract(marker + statement) == answer


@pytest.mark.parametrize("row", ["| x | -5 |", "|x|-5|", "|3|-5|", "| -3 | -5 |", "|-3|-5|", "| 1 |-5|"])
def test_the_bars_of_a_table_do_not(row):
    assert extract(f"| a | b |\n{row}") == "-5"


@pytest.mark.parametrize("marker", ["#### ", "A: ", "The answer is "])
@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("3 groups of 4, which is 12", "12"),
        ("3 groups of 4 apples, which is 12 apples.", "12"),
        ("3 big groups of 4 apples each, making 12 apples", "12"),
        ("$3 boxes * 4, i.e. $12", "12"),
        ("5 boxes times 3, which is 15", "15"),
        # what follows is no product, but says something else of the number
        ("3 eggs of 12, which is 25%", "3"),
        ("2 out of 5, which is 40%", "2"),
        ("18 eggs, which is 2 more than 16", "18"),
        ("3 boxes of 12", "3"),
        ("3 boxes of 12, which is a lot", "3"),
        ("3 groups of 4, which is 12 + 1", None),
    ],
)
def test_a_product_with_units_is_its_result_if_it_is_right(marker, statement, answer):
    assert extract(marker + statement) == answer


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18, "18"),
        (-7, "-7"),
        (18.0, "18"),
        (0.1 + 0.2, "0.3"),
        (17.999999999999996, "18"),
        (Fraction(3, 4), "0.75"),
        (Fraction(13, 3), "13/3"),
        (Fraction(1, 2**60), "1/1152921504606846976"),
        (Fraction(1, 8), "0.125"),
        (13 / 3, "4.33333333333"),
        (Decimal("12.50"), "12.5"),
        (1e-7, "0.0000001"),
        (1234567890123456.5, "1234567890123456.5"),
        ("$1,200.", "1200"),
        ("13/3", "13/3"),
        ("1,00,000.50", "100000.5"),
        ("\u20135", "-5"),
        ("- 5", "-5"),
        ("1.5 x 10^3", "1500"),
        ("1,200,50", None),
        ("3:45", None),
        ("-0", "0"),
        ("None", "None"),
        ("unknown", None),
        ("18 dollars", None),
        ("", None),
        (None, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (Decimal("NaN"), None),
        (Decimal("1e999999"), None),
        pytest.param(10**5000, None, id="huge"),
        (1j, None),
        ([18], None),
    ],
)
def test_canonical(value, text):
    assert canonical(value) == text
    assert text is None or canonical(text) == text


def test_the_words_below_twenty():
    words = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    assert [words_value(word) for word in words.split()] == list(range(20))


@pytest.mark.parametrize(
    ("answer", "gold", "same"),
    [
        ("18", "18", True),
        ("0.5", "1/2", True),
        ("1200", "1,200", True),
        ("4.33", "13/3", True),
        ("0.00", "0.004", False),  # a rounding of it, but off by more than 2 %
        ("2.50", "2.504", False),  # zeros at the end are no places
        ("4.33333333333", "4.33", True),
        ("26.67", "80/3", True),
        ("70.125", "70.13", True),
        ("0.17", "1/6", True),
        ("17.999999999999996", "18", True),
        ("0.0000000000000000555111512313", "0", True),  # what 0.1 + 0.2 - 0.3 leaves
        ("0.00000000000000005", "0", False),
        ("1/576460752303423488", "1/1152921504606846976", False),
        ("1/1000000007", "1/1000000009", False),
        ("1000000000/1000000001", "1", False),
        ("1000000000.5", "1000000000", False),
        ("0.0000000000001", "0.0000000000002", False),
        ("1.41421356237", "1.41421356238", True),
        ("1.41421356237", "1.4142", True),
        ("1.41421356237", "1.4143", False),
        ("0.3333333333", "1/3", True),
        ("None", "None", True),
        ("4.34", "13/3", False),
        ("4.3", "13/3", False),
        ("12.24", "12.2", False),
        ("18.3", "18", False),
        ("0.0461", "0.05", False),
        ("10000000000", "10000000001", False),
        ("-18", "18", False),
        ("None", "0", False),
        ("None", "18", False),
        (None, "18", False),
        (None, "None", False),
        (None, None, False),
        ("many", "many", False),
    ],
)
def test_equal_is_symmetric(answer, gold, same):
    assert equal(answer, gold) is same
    assert equal(gold, answer) is same


def test_agrees_with_every_published_verdict():
    if not PUBLISHED.exists():
        pytest.skip(f"{PUBLISHED.name} is not beside this checkout (grade-school-math's published solutions)")
    disagreements, right, total = [], dict.fromkeys(ACCURACIES, 0), 0
    for line in PUBLISHED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        gold = extract(row["ground_truth"])
        for model in ACCURACIES:
            verdict = equal(extract(row[model]["solution"]), gold)
            right[model] += verdict
            total += 1
            if verdict != row[model]["is_correct"]:
                disagreements.append(row[model]["solution"][-80:])
    assert total == 5276
    assert not disagreements
    assert {model: round(100 * count / 1319, 2) for model, count in right.items()} == ACCURACIES


MARKS = (
    "#### |A: |\\boxed{|}|the answer is |None|\\frac{|{|1|,|000|.|/|-|$|%|e9|=|<<|>>"
    "|\n| |+|**|½|²|٣|\\text{|\x00|\ud800"
)
PIECES = st.sampled_from([*MARKS.split("|"), "|"])


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_no_text_raises_and_answers_are_canonical(text):
    answer = extract(text)
    assert answer is None or canonical(answer) == answer
    assert equal(answer, answer) is (answer is not None)
    assert canonical(text) is None or equal(text, text)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (r"\sqrt{16}", "4"),
        (r"2^{10}", "1024"),
        (r"x = \dfrac{\sqrt{4}}{3}", "2/3"),
        (r"2\pi", "6.28318530718"),
        (r"3 \times 10^4", "30000"),
        (r"-\sqrt{2}", "-1.41421356237"),
        (r"90^\circ", "90"),
        (r"18\text{ m}^2", "18"),
        (r"1\,200", "1200"),
        # no real number, or none that is worth the work
        (r"\sqrt{-1}", None),
        (r"10^{10^{10}}", None),
        (r"9^{9^9}", None),
        (r"\frac{1}{0^2}", None),
        (r"\sqrt{x}", None),
        (r"\sqrt{", None),
    ],
)
def test_formulas_in_a_box(content, answer):
    assert extract(f"So it is $\\boxed{{{content}}}$.") == answer


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*r"\^{}()+-*/!0129x ", r"\sqrt", r"\frac", r"\pi", "^{", "}{", "99"]), max_size=20))
def test_no_formula_raises_or_takes_long(pieces):
    answer = extract("\\boxed{" + "".join(pieces) + "^1}")
    assert answer is None or canonical(answer) == answer


FRAMES = [
    "#### {}",
    "A: {}",
    "The answer is {}.",
    "Final answer: {}",
    "So \\boxed{{{}}}.",
    "It costs 7 and 9.\nA: {}",
    "{}",
]


def written(number: Fraction) -> list[str]:
    """A number in every way that is accepted."""
    if number.denominator != 1:
        top, bottom = number.numerator, number.denominator
        return [f"{top}/{bottom}", f"{top} / {bottom}", f"\\frac{{{top}}}{{{bottom}}}"]
    whole = int(number)
    ways = [
        f"{whole}",
        f"{whole:,}",
        f"{whole:,}".replace(",", " "),
        f"{whole}.0",
        f"{whole}.00",
        f"${whole}",
        f"{whole}%",
    ]
    return [*ways, f"{whole:,} dollars", f"{whole} eggs.", f"**{whole}**", f"{whole}e0"]


@settings(max_examples=300, deadline=None)
@given(
    st.integers(-(10**9), 10**9).map(Fraction) | st.fractions(-1000, 1000, max_denominator=1000),
    st.sampled_from(FRAMES),
    st.data(),
)
def test_a_number_written_in_any_accepted_way_is_read_back(number, frame, data):
    text = frame.format(data.draw(st.sampled_from(written(number))))
    assert equal(extract(text), canonical(number)), text


@settings(max_examples=300, deadline=None)
@given(*[st.fractions(max_denominator=10**6) | st.floats(allow_nan=False, allow_infinity=False)] * 2)
def test_equality_of_numbers_is_symmetric_and_reflexive(a, b):
    a, b = canonical(a), canonical(b)
    assert equal(a, a)
    assert equal(a, b) == equal(b, a)


@pytest.mark.parametrize(
    "piece",
    [
        "#",
        " ",
        "1",
        "1 ",
        "1,",
        "<",
        "\\boxed{",
        "the answer is ",
        "A: \n",
        ">",
        "```python\n",
        "-",
        "answer ",
        "the answer is 5? ",
        "the answer is not 1 ",
        "#### Step 1\n",
        "#### a\n",
        "Question: \n",
        "Q: 1\n",
        "</think>",
        "<answer>",
        "$",
        "\\(",
        "\\frac{",
        "\\text{",
        "not 5 ",
        "1 is wrong ",
        "1. a\n",
        "what is ",
        "1*",
        "\n",
        "wait ",
        "3:45 ",
        ".",
        "a",
        "the answer is not ",
        "the answer might be 5 or ",
        "#### Week 4\n",
        "### Question\n",
        "<|endoftext|>",
        "I cannot answer ",
        "5! ",
        "5 more than ",
        "twenty ",
        "million ",
        "0.(3)",
        "10_2 ",
        "sqrt(",
        "–",
        "\\boxed{5}, ",
        "The answer is 5. Actually, let me recheck. ",
    ],
)
@pytest.mark.timeout(60)  # a second or two; a quadratic pattern would need hours
def test_long_adversarial_text_comes_back(piece):
    assert extract(piece * (200_000 // len(piece))) in (None, "0", "1", "-1", "5", "20", "1/3", "2")


def test_programs_and_text_through_the_same_verifier():
    programs = [
        "def solution():\n    return 52 / 12",
        "Here it is:\n```python\ndef solution():\n    return 7\n```\nDone.",
        "def solution():\n    return None",
        "def solution():\n    x = 1",
    ]
    golds = ["4.33", "8", "None", "1"]
    assert verify(programs, golds, "program") == (
        ["4.33333333333", "7", "None", None],
        [True, False, True, False],
    )
    assert verify(["#### 4.33", "A: None"], ["13/3", "2"], "text") == (["4.33", "None"], [True, False])
    assert solutions_to_answers([], "text") == []


RIGHT, OTHER = "def solution():\n    return 18\n", "def solution():\n    return 5\n"


@pytest.mark.parametrize(
    "response",
    [
        *(
            f"Here it is:\n\n{fence}{name}\n{RIGHT}{fence}\nDone.\n"
            for fence in ("```", "~~~", "````")
            for name in (
                *("", "py", "python", "Python", "PYTHON", "python3", "python3.11", " python", "Python 3", "{python}"),
                *("{.python}", 'python title="a.py"', "code", "python  "),
            )
        ),
        f"```python\n{RIGHT}```".replace("\n", "\r\n"),
        f"~~~\n{RIGHT}",
        f"```python3\n{RIGHT}",
        f"Here: ```python\n{RIGHT}```",
        f"{RIGHT}```\nDone.",  # the prompt has opened the block
        "1. Program:\n   ```python\n   def solution():\n       return 18\n   ```\n",
        f"```text\nsolution\n```\n```python\n{RIGHT}```\n```output\n18\n```",
        f"Use ```x``` or ```y```:\n```python\n{RIGHT}```",
        f"```python\n{OTHER}```\nWait, that is wrong:\n```python\n{RIGHT}```",
        f"<think>\n```python\n{OTHER}```\nQuestion: is it?\n</think>\n```python\n{RIGHT}```",
        f"<think>\n{RIGHT}</think>\nIt is done.".replace("<think>\n", "```python\n").replace(
            "</think>", "```\n</think>"
        ),
        f"Question: how many?\n\n```python\n{RIGHT}```",
        # what follows a new question does not count
        f"{RIGHT}\nQ: other\n{OTHER}",
        f"{RIGHT}\n\nQuestion: other\n\n{OTHER}",
        f"{RIGHT}\nQuestion: How many more?\nAnswer:",
        f"{RIGHT}\n# Question 2: other\n{OTHER}",
        f"{RIGHT}\n### Problem 2:\n```\n{OTHER}",
        f"```python\n{RIGHT}```\nQ: other\n```python\n{OTHER}```",
        f"```python\n{RIGHT}\n\nQuestion: other\n{OTHER}```",
        f"{RIGHT.strip()}<|im_end|>\n<|im_start|>user",
        f"{RIGHT}\nQ: other\n{OTHER}".replace("\n", "\r\n"),
        # a program's own words end nothing
        'def solution():\n    """\nQuestion: How many?\n    """\n    return 18\n',
        "def solution():\n    # Q: how many?\n    if False:\n        return 5\n    # Problem: eggs\n    return 18\n",
        "def solution():\n    if False:\n        return 5\n# Problem: eggs\n# in all\n    return 18\n",
    ],
)
def test_the_program_of_a_response(response):
    assert verify([response], ["18"], "program") == (["18"], [True])


@pytest.mark.parametrize(
    "piece", ["```python\n", "`", "~", " ", "\t", "Q: 1\n", " return\n", "# Q:\n", "1. ", "</think>"]
)
@pytest.mark.timeout(60)  # a second; a quadratic pattern would need hours
def test_a_program_is_found_in_long_adversarial_text(piece):
    for head in ("", RIGHT):
        assert verify([head + piece * (200_000 // len(piece))], ["18"], "program")[0][0] in (None, "18")


def test_misuse_is_an_error():
    with pytest.raises(ValueError, match="2 responses but 1"):
        verify(["1", "2"], ["1"], "text")
    with pytest.raises(ValueError, match="'prose'"):
        verify(["1"], ["1"], "prose")


def test_nothing_else_decides_correctness():
    """Rewards, monitor, calibration, evaluation and the command line ask `verify`; only the verifier runs programs."""
    users: dict[str, set[str]] = {"verify": set(), "equal": set(), "run_programs": set()}
    library = ROOT / "workflow" / "scripts" / "gavel"
    for path in library.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in (
                "gavel.solutions.verifier",
                "gavel.solutions.sandbox.pool",
            ):
                for alias in node.names:
                    users.setdefault(alias.name, set()).add(path.relative_to(library).as_posix())
    assert users["verify"] == {
        "cli/layouts.py",
        "cli/score.py",
        "cli/verifiers.py",
        "data/lm_eval_filter.py",
        "evaluation/score.py",
        "judge/controls.py",
        "judge/simulated.py",
        "judge_eval/pairs.py",
        "judge_eval/verdicts.py",
        "replay/rewards.py",
        "training/judge/unlabeled_pairs.py",
        "training/monitor.py",
        "training/rl/rewards.py",
        "training/scratch/judge.py",
    }
    assert users["run_programs"] == {"solutions/verifier.py"}
    assert users["equal"] == set()


def rows_of(name: str, key: str) -> list:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [pytest.param(row, id=f"{row[key]}-{number}") for number, row in enumerate(rows)]


@pytest.mark.parametrize("row", rows_of("answer_cases.jsonl", "id"))
def test_cases_from_public_bug_reports(row):
    """Each row's `source` is the thread or file that the case comes from."""
    assert verify([row["response"]], [row["answer"]], "text")[1] == [row["right"]], extract(row["response"])


@pytest.mark.parametrize("row", rows_of("answer_kinds.jsonl", "kind"))
def test_kinds_of_answers(row):
    assert verify([row["response"]], [row["answer"]], "text")[1] == [row["right"]], extract(row["response"])
