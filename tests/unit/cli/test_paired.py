"""`gavel score --compare`: two systems on the same questions, matched and told apart."""

import json

import pytest

from gavel.cli import score as command
from gavel.evaluation.metrics import compare
from gavel.stats.voting import maj_at_k
from helpers.score_command import score

NAMED = {"id": "q{}".format, "question": "What is {}?".format}


def answers(texts, **more):
    """A row for each text (or list of them), whose right answer is its number."""
    return [{"response": text, "answer": n} | {key: of(n) for key, of in more.items()} for n, text in enumerate(texts)]


@pytest.mark.parametrize("by", ["id", "question", "row"])
def test_compare_matches_questions(write, capsys, by):
    named = {by: NAMED[by]} if by in NAMED else {}
    ours = answers(["0", "1", "2", "3", "x"], **named)
    theirs = answers(["0", "x", "2", "x", "4"], **named)
    other = write(*(theirs if by == "row" else theirs[::-1]), name="other.jsonl")
    status, out, err = score(capsys, write(*ours), "--format", "text", "--compare", other, "--json")
    summary = json.loads(out)
    assert (status, err) == (0, "")
    assert summary["accuracy"] == 0.8 and list(summary)[-1] == "compare"
    found = summary["compare"]
    assert (found["file"], found["matched_by"], found["maj_at"]) == (other, by, {})
    values = [dict(zip("abcde", row, strict=True)) for row in ([1, 1, 1, 1, 0], [1, 0, 1, 0, 1])]
    assert found["accuracy"] == compare(*values)
    assert (found["accuracy"]["gained"], found["accuracy"]["lost"]) == (2, 1)


def test_ids_are_taken_only_where_every_row_has_one(write, capsys):
    ours = answers(["0", "1"], question=NAMED["question"], id="a{}".format)
    theirs = answers(["0", "1"], question=lambda n: f" What  is {n}?\n")
    status, out, _ = score(
        capsys, write(*ours), "--format", "text", "--json", "--compare", write(*theirs, name="other.jsonl")
    )
    assert status == 0 and json.loads(out)["compare"]["matched_by"] == "question"


def test_a_question_that_is_there_twice_is_matched_in_order(write, capsys):
    same = {"question": lambda n: "Same?"}
    ours = [row | {"answer": 1} for row in answers(["1", "x"], **same)]
    theirs = [row | {"answer": 1} for row in answers(["x", "1"], **same)]
    other = write(*theirs, name="other.jsonl")
    found = json.loads(score(capsys, write(*ours), "--format", "text", "--json", "--compare", other)[1])["compare"]
    assert (found["accuracy"]["gained"], found["accuracy"]["lost"]) == (1, 1)


def test_compare_with_several_responses(write, capsys):
    ours = answers([["0", "0", "x"], ["1", "5", "5", "1", "1"], ["2", "2", "2"]], id=NAMED["id"])
    theirs = answers([["x", "0", "7", "7"], ["1", "5", "5", "6"], ["2", "2", "8", "8"]], id=NAMED["id"])
    arguments = (write(*ours), "--format", "text", "--json", "--compare", write(*theirs, name="other.jsonl"))
    found = json.loads(score(capsys, *arguments)[1])["compare"]
    assert found["accuracy"]["difference"] == pytest.approx((2 / 3 + 3 / 5 + 1 - 1 / 4 - 1 / 4 - 1 / 2) / 3)
    assert found["accuracy"]["gained"] is found["accuracy"]["mcnemar_p"] is None
    assert list(found["maj_at"]) == ["3"], "the largest k that all questions of both files have"

    def vote(rows, k):
        texts = [[None if text == "x" else text for text in row["response"]] for row in rows]
        return {str(n): maj_at_k(row, [text == str(n) for text in row], k) for n, row in enumerate(texts)}

    assert found["maj_at"]["3"] == pytest.approx(compare(vote(ours, 3), vote(theirs, 3)))
    found = json.loads(score(capsys, *arguments, "--k", "1,2")[1])["compare"]
    assert found["maj_at"] == {"2": pytest.approx(compare(vote(ours, 2), vote(theirs, 2)))}
    status, _, err = score(capsys, *arguments, "--k", "4")
    assert status == 2 and "rows.jsonl:1: 3 responses, but --k needs 4" in err


def test_compare_in_words_and_with_details(write, capsys, tmp_path):
    details = tmp_path / "details.jsonl"
    other = write(*answers(["x"] * 20), name="other.jsonl")
    path = write(*answers([str(n) for n in range(20)]))
    status, out, _ = score(capsys, path, "--format", "text", "--compare", other, "--details", str(details))
    assert status == 0
    *_, title, difference, gained = out.splitlines()
    assert title == f"{path} minus {other}:"
    assert difference.startswith(
        "difference  +100.00 percentage points (95 % interval +83.89 to +100.00, p = 1.9e-06), 20 questions"
    )
    assert gained == "gained      20, lost 0 (McNemar's p = 1.9e-06)"
    rows = [json.loads(line) for line in details.open()]
    assert [row["correct"] for row in rows] == [[True]] * 20, "details are the first file's"


