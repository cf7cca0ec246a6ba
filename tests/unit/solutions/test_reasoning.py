"""Programs that carry the reasoning: comments and names from a solution's text, and what reads such programs."""

import json
import keyword
import random
import re

import pytest

from gavel.common.paths import ROOT
from gavel.judge_eval import probes
from gavel.solutions.error_kinds import error_kind, steps
from gavel.solutions.mistakes import corrupt, corrupt_solution, corruptions, reference, references
from gavel.solutions.programs import NotConvertible, assignment, convert, to_program, value_of
from gavel.solutions.sandbox.language import check_source
from gavel.solutions.verifier import solutions_to_answers, verify

GSM8K_TRAIN = ROOT.parent / "shared/data/gsm8k_train.jsonl"
QUESTION = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. ..."
SOLUTION = (
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n"
    "Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72"
)
PROGRAM = """def solution():
    # Natalia sold 48/2 = 24 clips in May.
    clips_in_may = 48/2
    # Natalia sold 48+24 = 72 clips altogether in April and May.
    result = 48+clips_in_may
    return result"""


def program(solution, answer, question="?"):
    return to_program(solution, answer, question, reasoning=True)


def names(*lines):
    """The names of the calculations in these lines; one more calculation is the result."""
    made = program("\n".join([*lines, "<<1+1=2>>"]), "2")
    return [assignment(line)[0].strip() for line in made.split("\n") if assignment(line)][:-1]


def comments(program):
    return [line.strip() for line in program.split("\n") if line.lstrip().startswith("#")]


def bare(program):
    """The program without comments."""
    return "\n".join(line for line in program.split("\n") if not line.lstrip().startswith("#"))


def test_text_of_the_first_gsm8k_problem_is_exact():
    assert program(SOLUTION, "72", QUESTION) == PROGRAM
    assert reference({"question": QUESTION, "solution": SOLUTION, "gold": "72"}, "program", reasoning=True) == PROGRAM


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("She earned 0.2 x 50 = $<<0.2*50=10>>10.", "earned"),
        ("Weng earns 12/60 = $<<12/60=0.2>>0.2 per minute.", "dollars_per_minute"),
        ("The total cost is 3 * $20 = $<<3*20=60>>60", "total_cost"),
        ("The oldest brother is 15 because 3 x 5 = <<3*5=15>>15", "oldest_brother"),
        ("Betty's grandparents gave her 15 * 2 = $<<15*2=30>>30.", "betty_grandparents_gave"),
        ("He has 80 - 37 = <<80-37=43>>43 chickens left, so he sells them.", "chickens_left"),
        ("So he had 1,000+200=<<1000+200=1200>>1,200 apples and 3 pears", "apples"),
        ("$<<5*2=10>>10", "dollars"),
        ("It is <<5*2=10>>10", "a"),  # no word of it says what
        ("<<5*2=10>>", "a"),
        ("x = <<5*2=10>>10", "a"),
        ("= <<5*2=10>>10 for", "a"),  # a keyword
        ("= <<5*2=10>>10 sum", "a"),  # a builtin
        ("= <<5*2=10>>10 result", "a"),  # the last step's name
        ("Größe = <<5*2=10>>10 Äpfel", "a"),
        ("Größe der Kiste = <<5*2=10>>10", "der_kiste"),
    ],
)
def test_names_come_from_the_text(line, name):
    assert names(line) == [name]
    assert name.isidentifier() and name.isascii() and not keyword.iskeyword(name)


def test_equal_names_are_numbered():
    assert names("<<1+2=3>>3 cats", "<<1+3=4>>4 cats", "<<1+4=5>>5 cats") == ["cats", "cats_2", "cats_3"]
    assert names("<<1+2=3>>3 cats", "<<1+3=4>>4", "<<1+4=5>>5 cats")[1] == "b"


