"""`gavel judge` on published layouts: RewardBench's pairs, and several models' solutions of GSM8K's test questions."""

import json

import pytest
import yaml

from gavel.cli import judge_files
from gavel.cli.main import main
from gavel.common.paths import ROOT
from gavel.judge import load
from gavel.judge_eval.benchmark import ask
from gavel.judge_eval.benchmark_metrics import compute_metrics
from gavel.stats.auc import auc
from gavel.stats.intervals import clustered_mean
from helpers.judge_scores import scores_of


@pytest.fixture
def items(rows):
    found = []
    for number, row in enumerate(rows[:12]):
        wrong = row["program"].replace("+", "-", 1) + ("\n" if "+" not in row["program"] else "")
        about = {"id": number, "prompt": row["question"], "chosen": row["program"], "rejected": wrong}
        found.append(about | {"chosen_model": "a", "rejected_model": "b", "subset": ["math", "code"][number % 2]})
    return found


@pytest.fixture
def file(tmp_path, items):
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, items)) + "\n")
    return path


def asked(file, name, *options):
    return main(["judge", str(file), "--judge", name, "--layout", *options])


def test_rewardbench_s_figures_are_those_of_the_benchmark(file, items, tiny, capsys, monkeypatch):
    monkeypatch.setattr(judge_files, "BATCH", 5)
    assert asked(file, tiny, "rewardbench", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    names = "n questions accuracy accuracy_ci95 auc auc_within auc_within_ci95 subsets".split()
    assert list(found) == [*names, "prompts", "tokens_read", "tokens_written", "seconds"]
    judge = load.load(model=tiny)
    rows, cost = ask(judge, items)
    whole = compute_metrics(items, rows, cost)[0]
    assert (found["n"], found["questions"]) == (12, 12)
    assert found["accuracy"] == whole["accuracy"]
    assert found["accuracy_ci95"] == [whole["low"], whole["high"]]
    assert found["auc"] == pytest.approx(whole["auc"], abs=0.03)  # batches differ in the last digits
    assert {key: found[key] for key in ("prompts", "tokens_read")} == {
        key: cost[key] for key in ("prompts", "tokens_read")
    }
    hits = [row["preferred"] for row, item in zip(rows, items, strict=True) if item["subset"] == "math"]
    assert found["subsets"]["math"] == {
        "n": 6,
        "accuracy": sum(hits) / 6,
        "accuracy_ci95": list(clustered_mean(range(6), hits)),
    }
    assert asked(file, tiny, "rewardbench") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("accuracy   ") and "95 % interval" in lines[2]
    assert "subset math:" in lines
    assert any(line.startswith("tokens_read") and line.endswith(str(cost["tokens_read"])) for line in lines)


def test_a_benchmark_s_own_items_have_steps_and_pairs_alone_no_parts(tmp_path, items, tiny, capsys):
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(json.dumps(item | {"steps": 2 + item["id"] % 3}) for item in items))
    assert asked(path, tiny, "rewardbench", "--json") == 0
    assert {name: part["n"] for name, part in json.loads(capsys.readouterr().out)["steps"].items()} == {
        "2": 4,
        "3": 4,
        "4": 4,
    }
    path.write_text(
        "\n".join(json.dumps({key: item[key] for key in ("prompt", "chosen", "rejected")}) for item in items)
    )
    assert asked(path, tiny, "rewardbench", "--json") == 0
    assert not {"subsets", "steps"} & json.loads(capsys.readouterr().out).keys()


def test_a_tie_counts_half(tmp_path, tiny, capsys):
    path = tmp_path / "tie.jsonl"
    path.write_text('{"prompt": "1+1?", "chosen": "2", "rejected": "2"}\n')
    assert asked(path, tiny, "rewardbench", "--json") == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 0.5


def test_a_judge_that_compares_is_asked_about_pairs(file, tiny, tmp_path, capsys):
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["judge"] = {"kind": "pairwise", "model": tiny, "prompting": {"labels": [" Yes", " No"]}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    assert asked(file, str(tmp_path / "study.yaml"), "rewardbench", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["auc"], found["auc_within"]) == (None, None)
    assert -0.5 <= found["first_bias"] <= 0.5
    assert 0 <= found["flipped"] <= 1
    assert found["prompts"] == 24


def test_a_judge_that_answers_nothing_gives_one_line(file, tmp_path, capsys):
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["judge"] = {"model": "m", "server": {"base_url": "http://127.0.0.1:9/v1", "retries": 0}, "cache": False}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    assert asked(file, str(tmp_path / "study.yaml"), "rewardbench") == 2
    assert "the judge answered on no pair" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("layout", "line", "message"),
    [
        ("rewardbench", '{"prompt": "p", "chosen": "c"}', "'rejected' must be text, found no such key"),
        ("rewardbench", '{"prompt": "p", "chosen": ["c"], "rejected": "r"}', "'chosen' must be text"),
        ("rewardbench", '{"prompt": "p", "chosen": "c", "rejected": "r", "subset": 3}', "'subset' must be text"),
        ("rewardbench", "[1]", "expected a JSON object, found list"),
        ("rewardbench", "", "no rows"),
        ("gsm8k-model-solutions", '{"question": "q", "ground_truth": "A: 1"}', "no model's solution"),
        ("gsm8k-model-solutions", '{"ground_truth": "A: 1", "m": {"solution": "1"}}', "'question' must be text"),
        ("gsm8k-model-solutions", '{"question": "q", "ground_truth": 3}', "'ground_truth' must be text"),
        ("gsm8k-model-solutions", "", "no rows"),
    ],
)
def test_bad_rows_are_named(tmp_path, tiny, capsys, layout, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(line + "\n")
    assert asked(path, tiny, layout) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"gavel: {path}:1: ")
    assert message in error


def test_bad_pairs_can_be_left_out_and_are_counted(file, tiny, capsys):
    with file.open("a") as handle:
        handle.write('{"prompt": "p"}\n')
    assert asked(file, tiny, "rewardbench", "--json", "--skip-bad") == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["n"], found["skipped"]) == (12, 1)
    assert "pairs.jsonl:13: 'chosen' must be text" in shown.err


def test_each_model_s_solutions_have_their_figures(tmp_path, tiny, capsys):
    rows = []
    for number in range(8):
        good, bad = {"solution": f"It is\nA: {number}"}, {"solution": f"It is\nA: {number + 1}"}
        flags = {"is_correct": None}  # the verifier says what is right
        models = {"small": bad | flags, "large": (good if number % 2 else bad) | flags}
        rows.append({"question": f"What is {number}?", "ground_truth": f"A: {number}"} | models)
    path = tmp_path / "solutions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert asked(path, tiny, "gsm8k-model-solutions", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 16
    assert list(found["models"]) == ["small", "large"]
    large = found["models"]["large"]
    judge = load.load(model=tiny)
    questions, texts = [row["question"] for row in rows], [row["large"]["solution"] for row in rows]
    right = [number % 2 == 1 for number in range(8)]
    assert (large["n"], large["auc"]) == (
        8,
        pytest.approx(auc(scores_of(judge, questions, texts), right), abs=0.07),
    )
    assert found["models"]["small"]["auc"] is None  # all of them are wrong
    assert found["tokens_read"] > 0
    assert found["note"].startswith("report-only: these are GSM8K's test questions")
    assert asked(path, tiny, "gsm8k-model-solutions") == 0
    shown = capsys.readouterr().out
    assert "model large:\n  n                     8\n" in shown
    assert "note                  report-only" in shown
