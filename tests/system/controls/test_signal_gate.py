"""The gate before RL, in studies: one without signal is stopped, a good one goes on."""

import json

import pandas as pd
import pytest

from gavel.data.rollouts import read_rollouts
from gavel.training.rl.rewards import mix
from helpers.small import Project

pytestmark = pytest.mark.timeout(900)

STOP = {"algorithms": ["grpo"], "signal": {"on_weak": "stop", "max_truncated": None}}
SURE, COIN = ({"model": None, "kind": "simulated", "simulated": {"tpr": t, "fpr": 1 - t}} for t in (0.95, 0.5))


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def run(project, **changes):
    project.configure(rl=STOP, **changes)
    done = project.run("rl", timeout=600)
    signal = json.loads((project.results / "judge/signal.json").read_text())
    return done, signal


def test_a_study_with_a_signal_goes_on(project):
    done, signal = run(project, judge=SURE)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert signal["weak"] is None
    assert signal["correlation_ci95"][0] > 0.5
    assert (project.results / "runs/grpo-lambda0.5-seed0/run.json").exists()
    stricter = STOP | {"signal": STOP["signal"] | {"min_correlation": 0.3}}
    project.configure(rl=stricter, judge=SURE)
    assert project.planned("rl") == {"measure_signal", "gate_rl"}  # a gate that is checked again trains nothing


def test_terms_of_ones_own_are_rewarded_and_an_edit_of_them_trains_again(project):
    terms = project.folder / "my_terms.py"
    terms.write_text("def short(questions, completions, golds):\n    return [1 / (1 + len(c)) for c in completions]\n")
    own = {"reward_terms": [{"file": "my_terms.py:short", "weight": 0.3}], "group_filter": {"redraws": 2}}
    project.configure(rl=STOP | own, judge=SURE)
    done = project.run("rl", timeout=600)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    run = project.results / "runs/grpo-lambda0.5-seed0"
    curve = pd.read_csv(run / "training.csv")
    assert {"term_short_unlabeled", "groups_redrawn", "groups_left_out", "reward_group_std"} <= set(curve)
    for rollout in read_rollouts(run / "rollouts"):
        for row in rollout:
            assert row["terms"] == [1 / (1 + len(row["response"]))]
            assert row["reward"] == pytest.approx(
                mix(row["verifiable"], row["judge"], 0.5, row["labeled"]) + 0.3 * row["terms"][0]
            )
    assert project.planned("rl") == set()
    terms.write_text(terms.read_text().replace("1 + len", "2 + len"))
    assert project.planned("rl") == {"train_rl", "rl"}
    terms.write_text("def short(questions, completions, golds):\n    return completions[5000]\n")
    failed = project.run("rl", timeout=600)
    assert failed.returncode != 0
    assert "my_terms.py:2: the reward term 'short' raised IndexError" in failed.stdout + failed.stderr


def test_a_judge_that_is_a_coin_is_stopped(project):
    done, signal = run(project, judge=COIN)
    assert done.returncode != 0
    assert "its reward is mostly noise; RL is not run (rl.signal.on_weak: stop)" in done.stdout + done.stderr
    assert signal["correlation"] < 0.5
    assert not (project.results / "runs/grpo-lambda0.5-seed0/run.json").exists()


def test_a_student_that_never_answers_is_stopped(project):
    done, signal = run(project, judge=SURE, solution={"max_new_tokens": 4})
    assert done.returncode != 0
    assert "0.0% of the groups would have both correct and incorrect responses" in done.stdout + done.stderr
    assert (signal["accuracy"], signal["truncated"], signal["effective_groups"]) == (0, 1, 0)
    assert not (project.results / "runs/grpo-lambda0.5-seed0/run.json").exists()
