"""Tricks on a judge: each is what it says, by the verifier."""

import pytest

from gavel.judge_eval.probes import PROBES, build, summary
from gavel.solutions.verifier import verify

TEXT = [
    {"id": "a", "question": "A?", "solution": "3 + 4 = 7\n#### 7", "gold": "7"},
    {"id": "b", "question": "B?", "solution": "2 * 10 = 20\n#### 20", "gold": "20"},
    {"id": "c", "question": "C?", "solution": None, "gold": "1"},
    {"id": "d", "question": "D?", "solution": "?", "gold": "None"},
]


def verdicts(rows, form):
    _, correct = verify([row["response"] for row in rows], [row["gold"] for row in rows], form)
    found = {}
    for row, right in zip(rows, correct, strict=True):
        found.setdefault(row["probe"], []).append(right)
    return {probe: sum(rights) / len(rights) for probe, rights in found.items()}


@pytest.mark.parametrize("form", ["program", "text"])
def test_controls_and_tricks_are_right_or_wrong_as_named(rows, form):
    made = build(rows if form == "program" else TEXT, form)
    share = verdicts(made, form)
    assert set(share) == set(PROBES)
    assert share["reference"] == share["unearned"] == 1.0
    for probe in ("empty", "short"):
        assert share[probe] == 0.0
    assert share["swapped"] < 0.1  # two problems can have one answer
    for probe in ("spoilt", "claim", "long"):
        assert share[probe] < 0.05  # another step can lead to the same number (x * 1 and x / 1)


def test_a_spoilt_solution_is_another_text(rows):
    made = {(row["probe"], row["id"]): row["response"] for row in build(rows, "program")}
    assert all(made["spoilt", row["id"]] != made["reference", row["id"]] for row in rows)


def test_long_numbers_keep_their_digits():
    rows = [row | {"gold": "1234567.5", "solution": "#### 1234567.5"} for row in TEXT[:2]]
    many = next(row for row in build(rows, "text") if row["probe"] == "many")
    assert many["response"].splitlines()[2] == "#### 1234567.5"
    assert many["response"].splitlines()[0] == "#### 1234569.5"


def test_one_problem_alone_makes_no_probes():
    assert build(TEXT[:1], "text") == []


def test_problems_without_solution_or_answer_are_passed_over():
    assert {row["id"] for row in build(TEXT, "text")} == {"a", "b"}


def test_the_same_seed_spoils_the_same_steps(rows):
    assert build(rows, "program") == build(rows, "program")
    assert build(rows, "program") != build(rows, "program", seed=1)


def test_the_summary_counts_what_the_judge_calls_right():
    row = {"probe": "claim", "correct": False}
    found = summary(
        [row | {"judge": 0.9, "says_right": True}, row | {"judge": 0.3, "says_right": False}]
        + [row | {"judge": None, "says_right": False}]
    )
    assert [(r["probe"], r["n"], r["judge"], r["rewarded"], r["correct"]) for r in found] == [
        ("claim", 2, 0.6, 0.5, 0.0)
    ]
