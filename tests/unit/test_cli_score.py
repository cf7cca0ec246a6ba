"""`gavel score` as it is used: the contract's keys, streaming, details, one line for bad input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gavel import cli
from gavel.commands import score as command
from gavel.metrics import compare
from gavel.statistics import wilson
from gavel.voting import maj_at_k

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "gsm8k_model_solutions.jsonl"


@pytest.fixture
def write(tmp_path):
    def write_rows(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return str(path)

    return write_rows


def score(capsys, *arguments):
    status = cli.main(["score", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_summary_of_several_responses(write, capsys):
    path = write(
        {"question": "q", "response": ["#### 18", "A: 18.00", "so 7", "no idea"], "answer": 18},
        {"response": ["#### None", "A: 3", "#### 3", "A: 3"], "answer": "None"},
    )
    status, out, err = score(capsys, path, "--format", "text", "--json")
    summary = json.loads(out)
    assert (status, err) == (0, "")
    keys = "n responses accuracy accuracy_ci95 maj_at pass_at maj_at_ci95 pass_at_ci95 unparsable"
    assert list(summary) == keys.split()
    assert all(low <= summary["maj_at"][k] <= high for k, (low, high) in summary["maj_at_ci95"].items())
    assert (summary["n"], summary["responses"], summary["unparsable"]) == (2, 8, 1)
    assert summary["accuracy"] == pytest.approx((0.5 + 0.25) / 2)
    low, high = summary["accuracy_ci95"]
    assert low < summary["accuracy"] < high
    # maj@2, first row, by draws: 18 18 right; 18 7 half (two of them); 18 ? right (two); 7 ? wrong: 4 of 6.
    # Second row: None with one of three 3s is a tie in 3 of 6 draws: 1.5 of 6.
    assert summary["maj_at"] == pytest.approx({"1": 0.375, "2": (4 / 6 + 1.5 / 6) / 2, "4": 0.5})
    assert summary["pass_at"] == pytest.approx({"1": 0.375, "2": (5 / 6 + 3 / 6) / 2, "4": 1})


def test_single_responses_and_programs(write, capsys):
    program = "def solution():\n    x = 36\n    return x / {}"
    path = write(
        {"response": program.format(2), "answer": "18"},
        {"response": program.format(3), "answer": "18"},
        {"response": program.format(0), "answer": "18"},
        {"response": "def solution():\n    return None", "answer": "None"},
    )
    status, out, _ = score(capsys, path, "--format", "program", "--json")
    summary = json.loads(out)
    assert status == 0
    assert (summary["accuracy"], summary["unparsable"]) == (0.5, 1)
    assert summary["accuracy_ci95"] == pytest.approx(list(wilson(2, 4)))
    assert summary["maj_at"] == summary["pass_at"] == {"1": 0.5}


def test_k_goes_up_to_the_smallest_row(write, capsys):
    rows = [{"response": ["1"] * n, "answer": 1} for n in (5, 7, 6)]
    summary = json.loads(score(capsys, write(*rows), "--format", "text", "--json")[1])
    assert list(summary["maj_at"]) == list(summary["pass_at"]) == ["1", "2", "4", "5"]
    assert summary["accuracy"] == 1


@pytest.mark.parametrize("arguments", [("--k", "5,1,3"), ("--k", "3", "--k", "5,1"), ("--k", " 1, 3,5,5")])
def test_k_can_be_chosen(write, capsys, arguments):
    rows = [{"response": ["1"] * right + ["2"] * (6 - right), "answer": 1} for right in (1, 4)]
    summary = json.loads(score(capsys, write(*rows), "--format", "text", "--json", *arguments)[1])
    assert list(summary["maj_at"]) == list(summary["pass_at"]) == ["1", "3", "5"]
    assert summary["pass_at"]["5"] == pytest.approx((5 / 6 + 1) / 2)


@pytest.mark.parametrize("k", ["0", "-1", "1.5", "four", "", "1,,2", "1,2,", "\u0663", "9" * 5000])
def test_a_k_that_is_no_positive_whole_number_exits_2(write, capsys, k):
    status, out, err = score(capsys, write({"response": "1", "answer": 1}), "--format", "text", f"--k={k}")
    assert (status, out) == (2, "")
    assert err.startswith("gavel: --k: ") and "not a positive whole number" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("more", [(), ("--skip-bad",)])
def test_a_k_above_a_rows_responses_names_the_row(write, capsys, more):
    path = write({"response": ["1"] * 4, "answer": 1}, "", {"response": ["1"] * 3, "answer": 1})
    status, out, err = score(capsys, path, "--format", "text", "--k", "1,4", *more)
    assert (status, out) == (2, "")
    assert err == f"gavel: {path}:3: 3 responses, but --k asks for 4; lower it, or give more responses\n"


def answers(texts, **more):
    """A row for each text (or list of them), whose right answer is its number."""
    return [{"response": text, "answer": n} | {key: of(n) for key, of in more.items()} for n, text in enumerate(texts)]


NAMED = {"id": "q{}".format, "question": "What is {}?".format}


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
    assert status == 2 and "rows.jsonl:1: 3 responses, but --k asks for 4" in err


def test_compare_in_words_and_with_details(write, capsys, tmp_path):
    details = tmp_path / "details.jsonl"
    other = write(*answers(["x"] * 20), name="other.jsonl")
    path = write(*answers([str(n) for n in range(20)]))
    status, out, _ = score(capsys, path, "--format", "text", "--compare", other, "--details", str(details))
    assert status == 0
    *_, title, difference, gained = out.splitlines()
    assert title == f"{path} minus {other}:"
    assert difference.startswith(
        "difference  +100.00 points (95 % interval +83.89 to +100.00, p = 1.9e-06), 20 questions"
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
    assert f"{other}: 2 rows left out" in err


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
            "{theirs}:2: the question with the id 'q1' is not in {ours} (like 1 more of 3)",
        ),
        (
            answers("01", id=NAMED["id"]),
            answers("01", id=NAMED["id"])[::-1][:1] + [{"response": "1", "answer": 7, "id": "q0"}],
            "{ours}:1: the question with the id 'q0' has the answer 0, but 7 in {theirs}",
        ),
        (
            answers("01", id=lambda n: "same"),
            answers("01", id=NAMED["id"]),
            "{ours}:2: the question with the id 'same' is there twice; ids must be unique",
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
    assert "large:\ndifference  +66.67 points" in score(capsys, path, *arguments, other)[1]

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


def harness(n, responses, target, name="strict-match", **more):
    """A row as lm-evaluation-harness logs it."""
    return {
        "doc_id": n,
        "doc": {"question": f"What is {n}?", "answer": target},
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": f"Q: What is {n}?", "arg_1": {"until": ["Q:"]}}},
        "resps": [responses],
        "filtered_resps": ["[invalid]"],
        "filter": name,
        "metrics": ["exact_match"],
        "exact_match": 0.0,
    } | more


def test_harness_logs(write, capsys, tmp_path):
    docs = [(0, ["It is 0.\n#### 0", "#### 9"], "none left\n#### 0"), (1, ["The answer is 1.", "1"], "1")]
    rows = [harness(*doc, name) for name in ("strict-match", "flexible-extract") for doc in docs]
    path, details = write(*rows), tmp_path / "details.jsonl"
    arguments = ("--format", "text", "--layout", "lm-eval", "--json")
    status, out, err = score(capsys, path, *arguments, "--details", str(details))
    summary = json.loads(out)
    assert (status, err) == (0, "")
    assert (summary["n"], summary["responses"], summary["accuracy"]) == (2, 4, 0.75)
    assert [json.loads(line)["row"] for line in details.open()] == [0, 1]
    worse = write(*[harness(n, ["x", "x"], target) for n, _, target in docs], name="other.jsonl")
    found = json.loads(score(capsys, path, *arguments, "--compare", worse)[1])["compare"]
    assert found["matched_by"] == "id" and found["accuracy"]["difference"] == 0.75 and list(found["maj_at"]) == ["2"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"response": "1", "answer": 1}, "'doc_id' is not a number: null"),
        (harness(1, ["1"], "B"), "'target' is neither a number nor None nor ends with '#### N': \"B\""),
        (harness(1, [["-1.5", "False"]], "1"), "'resps' holds no text"),
        (harness(1, ["1"], "1", resps=["1"]), "'resps' is not a list of lists of texts"),
        (harness(1, [], "1"), "'resps' holds no text"),
        (harness(0, ["2"], "0"), "doc_id 0 was there before with another target or other responses"),
    ],
)
def test_bad_harness_rows_exit_2_with_file_line_and_reason(write, capsys, bad, reason):
    path = write(harness(0, ["0"], "0"), bad)
    status, out, err = score(capsys, path, "--format", "text", "--layout", "lm-eval")
    assert (status, out) == (2, "")
    assert err.startswith(f"gavel: {path}:2: ") and reason in err
    assert err.count("\n") == 1


def test_details_are_in_input_order_across_batches(write, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "BATCH", 3)
    rows = [{"response": [f"#### {i}"] * (i % 4 + 1), "answer": i - i % 2} for i in range(20)]
    out = tmp_path / "new" / "details.jsonl"
    assert score(capsys, write(*rows), "--format", "text", "--details", str(out))[0] == 0
    details = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["row"] for row in details] == list(range(20))
    for i, row in enumerate(details):
        assert row["answer"] == [str(i)] * (i % 4 + 1)
        assert row["correct"] == [i % 2 == 0] * (i % 4 + 1)


def test_no_answer_is_null_in_details(write, capsys, tmp_path):
    out = tmp_path / "details.jsonl"
    score(
        capsys,
        write({"response": ["no idea", "A: None"], "answer": "None"}),
        "--format",
        "text",
        "--details",
        str(out),
    )
    assert json.loads(out.read_text()) == {"row": 0, "answer": [None, "None"], "correct": [False, True]}


def test_words_for_people(write, capsys):
    out = score(capsys, write({"response": ["1", "2"], "answer": 1}), "--format", "text")[1]
    assert "1 (2 responses, 0 unparsable)" in out
    assert "accuracy    50.00%" in out
    assert "pass@2      100.00%" in out


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"response": "1", "answer": None}, "found null (no label"),
        ({"response": "1"}, "'answer' must be a number"),
        ({"response": "1", "answer": "many"}, 'found "many"'),
        ('{"response": "1", "answer": NaN}', "'answer' must be a number"),
        ({"response": "1", "answer": True}, "'answer' must be a number"),
        ({"answer": 1}, "'response' must be a text or a list of texts, found no such key"),
        ({"response": ["1", 2], "answer": 1}, "'response' must be"),
        ({"response": None, "answer": 1}, "'response' must be"),
        ({"response": [], "answer": 1}, "empty list"),
        ("[1]", "expected a JSON object, found list"),
        ("{", "not valid JSON"),
        ('{"response": "1", "answer": ' + "9" * 5000 + "}", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_bad_rows_exit_2_with_file_line_and_reason(write, capsys, bad, reason):
    path = write({"response": "1", "answer": 1}, "", bad)
    status, out, err = score(capsys, path, "--format", "text", "--json")
    assert (status, out) == (2, "")
    assert err.startswith(f"gavel: {path}:3: ")
    assert reason in err
    assert err.count("\n") == 1


def test_bad_rows_can_be_left_out_and_are_counted(write, capsys, tmp_path):
    path = write({"response": "1", "answer": 1}, "{", *[{"response": "1"}] * 12, {"response": "2", "answer": 1})
    details = tmp_path / "details.jsonl"
    status, out, err = score(capsys, path, "--format", "text", "--json", "--skip-bad", "--details", str(details))
    figures = json.loads(out)
    assert (status, figures["n"], figures["accuracy"], figures["skipped"]) == (0, 2, 0.5, 13)
    lines = err.splitlines()
    assert lines[0].startswith(f"gavel: left out {path}:2: not valid JSON")
    assert len(lines) == 11
    assert lines[-1] == f"gavel: {path}: 13 rows left out, 3 of them not shown"
    assert [json.loads(line)["row"] for line in details.open()] == [0, 14]


def test_a_file_of_bad_rows_only_is_an_error_even_so(write, capsys):
    status, out, err = score(capsys, write("{"), "--format", "text", "--skip-bad")
    assert (status, out) == (2, "")
    assert "no rows" in err


def test_bad_files_exit_2_with_one_line(write, capsys, tmp_path):
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"response": "caf\xe9", "answer": 1}\n')
    good = write({"response": "1", "answer": 1})
    for arguments, reason in (
        ([str(tmp_path / "absent.jsonl")], "cannot be read"),
        ([str(tmp_path)], "cannot be read"),
        ([str(latin)], f"{latin}:1: not UTF-8"),
        ([good, "--details", "/dev/null/x"], "cannot be written"),
        ([write("")], "no rows"),
    ):
        status, out, err = score(capsys, *arguments, "--format", "text")
        assert (status, out) == (2, "")
        assert reason in err
        assert err.count("\n") == 1


def test_unknown_format_exits_2(write, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["score", write({"response": "1", "answer": 1}), "--format", "prose"])
    assert exit_.value.code == 2
    assert "'prose'" in capsys.readouterr().err


def test_rows_are_read_as_they_are_needed(tmp_path, monkeypatch):
    path = tmp_path / "long.jsonl"
    path.write_text('{"response": "1", "answer": 1}\n' * 500)
    monkeypatch.setattr(command, "BATCH", 10)
    read = []
    items = (read.append(item) or item for item in command._items(str(path), command.LAYOUTS["rows"](), None))
    next(command._scored(items, "text", {}))
    assert len(read) == 10


def test_published_file_layout(capsys, tmp_path):
    if not PUBLISHED.exists():
        pytest.skip(f"{PUBLISHED.name} is not beside this checkout (grade-school-math's published solutions)")
    details = tmp_path / "details.jsonl"
    arguments = ("--format", "text", "--layout", "gsm8k-model-solutions", "--json", "--details", str(details))
    status, out, _ = score(capsys, str(PUBLISHED), *arguments)
    models = json.loads(out)["models"]
    assert status == 0
    assert {name: round(100 * summary["accuracy"], 2) for name, summary in models.items()} == {
        "6b_finetuning": 21.68,
        "6b_verification": 39.04,
        "175b_finetuning": 34.72,
        "175b_verification": 56.25,
    }
    assert all(summary["n"] == summary["responses"] == 1319 for summary in models.values())
    first = json.loads(details.read_text().splitlines()[0])
    assert first == {"row": 0, "model": "6b_finetuning", "answer": ["26"], "correct": [False]}


def test_published_layout_on_other_rows_exits_2(write, capsys):
    arguments = ("--format", "text", "--layout", "gsm8k-model-solutions")
    for row, reason in (
        ({"response": "1", "answer": 1}, "'ground_truth' must be"),
        ({"ground_truth": "A: 1"}, "no model's solution"),
        ({"ground_truth": "A: 1", "small": {"is_correct": True}}, "'solution' of 'small'"),
    ):
        path = write(row)
        status, _, err = score(capsys, path, *arguments)
        assert status == 2
        assert err.startswith(f"gavel: {path}:1: ") and reason in err


def test_installed_command_is_silent_off_a_terminal(write):
    path = write({"response": "#### 1", "answer": 1})
    command = [sys.executable, "-m", "gavel.cli", "score", path, "--format", "text", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["accuracy"] == 1


def studys_samples(path):
    """Two questions as a study keeps them: the greedy solution, then two samples."""
    rows = []
    for name, gold, answers in (("a", "4", ("4", "4", "5")), ("b", "6", ("5", "6", None))):
        for number, answer in enumerate(answers, start=-1):
            row = {"id": name, "sample": number, "response": f"#### {answer}", "answer": answer, "gold": gold}
            rows.append(row | {"correct": answer == gold, "question": f"{name}?"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_studys_own_samples_are_not_scored_against_the_models_answers(tmp_path, capsys):
    path = studys_samples(tmp_path / "samples.jsonl")
    for more in ([], ["--skip-bad"]):
        assert cli.main(["score", path, "--format", "text", *more]) == 2
        assert "--layout greedy" in capsys.readouterr().err
    assert cli.main(["score", path, "--format", "text", "--layout", "greedy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["accuracy"]) == (2, 0.5)


def test_details_do_not_replace_the_responses(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text('{"response": "4", "answer": 4}\n')
    (tmp_path / "b.jsonl").write_text(path.read_text())
    before = path.read_text()
    for file, other in ((path, []), (tmp_path / "b.jsonl", ["--compare", str(path)])):
        arguments = ["score", str(file), "--format", "text", "--details", str(tmp_path / "." / "a.jsonl"), *other]
        assert cli.main(arguments) == 2
        assert "would write over the responses" in capsys.readouterr().err
        assert path.read_text() == before
