"""The responses that a verifier is trained on: verified, distinct, and balanced within questions."""

from collections import Counter

import pytest

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl
from gavel.judge.records import CheckedResponse
from gavel.judge_eval import checked_responses
from gavel.judge_eval.checked_responses import balance, make_responses
from gavel.models.loading import Student
from gavel.models.task import Task
from helpers.typed_rows import assert_typed

TASK = Task(prompt="solve", format="program", max_new_tokens=24)
ROWS = [
    {"id": "a", "question": "What is 1 + 1?", "gold": "2"},
    {"id": "b", "question": "What is 2 + 2?", "gold": "4"},
    {"id": "c", "question": "What is 3 + 3?", "gold": "6"},
]


def program(value):
    return f"def solution():\n    return {value}"


SAMPLED = {
    "a": [("sft", program(2)), ("sft", program(3)), ("student", program(3)), ("student", program("2 # twice"))],
    "b": [("sft", program(4)), ("student", program(5)), ("student", program(6))],
    "c": [("sft", program(6)), ("student", program(6))],  # never wrong
}


def made(tmp_path, monkeypatch, most, sampled=SAMPLED):
    monkeypatch.setattr(checked_responses, "sample_sources", lambda *_, **__: sampled)
    settings = {
        "student": Student(model=""),
        "task": TASK,
        "temperature": 1.0,
        "samples": 2,
        "seed": 0,
        "key": "judge.verifier.samples",
    }
    path = tmp_path / "responses.jsonl"
    make_responses(rows=ROWS, sources=[], most=most, output=str(path), **settings)
    rows = list(read_jsonl(path))
    assert_typed(rows, CheckedResponse)
    return rows


def test_all_distinct_responses_of_questions_with_both_verdicts_are_kept(tmp_path, monkeypatch):
    rows = made(tmp_path, monkeypatch, None)
    assert Counter((row["id"], row["correct"]) for row in rows) == {
        ("a", True): 2,
        ("a", False): 1,
        ("b", True): 1,
        ("b", False): 2,
    }
    assert {row["policy"] for row in rows if row["response"] == program(3)} == {"sft"}  # the first that gave it


def test_training_responses_are_balanced_within_questions(tmp_path, monkeypatch):
    rows = made(tmp_path, monkeypatch, 4000)
    assert Counter((row["id"], row["correct"]) for row in rows) == dict.fromkeys(
        [("a", True), ("a", False), ("b", True), ("b", False)], 1
    )


def test_the_limit_takes_from_all_questions_in_turn():
    rows = [
        {"id": name, "question": name, "response": f"{right}{number}", "policy": "sft", "correct": right}
        for name in "abc"
        for right in (True, False)
        for number in range(10)
    ]
    kept = balance(rows, 12, seed=1)
    assert Counter((row["id"], row["correct"]) for row in kept) == {
        (name, right): 2 for name in "abc" for right in (True, False)
    }
    assert kept == balance(rows, 12, seed=1) != balance(rows, 12, seed=2)


def test_without_a_question_with_both_verdicts_it_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="none of 3 questions has both a right and a wrong response; raise judge.ver"):
        made(tmp_path, monkeypatch, None, {"a": [], "b": [("sft", program(4))], "c": SAMPLED["c"]})
