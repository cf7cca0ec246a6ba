"""A study whose judge is made from scratch, reasons, compares, teaches itself, is trained by RL, and then pays."""

import csv
import json

import mlflow
import pandas as pd
import pytest
import yaml

from gavel.study.cost import workload
from helpers.small import Project

STAGES = ["iteration1-sft", "iteration1-dpo", "iteration2-sft", "iteration2-dpo", "rl"]
JUDGE = {
    "model": "scratch",
    "kind": "pairwise",
    "reasoning": {"max_new_tokens": 40, "samples": 2, "vote": "majority"},
    "scratch": {"steps": 30, "lm_steps": 40, "questions": 100, "tasks": ["pairwise", "pairwise-reasoning"]},
    "benchmark": {"questions": 16},
    "self_taught": {"iterations": 2, "questions": 60, "agreement": [0.2, 1.0], "sft": {"epochs": 1}},
    "rl": {"steps": 4, "prompts_per_step": 4, "num_generations": 4, "validate_every": 2},
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("judges"))
    project.configure(
        judge=JUDGE,
        rl={"algorithms": ["grpo"], "steps": 3},
        evaluation={"best_of": ["score", "elo", "knockout"]},
    )
    done = project.run(timeout=1500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.timeout(1600)
def test_every_stage_leaves_a_judge_and_is_tried_on_the_same_benchmark(judged):
    training = judged.results / "judge/training"
    for stage in STAGES:
        summary = json.loads((training / stage / "run.json").read_text())
        assert summary["status"] == "finished" and summary["examples"] > 0
        assert (training / stage / "best/model.safetensors").exists()
    table = pd.read_csv(judged.results / "judge/benchmark.csv")
    whole = table[table.by == "all"]
    assert list(whole.judge) == ["start", "iteration1", "iteration2", "rl"]
    assert whole["items"].nunique() == 1 and ((whole.low <= whole.accuracy) & (whole.accuracy <= whole.high)).all()
    assert (whole.tokens_written > 0).all() and (whole.seconds > 0).all()


def test_labels_are_kept_apart(judged):
    """Pairs for learning come from unlabelled and labelled questions, those to select on and to measure on from
    validation, and no problem is used for two of them."""
    training, data = judged.results / "judge/training", judged.results / "data"
    questions = {
        name: {row["question"] for row in rows(data / f"{name}.jsonl")}
        for name in ("labeled", "unlabeled", "validation", "test/main")
    }
    asked = {
        "taught": {row["prompt"] for i in (1, 2) for row in rows(training / f"pairs{i}.jsonl")},
        "rl": {row["prompt"] for row in rows(training / "labelled-pairs.jsonl")},
        "selected": {row["prompt"] for row in rows(training / "selection-pairs.jsonl")},
        "measured": {row["prompt"] for row in rows(judged.results / "judge/benchmark/items.jsonl")},
    }
    assert asked["taught"] <= questions["unlabeled"] and asked["rl"] <= questions["labeled"]
    assert asked["selected"] | asked["measured"] <= questions["validation"]
    assert not asked["selected"] & asked["measured"]
    first, second = ({row["prompt"] for row in rows(training / f"pairs{i}.jsonl")} for i in (1, 2))
    assert first and second and not first & second
    assert all(row["gold"] is None and row["solution"] is None for row in rows(data / "unlabeled.jsonl"))


def test_the_trained_judge_pays_and_chooses(judged):
    with (judged.results / "runs/grpo-lambda0.5-seed0/training.csv").open() as handle:
        steps = list(csv.DictReader(handle))
    assert all(float(row["judge_tokens"]) > 0 for row in steps)
    metrics = pd.read_csv(judged.results / "metrics.csv")
    chosen = metrics[metrics.metric.isin(["best_of", "best_of_elo", "best_of_knockout"]) & (metrics.k == 4)]
    assert set(chosen.metric) == {"best_of", "best_of_elo", "best_of_knockout"}
    usage = json.loads((judged.results / "evaluation/sft/usage.json").read_text())
    played = usage["comparisons"]["main"]
    assert played["knockout"]["comparisons"] <= played["round-robin"]["comparisons"]
    page = (judged.results / "report.html").read_text()
    headings = ("Judge benchmark", "How the judge was trained", "Sample judgments on the benchmark")
    assert all(heading in page for heading in headings)


def test_the_monitor_holds_the_policy_against_sft(judged):
    validations = pd.read_csv(judged.results / "runs/grpo-lambda0.5-seed0/monitor.csv")
    first = validations.iloc[0]
    assert (first.judge, first.true_win_rate, first.gap, first.judge_tokens) == (0.5, 0.5, 0, 0)
    assert validations.judge.between(0, 1).all() and validations.judge_tokens.iloc[-1] > 0


def test_all_judges_write_about_the_same_pairs(judged):
    folder = judged.results / "judge/benchmark"
    said = [rows(folder / f"{name}-written.jsonl") for name in ("start", "iteration1", "iteration2", "rl")]
    assert len(said[0]) == 4 and len({tuple(row["prompt"] for row in one) for one in said}) == 1
    assert all(row["judgment"].endswith(row["said"]) for one in said for row in one)


def test_mlflow_has_the_benchmark_with_a_step_for_each_judge(judged):
    client = mlflow.MlflowClient(f"sqlite:///{judged.results}/mlflow.db")
    (experiment,) = (one.experiment_id for one in client.search_experiments() if one.name == "small")
    (run,) = (one for one in client.search_runs([experiment]) if one.info.run_name == "judge benchmark")
    found = {point.step: point.value for point in client.get_metric_history(run.info.run_id, "benchmark/accuracy")}
    table = pd.read_csv(judged.results / "judge/benchmark.csv")
    assert found == dict(enumerate(table[table.by == "all"].accuracy))


def test_no_more_was_asked_than_was_counted_from_the_config(judged):
    counted = {item.rule: item for item in workload.work(yaml.safe_load((judged.results / "config.yaml").read_text()))}
    asked = [json.loads(path.read_text())["prompts"] for path in judged.results.glob("judge/benchmark/*-cost.json")]
    assert 0 < sum(asked) <= counted["benchmark_judge"].judged and len(asked) == counted["benchmark_judge"].jobs
    usage = [
        json.loads(path.read_text())["comparisons"]["main"] for path in judged.results.glob("evaluation/*/usage.json")
    ]
    main = counted["score"].judged * 20 // 46  # of the questions of all test sets
    assert 0 < sum(one["round-robin"]["prompts"] for one in usage) <= main


@pytest.mark.timeout(400)
def test_a_change_of_one_stage_redoes_that_stage_and_what_follows(judged):
    assert judged.planned() == set()
    judged.configure(
        judge=JUDGE | {"rl": JUDGE["rl"] | {"steps": 5}},
        rl={"algorithms": ["grpo"], "steps": 3},
        evaluation={"best_of": ["score", "elo", "knockout"]},
    )
    planned = judged.planned()
    assert {"train_judge", "benchmark_judge", "judge_policy", "train_rl", "score", "report_html"} <= planned
    assert not planned & {"scratch_judge", "contrasting_pairs", "judgments", "labeled_pairs", "train_sft"}
