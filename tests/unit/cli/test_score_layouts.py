"""`gavel score --layout`: sample logs of lm-evaluation-harness, OpenAI's file, a study's own samples."""

import json

import pytest

from gavel.cli import main
from gavel.common.paths import ROOT
from helpers.score_command import score

PUBLISHED = ROOT.parent / "shared" / "data" / "gsm8k_model_solutions.jsonl"


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


def test_logs_of_harness_0_4_0_to_0_4_2_are_one_indented_list(write, capsys, tmp_path):
    """`lm_eval/__main__.py` of these versions: `json.dumps(samples, indent=2)` into a file named .jsonl."""
    docs = [(0, ["It is 0.\n#### 0", "#### 9"], "none left\n#### 0"), (1, ["The answer is 1.", "1"], "1")]
    rows = [harness(*doc) for doc in (*docs, *docs)]  # each doc once for each filter, which has no name there
    for row in rows:
        del row["filter"], row["metrics"]
    old, new = tmp_path / "pretrained__x_gsm8k.jsonl", write(*rows)
    old.write_text(json.dumps(rows, indent=2, ensure_ascii=False))
    arguments = ("--format", "text", "--layout", "lm-eval", "--json")
    status, out, err = score(capsys, str(old), *arguments)
    assert (status, err) == (0, "")
    assert json.loads(out) == json.loads(score(capsys, new, *arguments)[1])
    assert json.loads(out)["n"] == 2
    found = json.loads(score(capsys, str(old), *arguments, "--compare", new)[1])["compare"]
    assert found["matched_by"] == "id" and found["accuracy"]["difference"] == 0
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(rows[:1], indent=2))
    status, _, err = score(capsys, str(old), *arguments, "--compare", str(other))
    line = old.read_text().splitlines().index('    "doc_id": 1,')  # the row begins on the line before
    assert status == 2 and err.startswith(f"gavel: {old}:{line}: the question with the id '1' is not in {other}")
    rows[1]["target"] = "B"
    old.write_text(json.dumps(rows[:2], indent=2))
    status, out, err = score(capsys, str(old), *arguments, "--skip-bad")
    assert (status, json.loads(out)["n"], json.loads(out)["skipped"]) == (0, 1, 1)
    assert err.startswith(f"gavel: skipped {old}:{line}: 'target' is not a number")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"response": "1", "answer": 1}, "'doc_id' is not a number: null"),
        (
            harness(1, ["1"], "B"),
            "'target' is not a number or the word None, and does not end with '#### ' and one: \"B\"",
        ),
        (harness(1, [["-1.5", "False"]], "1"), "'resps' holds no text"),
        (harness(1, ["1"], "1", resps=["1"]), "'resps' is not a list of lists of strings"),
        (harness(1, [], "1"), "'resps' holds no text"),
        (harness(0, ["2"], "0"), "doc_id 0 is repeated with another target or other responses"),
    ],
)
def test_bad_harness_rows_exit_2_with_file_line_and_reason(write, capsys, bad, reason):
    path = write(harness(0, ["0"], "0"), bad)
    status, out, err = score(capsys, path, "--format", "text", "--layout", "lm-eval")
    assert (status, out) == (2, "")
    assert err.startswith(f"gavel: {path}:2: ") and reason in err
    assert err.count("\n") == 1


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
        assert main.main(["score", path, "--format", "text", *more]) == 2
        assert "--layout greedy" in capsys.readouterr().err
    assert main.main(["score", path, "--format", "text", "--layout", "greedy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["accuracy"]) == (2, 0.5)
