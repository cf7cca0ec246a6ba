"""The two numbers of each run that MLflow lists."""

import csv

import pandas as pd
import pytest

from gavel.common.errors import InputError
from gavel.frames.final import final_values
from gavel.study.layout import Layout

RUN = "grpo-lambda0.5-seed0"


def values(study) -> dict:
    return final_values(Layout(study[0]), study[1])


def test_each_run_has_the_greedy_accuracy_of_its_main_checkpoint_and_its_last_judge_reward(study):
    found = values(study)
    metrics = pd.read_csv(Layout(study[0]).metrics)
    metrics = metrics[(metrics.set == "main") & (metrics.metric == "greedy")].set_index(["run", "checkpoint"]).value
    monitor = pd.read_csv(Layout(study[0]).runs(RUN).monitor)
    assert found[RUN] == {
        "test_accuracy": pytest.approx(metrics[RUN, "last"], abs=5e-5),
        "judge_reward": pytest.approx(monitor.judge.iloc[-1], abs=5e-5),
    }
    assert found["sft"] == {"test_accuracy": pytest.approx(metrics["sft", "best"], abs=5e-5)}


def test_values_are_those_of_the_primary_test_set(study):
    path = Layout(study[0]).metrics
    rows = list(csv.DictReader(open(path)))
    other = [row | {"set": "aaa", "value": "0.123"} for row in rows]
    pd.DataFrame([*other, *rows]).to_csv(path, index=False)
    assert all(about["test_accuracy"] != 0.123 for about in values(study).values())


def test_a_validation_without_a_judges_answer_is_passed_over(study):
    path = Layout(study[0]).runs(RUN).monitor
    monitor = pd.read_csv(path)
    monitor.loc[monitor.index[-1], "judge"] = None
    monitor.to_csv(path, index=False)
    assert values(study)[RUN]["judge_reward"] == pytest.approx(monitor.judge.iloc[-2], abs=5e-5)
    monitor.assign(judge=None).to_csv(path, index=False)
    assert values(study)[RUN].keys() == {"test_accuracy"}


def test_without_metrics_there_is_the_judge_reward_alone(study):
    (study[0] / "metrics.csv").unlink()
    assert {name for found in values(study).values() for name in found} == {"judge_reward"}


def test_a_malformed_file_is_named(study):
    (study[0] / "metrics.csv").write_text("run,value\nx,1\n")
    with pytest.raises(InputError, match=r"metrics.csv: no column 'checkpoint'"):
        values(study)
