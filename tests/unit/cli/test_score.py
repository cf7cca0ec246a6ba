"""`gavel score` as it is used: the contract's keys, streaming, details, one line for bad input."""

import json

import pytest

from gavel.cli import layouts, main
from gavel.cli import score as command_score
from gavel.stats.intervals import wilson
from helpers.score_command import score


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
    assert err == f"gavel: {path}:3: 3 responses, but --k needs 4; lower it, or give more responses\n"


def test_details_are_in_input_order_across_batches(write, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(command_score, "BATCH", 3)
    rows = [{"response": [f"#### {i}"] * (i % 4 + 1), "answer": i - i % 2} for i in range(20)]
    out = tmp_path / "details.jsonl"
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
        ({"answer": 1}, "'response' must be text or a list of texts, found no such key"),
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


@pytest.mark.parametrize("answer", ["9" * 401, "-" + "9" * 450, "1e500", "0." + "3" * 500, "2^9999", 10**401])
def test_an_answer_that_is_too_long_is_called_so(write, capsys, answer):
    path = write({"response": "1", "answer": answer})
    status, _, err = score(capsys, path, "--format", "text")
    assert status == 2 and err.startswith(f"gavel: {path}:1: 'answer' must be a number")
    assert err.endswith("(too long: a number has 400 digits at most)\n") and len(err) < 400


@pytest.mark.parametrize("answer", ["9" * 401 + "x", "x" * 500, "3/0", "many", True, [1], ""])
def test_another_answer_that_is_no_number_is_not_called_too_long(write, capsys, answer):
    status, _, err = score(capsys, write({"response": "1", "answer": answer}), "--format", "text")
    assert status == 2 and "too long" not in err


@pytest.mark.parametrize(
    ("row", "told", "hint"),
    [
        ({"response": "1", "answer": None}, "'answer' must be", True),
        ({"response": None, "answer": 1}, "'response' must be", False),
    ],
)
def test_only_of_a_missing_answer_is_it_said_that_it_cannot_be_scored(write, capsys, row, told, hint):
    status, _, err = score(capsys, write(row), "--format", "text")
    assert status == 2 and told in err and "found null" in err
    assert ("no label; such rows cannot be scored" in err) == hint


@pytest.mark.parametrize("layout", ["rows", "lm-eval", "greedy", "gsm8k-model-solutions"])
@pytest.mark.parametrize("text", ["[]", "[\n]\n", " [ ]\n", ""])
def test_a_list_without_elements_has_no_rows(tmp_path, capsys, layout, text):
    (tmp_path / "rows.jsonl").write_text(text)
    status, out, err = score(capsys, str(tmp_path / "rows.jsonl"), "--format", "text", "--layout", layout)
    assert (status, out) == (2, "")
    assert err == f"gavel: {tmp_path / 'rows.jsonl'}: no rows to score; expected one JSON object per line\n"


def test_bad_rows_can_be_left_out_and_are_counted(write, capsys, tmp_path):
    path = write({"response": "1", "answer": 1}, "{", *[{"response": "1"}] * 12, {"response": "2", "answer": 1})
    details = tmp_path / "details.jsonl"
    status, out, err = score(capsys, path, "--format", "text", "--json", "--skip-bad", "--details", str(details))
    metrics = json.loads(out)
    assert (status, metrics["n"], metrics["accuracy"], metrics["skipped"]) == (0, 2, 0.5, 13)
    lines = err.splitlines()
    assert lines[0].startswith(f"gavel: skipped {path}:2: not valid JSON")
    assert len(lines) == 11
    assert lines[-1] == f"gavel: {path}: 13 rows skipped, 3 of them not shown"
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
        main.main(["score", write({"response": "1", "answer": 1}), "--format", "prose"])
    assert exit_.value.code == 2
    assert "'prose'" in capsys.readouterr().err


def test_rows_are_read_as_they_are_needed(tmp_path, monkeypatch):
    path = tmp_path / "long.jsonl"
    path.write_text('{"response": "1", "answer": 1}\n' * 500)
    monkeypatch.setattr(command_score, "BATCH", 10)
    read = []
    rows = command_score.read_items(str(path), layouts.SCORE_LAYOUTS["rows"]("number"), None)
    items = (read.append(item) or item for item in rows)
    next(command_score._scored(items, "text", {}))
    assert len(read) == 10


def test_details_do_not_replace_the_responses(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text('{"response": "4", "answer": 4}\n')
    (tmp_path / "b.jsonl").write_text(path.read_text())
    before = path.read_text()
    for file, other in ((path, []), (tmp_path / "b.jsonl", ["--compare", str(path)])):
        arguments = ["score", str(file), "--format", "text", "--details", str(tmp_path / "." / "a.jsonl"), *other]
        assert main.main(arguments) == 2
        assert "would overwrite the responses" in capsys.readouterr().err
        assert path.read_text() == before
