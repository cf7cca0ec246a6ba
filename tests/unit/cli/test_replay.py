"""`gavel replay` on a results folder made by hand: what it prints and writes, and what it refuses."""

import csv
import json

import pytest
import yaml

from gavel.cli.main import main
from gavel.common.files import write_jsonl
from gavel.data.rollouts import RolloutStore
from helpers import fake_results

RUNS = ("grpo-lambda0-seed0", "grpo-lambda0.5-seed0")


@pytest.fixture
def results(tmp_path):
    """Two runs of four steps: two questions with two completions each, one right and one wrong.

    The judge scores the wrong one higher, so at lambda 0 the reward is the truth's opposite.
    """
    root = tmp_path / "results"
    study = fake_results.STUDY | {"rl": fake_results.STUDY["rl"] | {"lambda": [0.0, 0.5], "algorithms": ["grpo"]}}
    (root / "data").mkdir(parents=True)
    (root / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(study, default=list))))
    write_jsonl(root / "data/labeled.jsonl", [{"id": "l", "question": "one?", "gold": "1"}])
    write_jsonl(root / "data/unlabeled.jsonl", [{"id": "u", "question": "two?", "gold": None}])
    write_jsonl(root / "withheld/unlabeled.jsonl", [{"id": "u", "gold": "2", "solution": None}])
    for run, lam in zip(RUNS, (0.0, 0.5), strict=True):
        store = RolloutStore(root / "state" / run)
        for step in range(1, 5):
            judge, verifiable = [0.2, 0.8, 0.2, 0.8], [1.0, 0.1, None, None] if lam else [None] * 4
            original = [j if v is None else lam * v + (1 - lam) * j for v, j in zip(verifiable, judge, strict=True)]
            columns = {"id": ["l", "l", "u", "u"], "group": [0, 0, 1, 1], "labeled": [True, True, False, False]}
            columns |= {"response": [f"def solution():\n    return {n}" for n in (1, 7, 2, 7)]}
            columns |= {"tokens": [9] * 4, "finished": [True] * 4, "lambda": [lam] * 4, "skipped": [False] * 4}
            columns |= {"verifiable": verifiable, "judge": judge, "reward": original, "terms": [[]] * 4}
            store.write(step, columns | {"advantage": [0.0] * 4, "logp": [-1.0] * 4})
        store.merge(root / "runs" / run / "rollouts")
    return root