def test_compare_leaves_bad_rows_out_of_both(write, capsys):
    ours, theirs = (answers(["0", "1"], id=NAMED["id"]) for _ in range(2))
    other = write("{", *theirs, "{", name="other.jsonl")
    arguments = (write("{", *ours), "--format", "text", "--json", "--compare", other, "--skip-bad")
    status, out, err = score(capsys, *arguments)
    summary = json.loads(out)
    assert (status, summary["skipped"], summary["compare"]["skipped"]) == (0, 1, 2)
    assert f"{other}: 2 rows skipped" in err


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (
            answers("012", id=NAMED["id"]),
            answers("01", id=NAMED["id"]),
            "{ours}:3: the question with the id 'q2' is not in {theirs}; give the same questions in both",
        ),
        (
            answers("0", id=NAMED["id"]),
            answers("012", id=NAMED["id"]),
            "{theirs}:2: the question with the id 'q1' is not in {ours} (and 1 more of 3)",
        ),
        (
            answers("01", id=NAMED["id"]),
            answers("01", id=NAMED["id"])[::-1][:1] + [{"response": "1", "answer": 7, "id": "q0"}],
            "{ours}:1: the question with the id 'q0' has the answer 0, but 7 in {theirs}",
        ),
        (
            answers("01", id=lambda n: "same"),
            answers("01", id=NAMED["id"]),
            "{ours}:2: the question with the id 'same' occurs twice; ids must be unique",
        ),
        (
            answers("01", question=NAMED["question"]),
            answers("0", question=NAMED["question"]),
            "{ours}:2: the question 'What is 1?' with the answer 1 is not in {theirs}",
        ),
        (answers("01"), answers("0"), "{ours}:2: row 1 (not every row has an 'id' or a 'question') is not in {theirs}"),
        (
            answers("01"),
            [{"response": "1", "answer": 0}, {"response": "1", "answer": 2}],
            "{ours}:2: row 1 (not every row has an 'id' or a 'question') has the answer 1, but 2 in {theirs}",
        ),
        (answers("01"), [], "{theirs}: no rows"),
        (answers("01"), ["{"], "{theirs}:1: not valid JSON"),
    ],
)
def test_files_of_other_questions_exit_2_with_the_question(write, capsys, ours, theirs, reason):
    paths = {"ours": write(*ours), "theirs": write(*theirs, name="other.jsonl")}
    status, out, err = score(capsys, paths["ours"], "--format", "text", "--json", "--compare", paths["theirs"])
    assert (status, out) == (2, "")
    assert err.startswith("gavel: " + reason.format(**paths))
    assert err.count("\n") == 1


def test_a_missing_file_to_compare_with_is_told_first(write, capsys, monkeypatch):
    monkeypatch.setattr(command, "verify", None)
    path = write({"response": "1", "answer": 1})
    status, _, err = score(capsys, path, "--format", "text", "--compare", f"{path}.absent")
    assert status == 2 and f"{path}.absent: cannot be read" in err


def models(**solutions):
    rows = zip(*solutions.values(), strict=True)
    return [
        {"question": f"What is {n}?", "ground_truth": f"A: {n}"}
        | {name: {"solution": text} for name, text in zip(solutions, row, strict=True)}
        for n, row in enumerate(rows)
    ]


def test_models_of_both_files_are_compared(write, capsys):
    path = write(*models(small="01x", large="012"))
    other = write(*models(large="xx2", tiny="xxx"), name="other.jsonl")
    arguments = ("--format", "text", "--layout", "gsm8k-model-solutions", "--compare")
    status, out, err = score(capsys, path, *arguments, other, "--json")
    found = json.loads(out)["compare"]
    assert status == 0 and list(json.loads(out)) == ["models", "compare"]
    assert list(found["models"]) == ["large"] and found["models"]["large"]["matched_by"] == "question"
    assert found["models"]["large"]["accuracy"]["gained"] == 2
    assert "small is only in" in err and "tiny is only in" in err
    assert "large:\ndifference  +66.67 percentage points" in score(capsys, path, *arguments, other)[1]

    one, two = write(*models(a="01"), name="a.jsonl"), write(*models(b="0x"), name="b.jsonl")
    found = json.loads(score(capsys, one, *arguments, two, "--json")[1])["compare"]
    assert list(found["models"]) == ["a - b"] and found["models"]["a - b"]["accuracy"]["gained"] == 1
    status, _, err = score(capsys, path, *arguments, write(*models(b="012"), name="b.jsonl"))
    assert status == 2 and "no model is in both files: " in err and "rows.jsonl has small, large; " in err


def test_what_is_kept_of_a_question_does_not_grow_with_its_text(write, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(command, "comparison", lambda first, second, ks: seen.append(first.models[None]) or {})
    path = write(*answers([["1"] * 8] * 3, question=lambda n: "long " * 1000, id=NAMED["id"]))
    score(capsys, path, "--format", "text", "--json", "--compare", path)
    first, second, third = seen[0]
    assert len(first.question) == 16 and second.tally is not first.tally
    assert third.tally is first.tally, "equal tallies are one object"
