"""`gavel score --answer-type choice`: letters, their votes, and what cannot be scored in this way."""

import json

import pytest

from helpers.score_command import score

CHOICE = ("--format", "text", "--answer-type", "choice", "--json")


def test_letters_are_scored_and_vote(write, capsys, tmp_path):
    path = write(
        {"question": "Q?", "response": ["The answer is (B).", "answer: b", "A"], "answer": "(B)"},
        {"question": "R?", "response": ["12", "C or D", "The answer is F."], "answer": "c"},
    )
    status, out, err = score(capsys, path, *CHOICE, "--k", "1,3", "--details", str(tmp_path / "details.jsonl"))
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert found["accuracy"] == pytest.approx(1 / 3) and found["unparsable"] == 2
    assert found["maj_at"]["3"] == 0.5 and found["pass_at"]["3"] == 0.5
    answers = [json.loads(line)["answer"] for line in (tmp_path / "details.jsonl").open()]
    assert answers == [["B", "B", "A"], [None, None, "F"]]


def test_systems_are_compared_on_letters(write, capsys):
    rows = [{"id": n, "response": "Answer: B", "answer": "B"} for n in range(4)]
    first, second = write(*rows), write(*[row | {"response": "Answer: C"} for row in rows], name="other.jsonl")
    found = json.loads(score(capsys, first, *CHOICE, "--compare", second)[1])
    assert found["compare"]["accuracy"]["difference"] == 1.0


def test_a_log_of_the_harness_and_a_study_s_samples_have_letters(write, capsys):
    log = write({"doc_id": 0, "doc": {}, "target": "(B)", "resps": [["So the answer is (B)."]]}, name="log.jsonl")
    assert json.loads(score(capsys, log, *CHOICE, "--layout", "lm-eval")[1])["accuracy"] == 1.0
    samples = write({"sample": -1, "response": "B", "gold": "B", "answer": "B"}, name="samples.jsonl")
    assert json.loads(score(capsys, samples, *CHOICE, "--layout", "greedy")[1])["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--format", "text"),
            "'answer' must be a number or the word None, found \"B\"",
        ),
        (
            ("--format", "program", "--answer-type", "choice"),
            "--format program: answers no question of --answer-type choice; use text",
        ),
        (
            (*CHOICE, "--layout", "gsm8k-model-solutions"),
            "--answer-type choice: the answers of this layout are numbers",
        ),
        ((*CHOICE, "--layout", "greedy"), "'gold' must be the letter of an option, such as B, found \"5\""),
    ],
)
def test_what_does_not_fit_is_one_line(write, capsys, arguments, message):
    rows = {"question": "Q?", "response": "B", "answer": "B", "sample": -1, "gold": "5"}
    rows = rows if "greedy" in arguments else {key: rows[key] for key in ("question", "response", "answer")}
    status, _, err = score(capsys, write(rows), *arguments)
    assert status == 2 and message in err and err.count("\n") == 1
