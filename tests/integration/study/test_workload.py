"""What `gavel.study.cost.workload` counts from a config, against what a finished study has written."""

import csv
import json

import pytest
import yaml

from gavel.study.cost import workload
from gavel.study.schema import study
from helpers.small import STUDY

RL = ["grpo-lambda0.5-seed0", "ppo-lambda0.5-seed0"]


@pytest.fixture(scope="module")
def counted():
    resolved = study.load(STUDY)
    return {item.label: item for item in workload.work(resolved)}, resolved["solution"]["max_new_tokens"]


def lines(path) -> int:
    return sum(1 for _ in path.open())


def validated(path) -> int:
    return sum(int(float(row["n"])) for row in csv.DictReader(path.open()))


def test_completions_and_tokens_of_the_test_sets(finished, counted):
    work, longest = counted
    written = sum(lines(path) for path in finished.results.glob("evaluation/*/*/*responses.jsonl"))
    assert written == work["generate"].completions
    samples = sum(lines(path) for path in finished.results.glob("evaluation/*/*/samples.jsonl"))
    assert samples == work["score"].judged
    used = [json.loads(path.read_text()) for path in finished.results.glob("evaluation/*/usage.json")]
    assert written <= sum(one["written"] for one in used) <= written * longest


def test_completions_of_the_judge_s_calibrations(finished, counted):
    work, longest = counted
    judge = finished.results / "judge"
    # Where a problem could not be perturbed, there is one less.
    found = lines(judge / "calibration.jsonl")
    assert 0.9 * work["judge_policy"].completions <= found <= work["judge_policy"].completions
    assert found + lines(judge / "probes.jsonl") <= work["judge_policy"].judged
    assert sum(lines(judge / f"runs/{run}.jsonl") for run in RL) == work["judge_trained"].completions
    for path in [judge / "usage.json", *judge.glob("runs/*-usage.json")]:
        used = json.loads(path.read_text())
        assert 0 < used["written"] <= found * longest


def test_steps_rollouts_and_looks(finished, counted):
    work, _ = counted
    about = {run: json.loads((finished.results / f"runs/{run}/run.json").read_text()) for run in ("sft", *RL)}
    assert about["sft"]["steps"] * study.load(STUDY)["sft"]["batch_size"] == work["train_sft"].examples
    assert validated(finished.results / "runs/sft/monitor.csv") == work["train_sft"].completions
    for run in RL:
        own = work[f"train_rl, {about[run]['algorithm']}"]
        seen = validated(finished.results / f"runs/{run}/monitor.csv")
        assert about[run]["completions"] + 2 * seen == own.completions
        assert about[run]["completions"] + seen == own.judged
        trained = list(csv.DictReader((finished.results / f"runs/{run}/training.csv").open()))
        # TRL counts prompts and completions of every rollout.
        tokens = float(trained[-1]["num_tokens"])
        assert about[run]["completions"] <= tokens
    assert yaml.safe_load((finished.results / "config.yaml").read_text())["study"] == "small"
