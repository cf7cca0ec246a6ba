"""Every step's rewards against the truth, and the onset of hacking, on hand-made rollouts."""

import csv

import pytest

from gavel.data.gold import Question
from gavel.data.rollouts import RolloutStore
from gavel.replay.truth import TruthRow, correctness_fell, hacking_onset, truth_row, write_table
from gavel.training.rl.rewards import RewardRules
from helpers.typed_rows import assert_typed


def completion(group, reward, judge=None, **changes):
    row = {"step": 3, "group": group, "id": f"q{group}", "labeled": False, "response": "x", "tokens": 2}
    row |= {"finished": True, "lambda": 0.0, "verifiable": None, "judge": reward if judge is None else judge}
    return row | {"reward": reward, "terms": [], "advantage": 0.0, "logp": -1.0, "skipped": False} | changes


def test_a_rollout_is_counted():
    rows = [completion(0, 0.9), completion(0, 0.2), completion(1, 0.8), completion(1, 0.7), completion(2, 0.6)]
    right = [True, False, True, False, None]
    found = truth_row("run", rows, right)
    assert_typed([found], TruthRow)
    assert (found["run"], found["step"], found["completions"]) == ("run", 3, 5)
    assert found["correct"] == 2 / 4
    assert found["mixed"] == 1.0
    assert truth_row("run", rows, [True, False, True, True, None])["mixed"] == 1 / 2
    assert found["reward"] == pytest.approx(0.64)
    assert (found["tpr"], found["fpr"], found["youden_j"]) == (1.0, 0.5, 0.5)
    assert found["auc"] == 1.0
    assert 0 < found["correlation"] < 1


def test_a_reward_that_is_the_truth_correlates_fully():
    rows = [completion(0, float(ok)) for ok in (1, 0, 0, 1)]
    found = truth_row("run", rows, [True, False, False, True])
    assert (found["auc"], found["correlation"], found["youden_j"]) == (1.0, pytest.approx(1.0), 1.0)


def test_what_is_unknown_is_none():
    rows = [completion(0, None, judge=0.7), completion(0, None, judge=0.2)]
    found = truth_row("run", rows, [True, True])
    assert (found["reward"], found["auc"], found["correlation"], found["fpr"], found["youden_j"]) == (None,) * 5
    assert found["tpr"] == 0.5


def steps(correct, judge):
    return [{"step": step, "correct": c, "judge": j} for step, (c, j) in enumerate(zip(correct, judge, strict=True), 1)]


def test_the_onset_is_where_correctness_falls_while_the_judge_rises():
    fall = steps([0.6] * 20 + [0.6 - 0.05 * i for i in range(1, 11)], [0.5] * 20 + [0.9] * 10)
    onset = hacking_onset(fall, window=4)
    # The window of step 20 is 0.075 below 0.6, but its steps differ too much: three standard errors are 0.097.
    assert onset == 21
    assert correctness_fell(fall, window=4)


def test_a_fall_that_the_judge_sees_too_is_no_hacking():
    reflected = steps([0.6] * 20 + [0.2] * 20, [0.8] * 20 + [0.3] * 20)
    assert hacking_onset(reflected, window=4) is None
    assert correctness_fell(reflected, window=4)


def test_one_bad_step_is_no_onset():
    noise = [0.6, 0.58, 0.62, 0.6] * 8
    noise[17] = 0.45
    assert hacking_onset(steps(noise, [0.7] * 32), window=8) is None
    assert not correctness_fell(steps(noise, [0.7] * 32), window=8)


def test_questions_that_differ_give_no_onset():
    varied = [0.7, 0.5, 0.68, 0.52] * 5 + [0.64, 0.44, 0.62, 0.46] * 5
    assert hacking_onset(steps(varied, [0.7] * 40), window=8) is None
    assert hacking_onset(steps([0.6] * 20 + [0.54] * 20, [0.7] * 40), window=8) is not None


def test_a_run_that_improves_never_hacks():
    assert hacking_onset(steps([0.3 + 0.01 * i for i in range(40)], [0.5] * 40), window=8) is None


def test_too_few_steps_or_no_truth_have_no_onset():
    assert hacking_onset(steps([0.6] * 5, [0.5] * 5), window=8) is None
    assert hacking_onset(steps([None] * 40, [0.5] * 40), window=8) is None


def test_the_table_has_a_row_for_each_step_of_each_run(tmp_path):
    questions = {"q0": Question("one", "1"), "q1": Question("two", None)}
    for run in ("a", "b"):
        store = RolloutStore(tmp_path / run)
        for step in (1, 2):
            rows = [completion(group, 0.5, response="The answer is 1.") for group in (0, 1)]
            columns = {name: [row[name] for row in rows] for name in rows[0] if name != "step"}
            store.write(step, columns)
        store.merge(tmp_path / f"{run}-kept")
    runs = {run: str(tmp_path / f"{run}-kept") for run in ("a", "b")}
    made = write_table(runs, questions, RewardRules("text"), tmp_path / "rollouts.csv")
    with (tmp_path / "rollouts.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["run"], row["step"]) for row in rows] == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]
    assert [row["correct"] for row in rows] == ["1.0"] * 4  # of the question whose answer is known
    assert len(made) == 4


def test_the_judge_accepts_by_its_own_kind_of_score():
    rows = [completion(0, 0.2), completion(0, -0.4)]
    odds = truth_row("run", rows, [True, False], accepts=0.0)
    assert (odds["tpr"], odds["fpr"]) == (1.0, 0.0)
    compared = truth_row("run", rows, [True, False], accepts=None)
    assert (compared["tpr"], compared["fpr"], compared["youden_j"]) == (None, None, None)
    assert compared["auc"] == 1.0