def replayed(results, capsys, *options):
    assert main(["replay", str(results), "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_by_default_the_truth_judges(results, capsys):
    found = replayed(results, capsys)
    assert found["reward"] == "judge truth"
    zero, half = found["runs"]
    assert (zero["run"], zero["steps"], zero["completions"]) == (RUNS[0], 4, 16)
    assert (zero["agreement"], zero["correlation"], zero["diverges_at"]) == (0.0, pytest.approx(-1.0), 1)
    assert zero["auc_original"][0] == 0.0
    assert zero["auc_replayed"][0] == half["auc_replayed"][0] == 1.0
    assert half["agreement"] == 0.5  # labels correct the judge where there are some


def test_another_lambda_keeps_the_judge_s_scores(results, capsys):
    zero, _ = replayed(results, capsys, "--lambda", "1")["runs"]
    assert zero["agreement"] == 0.5
    same = replayed(results, capsys, "--lambda", "0", "--run", RUNS[0])["runs"]
    assert [run["run"] for run in same] == [RUNS[0]]
    assert (same[0]["largest_difference"], same[0]["diverges_at"]) == (0.0, None)


def test_another_verifier_decides_for_labelled_questions(results, tmp_path, capsys):
    (tmp_path / "mine.py").write_text("def check(responses, golds):\n    return ['7' in text for text in responses]\n")
    _, half = replayed(results, capsys, "--verifier", f"{tmp_path}/mine.py:check")["runs"]
    assert half["auc_replayed"][0] == 0.0


def test_every_nth_step_is_replayed(results, capsys):
    assert [run["steps"] for run in replayed(results, capsys, "--every", "3")["runs"]] == [2, 2]


def test_the_table_the_figure_and_the_rows_are_written(results, tmp_path, capsys):
    assert main(["replay", str(results), "--out", str(tmp_path / "new/mine")]) == 0
    printed = capsys.readouterr().out
    assert all(run in printed for run in RUNS)
    assert f"open {tmp_path}/new/mine/replay.svg" in printed
    with (tmp_path / "new/mine/replay.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["run"], row["step"]) for row in rows] == [(run, str(step)) for run in RUNS for step in range(1, 5)]
    assert (tmp_path / "new/mine/replay.svg").read_text().startswith("<svg")
    assert json.loads((tmp_path / "new/mine/replay.json").read_text())["reward"] == "judge truth"


VERIFIERS = {
    "short.py": "def check(responses, golds):\n    return [True]\n",
    "odd.py": "def check(responses, golds):\n    return ['yes' for _ in responses]\n",
    "broken.py": "def check(responses, golds):\n    return 1 / 0\n",
    "syntax.py": "def check(:\n",
}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run", "ppo-lambda0-seed0"], "--run: 'ppo-lambda0-seed0' has kept no rollouts; choose from grpo-lambda0-"),
        (["--verifier", "nowhere.py:check"], "nowhere.py is no Python file; write its path and a function"),
        (["--verifier", "{}/short.py:check"], "expected 2 values, True, False or None"),
        (["--verifier", "{}/odd.py:check"], "expected 2 values, True, False or None"),
        (["--verifier", "{}/broken.py:check"], "division by zero"),
        (["--verifier", "{}/syntax.py:check"], "invalid syntax"),
        (["--verifier", "{}/short.py:missing"], "missing"),
        (["--judge", "nowhere.yaml"], "nowhere.yaml"),
        (["--out", "{}/short.py/folder"], "cannot be made"),
    ],
    ids=str,
)
def test_what_cannot_work_is_told_in_one_line(results, tmp_path, capsys, options, message):
    for name, text in VERIFIERS.items():
        (tmp_path / name).write_text(text)
    assert main(["replay", str(results), *(option.format(tmp_path) for option in options)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize("options", [["--lambda", "2"], ["--lambda", "x"], ["--every", "0"], ["--every", "x"]], ids=str)
def test_a_wrong_number_is_refused(results, capsys, options):
    with pytest.raises(SystemExit):
        main(["replay", str(results), *options])
    assert options[1] in capsys.readouterr().err


def test_a_folder_without_a_study_or_without_rollouts_is_named(results, tmp_path, capsys):
    assert main(["replay", str(tmp_path)]) == 2
    assert "config.yaml: no such file; name the results folder of a finished study" in capsys.readouterr().err
    for run in RUNS:
        (results / "runs" / run / "rollouts").rename(results / f"{run}-aside")
    assert main(["replay", str(results)]) == 2
    assert "no run has kept its rollouts; set rl.keep_rollouts to 1 and train again" in capsys.readouterr().err


def test_a_question_that_the_data_lack_is_named(results, capsys):
    write_jsonl(results / "data/unlabeled.jsonl", [])
    assert main(["replay", str(results)]) == 2
    assert "rollouts: question 'u' is not in" in capsys.readouterr().err


def test_answers_that_nobody_knows_are_missing(results, capsys):
    write_jsonl(results / "withheld/unlabeled.jsonl", [])
    zero, _ = replayed(results, capsys)["runs"]
    assert zero["missing"] == 0.5
    assert zero["agreement"] == 0.0  # of the labelled question


def test_a_verifier_may_be_a_module_with_dataclasses_and_neighbours(results, tmp_path, capsys):
    (tmp_path / "neighbour.py").write_text("WANTED = '7'\n")
    (tmp_path / "classy.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nimport neighbour\n\n\n"
        "@dataclass\nclass Found:\n    right: bool\n\n\n"
        "def check(responses, golds):\n    return [Found(neighbour.WANTED in text).right for text in responses]\n"
    )
    _, half = replayed(results, capsys, "--verifier", f"{tmp_path}/classy.py:check")["runs"]
    assert half["auc_replayed"][0] == 0.0