def test_each_step_has_its_sentences():
    solution = (
        "Let us see.\nAnn has 2 + 3 = <<2+3=5>>5 cats. Her brother, Mr. Bo, has none. "
        "So both have 5 * 1 = <<5*1=5>>5 cats or 5 * 2 = <<5*2=10>>10 eyes.\nThat is all.\n#### 10"
    )
    assert comments(program(solution, "10")) == [
        "# Let us see.",
        "# Ann has 2 + 3 = 5 cats.",
        "# Her brother, Mr. Bo, has none. So both have 5 * 1 = 5 cats or 5 * 2 = 10 eyes.",
    ]
    lines = program(solution, "10").split("\n")
    assert [bool(assignment(line)) for line in lines] == [False, False, False, True, False, True, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "a\rimport os", "a\x0cimport os", "a\x85b", "a\u2028b", "a\x00b", "a\ud800b", "```", "~~~python", "</think>",
        "def solution():", "Question: more?", "return: return 5", '"""', "\\", "coding: nonsense", "type: ignore",
        "# # #", "a = b", "\u202e mirrored", "тест 数学 ½",
    ],
)  # fmt: skip
def test_no_text_gets_out_of_its_comment(text):
    made = program(f"{text} 2 + 3 = <<2+3=5>>5\nand {text} <<5*2=10>>10\n#### 10", "10")
    assert re.fullmatch(
        r"def solution\(\):\n    (\w+) = 2\+3\n    result = \1\*2\n    return result", bare(made), re.ASCII
    )
    assert "".join(made.split("\n")).isprintable()
    assert solutions_to_answers([made, f"```python\n{made}\n```"], "program") == ["10", "10"]
    assert steps(made, "program") == 2


def test_a_long_text_costs_no_more_than_its_length():
    words = "so 1 - 2 x and " * 20_000
    assert program(f"{words}<<2+3=5>>{words}", "5").endswith("    result = 2+3\n    return result")


@pytest.mark.parametrize(
    ("solution", "answer", "kind", "detail"),
    [
        ("It is 5.", "5", "no calculation", "it has no calculation such as <<48/2=24>>"),
        ("<<1+1=2>>" * 28, "2", "too many calculations", "it has 28 calculations, more than 27"),
        ("<<2+x=5>>", "5", "not plain arithmetic", "<<2+x=5>> is not plain arithmetic"),
        (f"<<{'1+' * 50}1=51>>", "5", "another answer", "its last calculation gives 51, but the answer is 5"),
        (f"<<{'x+' * 50}1=51>>", "5", "not plain arithmetic", f"<<{'x+' * 30}...>> is not plain arithmetic"),
        ("<<2+3=5>>", "None", "another answer", "its last calculation gives 5, but the answer is None"),
    ],
)
@pytest.mark.parametrize("reasoning", [False, True])
def test_reasons_why_a_solution_does_not_convert(solution, answer, kind, detail, reasoning):
    with pytest.raises(NotConvertible) as error:
        convert(solution, answer, "?", reasoning)
    assert (error.value.kind, error.value.detail) == (kind, detail)


# Programs with comments are read like those without


def test_comments_do_not_change_what_the_sandbox_checks_or_runs():
    assert check_source(PROGRAM) == PROGRAM
    assert solutions_to_answers([PROGRAM, bare(PROGRAM)], "program") == ["72", "72"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("    a = 48/2", ("    a", "48/2")),
        ("    a = 48/2  # x = y", ("    a", "48/2")),
        ("    # a = 48/2", None),
        ("    return a", None),
        ("", None),
    ],
)
def test_assignments(line, found):
    assert assignment(line) == found


def test_values_of_expressions_with_names():
    assert value_of(" a*2 ", {"a": 3}) == 6
    assert value_of("b*2", {"a": 3}) is None
    assert value_of("1+" * 200 + "1") is None, "it is too long"


def test_comments_are_no_steps_and_no_errors():
    assert steps(PROGRAM, "program") == 2
    other = PROGRAM.replace("clips_in_may", "half").replace("# Natalia sold 48/2 = 24", "# So a = b = c; 48/2 = 24")
    assert error_kind(other, PROGRAM, "1", "program") == "other result"
    assert error_kind(PROGRAM.replace("= 48/2", "= 48*2"), PROGRAM, "1", "program") == "other operation"
    assert error_kind(bare(PROGRAM), PROGRAM, "1", "program") == "other result"


def test_a_corrupted_program_tells_its_own_story():
    made = corrupt_solution(PROGRAM, "72", "program", 30, random.Random(0), question="")
    assert len(made) > 4 and PROGRAM not in made
    for text in made:
        assert [line.partition(" ")[0] for line in text.split("\n")] == [
            line.partition(" ")[0] for line in PROGRAM.split("\n")
        ]
    expected = """def solution():
    # Natalia sold 48 * 2 = 96 clips in May.
    clips_in_may = 48*2
    # Natalia sold 48+96 = 144 clips altogether in April and May.
    result = 48+clips_in_may
    return result"""
    assert expected in made
    swapped = """def solution():
    # Natalia sold 2 / 48 = 0.04 clips in May.
    clips_in_may = 2/48
    # Natalia sold 48+0.04 = 48.04 clips altogether in April and May.
    result = 48+clips_in_may
    return result"""
    assert swapped in made
    last = PROGRAM.replace("48+24 = 72", "48 - 24 = 24").replace("48+clips", "48-clips")
    assert last in made


