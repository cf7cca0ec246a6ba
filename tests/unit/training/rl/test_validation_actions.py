"""What a run does on a collapse: a whole small training with an alarm at a known validation."""

import csv

import pytest
import torch

from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.common.paths import ROOT
from gavel.models import loading
from gavel.study.schema.study import load
from gavel.study.schema.training import Validation
from gavel.training.records import RunSummary
from gavel.training.rl import grpo, validation_actions
from gavel.training.rl.rewards import LambdaSchedule
from gavel.training.rl.settings import ValidationSettings
from gavel.training.rl.validation_actions import CollapseHandler
from gavel.training.state import RunState
from helpers.small_run import small_run
from helpers.typed_rows import assert_typed


@pytest.fixture
def train(tiny, rows, tmp_path, monkeypatch):
    """A run whose alarm goes off at the third validation after step 0."""
    monkeypatch.setattr(validation_actions, "has_collapsed", lambda validations, drop, patience: len(validations) > 3)

    def go(action, algorithm="grpo", output="out"):
        changes = {"algorithm": algorithm, "digest": action, "validation": {"on_collapse": action}}
        return small_run(tmp_path, tiny, rows, output, **changes)

    return go


def validations(tmp_path):
    return list(csv.DictReader((tmp_path / "out" / "monitor.csv").open()))


def weights(folder):
    return loading.load_model(str(folder)).state_dict()


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_flag_changes_nothing(train, tmp_path):
    summary = train("flag")
    assert (summary["steps"], summary["ended"]) == (6, None)
    assert_typed([read_json(tmp_path / "out" / "run.json")], RunSummary)
    assert [float(row["collapsed"]) for row in validations(tmp_path)] == [0, 0, 0, 1, 1, 1, 1]


def test_stopping_keeps_the_policy_of_that_step(train, tmp_path):
    summary = train("stop")
    assert summary["ended"] == {"step": 3, "action": "stop"}
    assert (summary["steps"], summary["completions"]) == (3, 3 * 2 * 2)
    assert len(validations(tmp_path)) == 4
    assert_typed([read_json(tmp_path / "out" / "run.json")], RunSummary)


@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_rolling_back_returns_the_best_checkpoint(train, tmp_path, algorithm):
    summary = train("rollback", algorithm)
    assert summary["ended"] == {"step": 3, "action": "rollback"}
    assert same(weights(tmp_path / "out" / "final"), weights(tmp_path / "out" / "best"))


def test_a_run_that_had_ended_is_not_trained_further(train, tmp_path, monkeypatch):
    first = train("stop")
    monkeypatch.setattr(grpo.PackedGRPOTrainer, "train", lambda *args, **kwargs: pytest.fail("it trains again"))
    second = train("stop", output="again")
    assert second["ended"] == first["ended"]
    assert same(weights(tmp_path / "out" / "final"), weights(tmp_path / "again" / "final"))


def test_raising_lambda_goes_on_with_more_weight_for_labels(train, tmp_path):
    summary = train("raise_lambda")
    assert (summary["steps"], summary["ended"]) == (6, None)
    raised = [row["raised"] for row in validations(tmp_path)]
    assert raised == ["", "", "", "0.75", "", "", ""]  # the rule begins anew after it: two validations are too few


def test_a_resumed_run_takes_up_the_raised_lambda(train, tmp_path):
    train("raise_lambda")
    schedule = LambdaSchedule(0.5)
    run = RunState(tmp_path / "state", "raise_lambda")
    handler = CollapseHandler(run, schedule, ValidationSettings(**Validation(on_collapse="raise_lambda").model_dump()))
    assert handler.resume(2) is None
    assert schedule.at(2) == 0.5
    handler.resume(6)
    assert schedule.at(6) == 0.75


def test_early_stopping_ends_with_the_best_checkpoint(tiny, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(
        validation_actions, "has_stalled", lambda validations, patience: len(validations) > patience + 1
    )
    summary = small_run(tmp_path, tiny, rows, validation={"early_stopping_patience": 2})
    assert summary["ended"] == {"step": 3, "action": "early_stop"}
    assert same(weights(tmp_path / "out" / "final"), weights(tmp_path / "out" / "best"))


def test_lambda_zero_cannot_be_raised():

    import yaml

    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["rl"]["validation"] = {"on_collapse": "raise_lambda"}
    with pytest.raises(InputError, match="needs labels, but rl.lambda contains 0"):
        load(raw)
