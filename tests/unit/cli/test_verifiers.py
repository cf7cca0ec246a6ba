"""`gavel verifiers`: several verifiers' verdicts on the same responses, and their disagreements."""

import csv
import json

import pytest

from gavel.cli.main import main

ROWS = [
    {"id": "same", "response": "3 + 4 = 7\n#### 7", "answer": 7},
    {"id": "unit", "response": "So she has $28.00 left.", "answer": 28},  # the filters compare text
    {"id": "two", "response": ["#### 5", "Five of 1/3 are left"], "answer": 5},
    {"id": "wrong", "response": "#### 8", "answer": 9},
]


def compared(capsys, path, *options):
    assert main(["verifiers", path, *options]) == 0
    return capsys.readouterr().out


def test_the_table_counts_each_verifier_s_verdicts(write, capsys):
    found = json.loads(compared(capsys, write(*ROWS), "--format", "text", "--json"))
    assert (found["responses"], found["missing"], found["disagreements"]) == (5, 0, 1)
    assert found["verifiers"]["gavel"] == {"correct": 3, "no_answer": 0, "more": 0, "fewer": 0}
    assert found["verifiers"]["strict-match"] == {"correct": 2, "no_answer": 2, "more": 0, "fewer": 1}
    assert found["verifiers"]["flexible-extract"] == {"correct": 2, "no_answer": 0, "more": 0, "fewer": 1}
    assert found["verifiers"]["math-verify"]["correct"] == 3


def test_the_disagreements_are_shown_and_written(write, tmp_path, capsys):
    out = tmp_path / "differ.csv"
    said = compared(capsys, write(*ROWS), "--format", "text", "--out", str(out))
    assert "The verdicts differ on 1 of 5 responses." in said
    assert "Accepted by gavel, math-verify only (1):" in said
    assert 'unit, gold 28, ends in "So she has $28.00 left."' in said
    assert "gavel: 28, strict-match: None, flexible-extract: $28.00, math-verify: 28" in said
    (row,) = csv.DictReader(out.open())
    assert (row["row"], row["id"], row["response"], row["gold"]) == ("1", "unit", "0", "28")
    assert (row["gavel"], row["gavel_correct"], row["strict-match"]) == ("28", "True", "")
    assert (row["flexible-extract"], row["flexible-extract_correct"]) == ("$28.00", "False")


def test_the_first_disagreements_of_each_kind_are_shown(write, capsys):
    marked = [{"id": f"a{n}", "response": "A: 7", "answer": 7} for n in range(2)]
    said = compared(capsys, write(*marked, *[ROWS[1] | {"id": f"q{n}"} for n in range(5)]), "--format", "text")
    many, few = said.split("\nAccepted by ")[1:]
    assert many.startswith("gavel, math-verify only (5):") and "q2," in many and "q3," not in many
    assert few.startswith("gavel, flexible-extract, math-verify only (2):") and "a1," in few


def test_programs_are_run_and_their_values_are_given_to_the_others(write, capsys):
    program = "def solution():\n    a = 6*7\n    return a"
    path = write({"response": program, "answer": 42}, {"response": "def solution(:", "answer": 42})
    found = json.loads(compared(capsys, path, "--format", "program", "--json"))["verifiers"]
    assert {name: each["correct"] for name, each in found.items()} == dict.fromkeys(found, 1)
    assert found["gavel"]["no_answer"] == 1


def test_without_math_verify_the_others_are_compared(write, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "math_verify", None)
    said = compared(capsys, write(*ROWS), "--format", "text")
    assert "math-verify is not installed here" in said and "strict-match" in said


@pytest.mark.parametrize(
    ("rows", "options", "reason"),
    [
        ([{"response": "1"}], (), "'answer' must be a number"),
        ([{"response": "1"}], ("--skip-bad",), "no responses to compare"),
        (ROWS, ("--out", "/none/x.csv"), "--out /none/x.csv: the folder /none does not exist"),
        (ROWS, ("--batch-seconds", "0"), "--batch-seconds: expected a number of seconds"),
    ],
)
def test_bad_input_ends_with_one_line(write, capsys, rows, options, reason):
    assert main(["verifiers", write(*rows), "--format", "text", *options]) == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]