@pytest.mark.parametrize(
    "body",
    [
        "# 48 / 0 = 5\n    a = 48/0",
        "# 1,200 x $3.50 = $4,200.00\n    a = 1200*3.5",
        "# odd\n    a = f(3)*2  # so a = 6",
        "# odd\n    a = b = 3*2",
        "# odd\n    a = (3*2",
        "#\n    a = 'x'*2",
        "# 9**99\n    a = 9**99*1",
    ],
)
def test_any_program_with_comments_can_be_corrupted(body):
    text = f"def solution():\n    {body}\n    # then\n    result = a-1\n    return result\n# done"
    found = list(corruptions(text, random.Random(1), 40))
    assert found and all(one.count("\n") == text.count("\n") for one in found)


def test_amounts_in_comments_follow():
    text = (
        "def solution():\n    # 1,200 x $3.50 = $4,200.00\n    pay = 1200*3.5\n    result = pay+4200\n    return result"
    )
    made = corrupt_solution(text, "8400", "program", 40, random.Random(0), question="")
    assert any("# 1200 + 3.5 = $1203.5\n    pay = 1200+3.5\n" in one for one in made)


def test_programs_without_comments_are_corrupted_as_before():
    text = bare(PROGRAM)
    assert corrupt(text, random.Random(3)) == bare(corrupt(PROGRAM, random.Random(3)))


ROWS = [
    {"id": "a", "question": QUESTION, "solution": SOLUTION, "gold": "72"},
    {"id": "b", "question": "B?", "solution": "Ann has 2 * 10 = <<2*10=20>>20 cats.\n#### 20", "gold": "20"},
]


def test_probes_and_references_carry_the_reasoning():
    assert "# Ann has 2 * 10 = 20 cats." in references(ROWS, "program", reasoning=True)["b"]
    assert "#" not in references(ROWS, "program")["b"]
    made = probes.build(ROWS, "program", reasoning=True)
    _, right = verify([row["response"] for row in made], [row["gold"] for row in made], "program")
    found = {(row["probe"], row["id"]): (row["response"], good) for row, good in zip(made, right, strict=True)}
    assert found["reference", "a"] == (PROGRAM, True) and found["unearned", "b"][1]
    for name in ("spoilt", "claim", "long"):
        text, good = found[name, "a"]
        assert not good and "# Natalia sold" in text and text != PROGRAM


# Real data


@pytest.mark.skipif(not GSM8K_TRAIN.is_file(), reason="GSM8K's training file is not on this machine")
def test_gsm8k_solutions_convert_with_and_without_the_reasoning_and_give_the_answer():
    with GSM8K_TRAIN.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for number, line in enumerate(lines) if number % 10 == 0]
    answers = [row["answer"].split("####")[-1].strip().replace(",", "") for row in rows]
    told, plain = (
        [to_program(row["answer"], answer, row["question"], mode) for row, answer in zip(rows, answers, strict=True)]
        for mode in (True, False)
    )
    assert [text is None for text in told] == [text is None for text in plain]
    kept = [(text, short, answer) for text, short, answer in zip(told, plain, answers, strict=True) if text]
    assert 0.92 < len(kept) / len(rows) < 0.95, "7,001 of 7,473 in the whole file"
    # What a model's response goes through: only the form of the lines is looked at, and the sandbox runs it.
    _, right = verify([text for text, _, _ in kept], [answer for _, _, answer in kept], "program")
    assert right == [True] * len(kept)
    for text, short, _ in kept:
        assert (check_source(text) is text) == (check_source(short) is short) or "yield" in text
    assert all(steps(text, "program") == steps(short, "program") for text, short, _ in kept)
    named = [assignment(line)[0].strip() for text, _, _ in kept for line in text.split("\n") if assignment(line)]
    named = [name for name in named if name != "result"]
    assert sum(len(name) > 1 for name in named) / len(named) > 0.97
