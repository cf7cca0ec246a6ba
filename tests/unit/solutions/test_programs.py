import json
import re

import pytest

from gavel.common.paths import ROOT
from gavel.solutions.programs import to_program

GSM8K_TRAIN = ROOT.parent / "shared/data/gsm8k_train.jsonl"


def body(solution, answer, question="?"):
    """The statements between `def` and `return`, without indentation."""
    program = to_program(solution, answer, question)
    return None if program is None else [line.strip() for line in program.split("\n")[1:-1]]


def test_text_of_the_first_gsm8k_problem_is_exact():
    solution = (
        "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n"
        "Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72"
    )
    question = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. ..."
    expected = "def solution():\n    a = 48/2\n    result = 48+a\n    return result"
    assert to_program(solution, "72", question) == expected


def test_one_step_has_no_intermediate_variable():
    assert body("<<2 + 3=5>>", "5") == ["result = 2+3"]


@pytest.mark.parametrize(
    ("annotation", "answer", "expression"),
    [
        ("50*.2=10", "10", "50*.2"),
        ("100*10%=10", "10", "100*(10/100)"),
        ("50/10%=500", "500", "50/(10/100)"),
        ("1,000+5=1005", "1005", "1000+5"),
        ("$1,234,567 - $67 = 1234500", "1234500", "1234567-67"),
        ("(5+3)*-2=-16", "-16", "(5+3)*-2"),
        ("05+007=12", "12", "5+7"),
        ("0.1+0.2=.3", "0.3", "0.1+0.2"),
        ("2**10=1024", "1024", "2**10"),
        ("560//10=56", "56", "560//10"),
        ("7//2=3", "3", "7//2"),
    ],
)
def test_forms_of_expressions(annotation, answer, expression):
    assert body(f"<<{annotation}>>", answer) == [f"result = {expression}"]


@pytest.mark.parametrize(
    "annotation",
    [
        "2+x=5", "5", "2+3=5=5", "5/0=5", "10//0=5", "5.0.0=5", "2 3-18=5", "1,2+3=5", "(5=5", "abs(5)=5",
        "5+0*9**9**9=5", "5+0*9**99=5", "()=5", "", "=5", "__import__('os')=5", "5" + "+0" * 500 + "=5",
        "(" * 90 + "5" + ")" * 90 + "=5" * 2,
    ],
)  # fmt: skip
def test_anything_but_small_plain_arithmetic_is_refused(annotation):
    assert to_program(f"<<{annotation}>>", "5", "?") is None


def test_no_annotation_wrong_answer_or_unanswerable():
    assert to_program("It is 5.\n#### 5", "5", "?") is None
    assert to_program("<<2+3=5>>", "6", "?") is None
    assert to_program("<<2+3=5>>", "None", "?") is None


def test_the_claimed_value_is_not_read():
    assert body("<<10/3=3.33>><<3.33*3=9.99>>", "9.99") == ["a = 10/3", "result = 3.33*3"]
    assert to_program("<<10/3=3.33>>", "3.33", "?") is None


def test_too_many_steps():
    steps = [f"<<{n}+1={n + 1}>>" for n in range(100, 128)]
    assert to_program("".join(steps), "128", "?") is None
    assert body("".join(steps[:27]), "127")[-2:] == ["z = y+1", "result = z+1"]


def test_a_step_is_linked_however_it_is_written():
    assert body("<<3/2=1.5>><<1.50*2=3>>", "3") == ["a = 3/2", "result = a*2"]
    assert body("<<500*3=1500>><<1,500-5=1495>>", "1495") == ["a = 500*3", "result = a-5"]


def test_longer_numbers_are_not_linked_in_part():
    assert body("<<1+1=2>><<12*22=264>>", "264") == ["a = 1+1", "result = 12*22"]


def test_a_number_of_the_question_is_linked_once_and_only_to_the_preceding_step():
    steps = "<<2*2=4>><<4*4=16>>"
    assert body(steps, "16", "2 boxes, 2 rows, for each of 4 friends") == ["a = 2*2", "result = a*4"]
    assert body(steps, "16", "for each of four friends") == ["a = 2*2", "result = a*4"]
    assert body(steps, "16", "2 boxes, 2 rows, squared") == ["a = 2*2", "result = a*a"]
    later = "<<2*2=4>><<3*3=9>><<4+9=13>>"
    assert body(later, "13", "4 cats") == ["a = 2*2", "b = 3*3", "result = 4+b"]
    assert body(later, "13", "no cats") == ["a = 2*2", "b = 3*3", "result = a+b"]


def test_of_steps_with_one_value_the_most_recent_is_linked_first():
    assert body("<<5*2=10>><<20/2=10>><<10+7=17>>", "17")[-1] == "result = b+7"
    assert body("<<5*2=10>><<20/2=10>><<10+10=20>>", "20")[-1] == "result = b+a"


@pytest.mark.skipif(not GSM8K_TRAIN.is_file(), reason="GSM8K's training file is not on this machine")
def test_gsm8k_training_set():
    rows = [json.loads(line) for line in GSM8K_TRAIN.open(encoding="utf-8")]
    converted = []
    for row in rows:
        answer = row["answer"].split("####")[-1].strip().replace(",", "")
        converted.append((to_program(row["answer"], answer, row["question"]), answer))
    programs = [(program, answer) for program, answer in converted if program]
    # 7,001 of 7,473 (93.7 %) measured: all whose last annotation has the answer's value.
    assert 6950 <= len(programs) <= 7001
    several = [program for program, _ in programs if program.count("\n") > 2]
    linked = sum(bool(re.search(r"result = .*[a-z]", program)) for program in several)
    assert linked / len(several) > 0.95, "6,535 of 6,744 programs of several steps end on an earlier step's variable"
    for program, answer in programs:
        scope = {}
        assert re.fullmatch(r"def solution\(\):\n(    [a-z]+ = [\w.+*/()-]+\n)+    return result", program)
        exec(program, scope)
        assert abs(scope["solution"]() - float(answer)) < 1e-6
