"""The gate before RL, in studies: one without signal is stopped, a good one goes on."""

import json

import pytest

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
    assert signal["correlation_ci95"][0] > 0.25
    assert (project.results / "runs/grpo-lambda0.5-seed0/run.json").exists()
    stricter = STOP | {"signal": STOP["signal"] | {"min_correlation": 0.3}}
    project.configure(rl=stricter, judge=SURE)
    assert project.planned("rl") == {"measure_signal", "gate_rl"}  # a gate that is checked again trains nothing


def test_a_judge_that_is_a_coin_is_stopped(project):
    done, signal = run(project, judge=COIN)
    assert done.returncode != 0
    assert "its reward is mostly noise; RL is not run (rl.signal.on_weak: stop)" in done.stdout + done.stderr
    assert signal["correlation"] < 0.25
    assert not (project.results / "runs/grpo-lambda0.5-seed0/run.json").exists()


def test_a_student_that_never_answers_is_stopped(project):
    done, signal = run(project, judge=SURE, solution={"max_new_tokens": 4})
    assert done.returncode != 0
    assert "0.0% of the groups would have both correct and incorrect responses" in done.stdout + done.stderr
    assert (signal["accuracy"], signal["truncated"], signal["effective_groups"]) == (0, 1, 0)
    assert not (project.results / "runs/grpo-lambda0.5-seed0/run.json").exists()
