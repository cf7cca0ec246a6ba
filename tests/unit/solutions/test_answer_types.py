"""The table of answer types: what each must be able to do, and how a third one joins."""

import random
from dataclasses import replace
from types import ModuleType

import pytest

from gavel.judge_eval.probes import PROBES, build
from gavel.solutions import answer_types, choice_answers, number_answers
from gavel.solutions.choice_answers import with_options
from gavel.solutions.error_kinds import error_kind
from gavel.solutions.mistakes import corrupt_solution
from gavel.solutions.verifier import solutions_to_answers, verify

QUESTION = with_options("How many apples are 5 and 7 apples?", ["5", "12", "7", "35"])
ANSWERS = {"number": "12", "choice": "B"}
SOLUTIONS = {"number": "5 + 7 = 12\n#### 12", "choice": "5 + 7 = 12\nThe answer is (B)."}


@pytest.fixture(params=list(answer_types.MODULES))
def name(request):
    return request.param


def test_every_type_reads_what_it_writes(name):
    kind, answer = answer_types.find(name), ANSWERS[name]
    assert kind.canonical(answer) == answer
    for other in [answer, *kind.wrong(answer, QUESTION)]:
        assert solutions_to_answers([kind.state(other)], "text", name) == [other]
    assert answer not in kind.wrong(answer, QUESTION)
    assert answer in kind.several(answer, QUESTION)
    assert name in answer_types.descriptions() and kind.noun and kind.expected


def test_a_corrupted_solution_is_wrong_and_its_kind_says_that_only_the_answer_differs(name):
    made = corrupt_solution(
        SOLUTIONS[name], ANSWERS[name], "text", 3, random.Random(0), question=QUESTION, answer_type=name
    )
    assert len(set(made)) == 3
    answers, correct = verify(made, [ANSWERS[name]] * 3, "text", name)
    assert None not in answers and not any(correct)
    noun = answer_types.find(name).noun
    kinds = {
        error_kind(text, SOLUTIONS[name], answer, "text", name) for text, answer in zip(made, answers, strict=True)
    }
    assert kinds == {f"other {noun}"}
    assert error_kind(f"Apples. {made[0]}", SOLUTIONS[name], answers[0], "text", name) == "other wording"


def test_probes_are_right_or_wrong_as_named(name):
    rows = [
        {"id": str(number), "question": QUESTION, "solution": SOLUTIONS[name], "gold": ANSWERS[name]}
        for number in range(2)
    ]
    made = build(rows, "text", answer_type=name)
    _, correct = verify([row["response"] for row in made], [row["gold"] for row in made], "text", name)
    right = {row["probe"]: one for row, one in zip(made, correct, strict=True)}
    assert set(right) == set(PROBES)
    assert right["reference"] and right["unearned"]
    for probe in ("empty", "short", "spoilt", "claim", "long"):
        assert not right[probe], probe


def test_only_numbers_can_be_answered_by_programs():
    program = "def solution():\n    return 12"
    assert solutions_to_answers([program], "program") == ["12"]
    with pytest.raises(ValueError, match="a program has no answer of the type 'choice'; use text"):
        solutions_to_answers([program], "program", "choice")
    with pytest.raises(ValueError, match="answer type 'word' is unknown; use one of number, choice"):
        verify(["x"], ["x"], "text", "word")


def test_a_question_without_answer_has_no_wrong_ones():
    assert number_answers.TYPE.wrong("None", "?") == []
    assert corrupt_solution("#### None", "None", "text", 2, random.Random(0), question="?") == []


def test_a_third_type_is_a_module_and_a_line(monkeypatch):
    module = ModuleType("gavel.solutions.yes_no_answers")
    words = {"yes": "yes", "no": "no"}
    module.TYPE = replace(
        choice_answers.TYPE,
        canonical=words.get,
        extract=lambda text: words.get(text.split()[-1]) if text.split() else None,
        equal=lambda answer, gold: answer == gold,
        wrong=lambda answer, question: [word for word in words if word != answer],
        restate=lambda text, answer, wrong: f"{text.removesuffix(answer)}{wrong}",
    )
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
    monkeypatch.setitem(answer_types.MODULES, "yes-no", module.__name__)
    assert verify(["I say yes", "no", ""], ["yes"] * 3, "text", "yes-no") == (["yes", "no", None], [True, False, False])
    made = corrupt_solution("I say yes", "yes", "text", 1, random.Random(0), question="?", answer_type="yes-no")
    assert made == ["I say no"]
    assert answer_types.modules_of_other_types("yes-no") == {number_answers.__name__, choice_answers.__name__}
