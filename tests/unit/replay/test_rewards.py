"""A replay gives the run's own rewards if nothing changes, and otherwise those of a run with the change."""

import pytest

from gavel.common.files import read_jsonl
from gavel.data.gold import Question
from gavel.data.rollouts import read_rollouts
from gavel.judge.load import load
from gavel.judge.verdict import Judge, Verdict
from gavel.replay.rewards import Reward, Truth, replay
from gavel.training.rl.rewards import RewardRules, mix, verifiable_reward
from helpers.small_run import small_run

BREVITY = """
def brevity(questions, completions, golds):
    return [1 / (1 + len(text)) for text in completions]


def right(questions, completions, golds):
    return [gold is not None for gold in golds]
"""


class Lengths(Judge):
    """Scores a solution by its length."""

    def verdicts(self, questions, solutions):
        return [Verdict(min(1.0, len(text) / 50)) for text in solutions]


def questions(folder, rows):
    """The questions of a small run, those of unlabelled ones with their withheld answers."""
    gold = {str(i): row["gold"] for i, row in enumerate(rows)}
    found = (row for name in ("labeled", "unlabeled") for row in read_jsonl(folder / f"{name}.jsonl"))
    return {row["id"]: Question(row["question"], gold[row["id"]]) for row in found}


def replayed(folder, rows, run_lambda=0.5, rules=None, **reward):
    known = questions(folder, rows)
    truth = Truth(known, rules or RewardRules("program"))
    return list(replay(read_rollouts(folder / "out" / "rollouts"), run_lambda, known, truth, Reward(**reward)))


@pytest.mark.parametrize(
    ("lam", "settings", "rules"),
    [
        (0.0, {}, {}),
        (0.5, {"center_judge": True}, {"center_judge": True}),
        (0.5, {"length_penalty": 0.4, "partial_credit": 0.3}, {"per_token": 0.4 / 8, "partial": 0.3}),
        (0.5, {"lambda_schedule": {"start": 0.9, "steps": 4}}, {}),
        (1.0, {}, {}),
    ],
    ids=str,
)
def test_its_own_judge_gives_the_original_rewards_bit_for_bit(tiny, rows, tmp_path, lam, settings, rules):
    small_run(tmp_path, tiny, rows, lam=lam, settings={"num_generations": 4} | settings)
    judge = load(model=tiny, cache=str(tmp_path / "cache.db"))
    for reward in ({}, {"judge": judge}):
        found = replayed(tmp_path, rows, lam, RewardRules("program", **rules), **reward)
        assert [rollout.step for rollout in found] == [1, 2, 3, 4, 5, 6]
        for rollout in found:
            assert rollout.replayed == rollout.original
            assert None not in rollout.original


def test_terms_of_the_users_own_are_replayed_as_they_were(tiny, rows, tmp_path):
    (tmp_path / "my.py").write_text(BREVITY)
    terms = [{"file": f"{tmp_path}/my.py:brevity", "weight": 0.3}, {"file": f"{tmp_path}/my.py:right", "weight": -0.7}]
    small_run(tmp_path, tiny, rows, settings={"reward_terms": terms})
    (tmp_path / "my.py").unlink()
    kept = list(read_rollouts(tmp_path / "out" / "rollouts"))
    for rollout, part in zip(
        replayed(tmp_path, rows, rules=RewardRules("program", weights=(0.3, -0.7))), kept, strict=True
    ):
        assert rollout.replayed == rollout.original
        for row in part:
            assert row["terms"] == [1 / (1 + len(row["response"])), float(row["labeled"])]
            mixed = mix(row["verifiable"], row["judge"], 0.5, row["labeled"])
            assert row["reward"] == pytest.approx(mixed + 0.3 * row["terms"][0] - 0.7 * row["terms"][1])


def test_another_judge_another_lambda_and_another_verifier_are_mixed_by_the_same_rule(tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows)
    known = questions(tmp_path, rows)
    kept = list(read_rollouts(tmp_path / "out" / "rollouts"))

    def all_right(responses, golds):
        assert len(responses) == len(golds) == 2  # of the labelled question only
        return [True] * len(responses)

    found = replayed(tmp_path, rows, judge=Lengths(), lam=0.25, verifier=all_right)
    for rollout, part in zip(found, kept, strict=True):
        for row, reward in zip(part, rollout.replayed, strict=True):
            score = min(1.0, len(row["response"]) / 50)
            assert reward == mix(verifiable_reward("x", True), score, 0.25, row["labeled"])
            assert row["id"] in known


class Never(Judge):
    def verdicts(self, questions, solutions):
        raise AssertionError("asked")


def test_at_lambda_zero_no_verifier_is_asked(tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows, lam=0.0)
    for rollout in replayed(tmp_path, rows, run_lambda=0.0, verifier=lambda *_: pytest.fail("asked")):
        assert rollout.replayed == rollout.original
    new = replayed(tmp_path, rows, run_lambda=0.0, lam=1.0, judge=Lengths())  # unlabelled questions: still the judge
    assert all(rollout.replayed[2:] != rollout.original[2:] for rollout in new)


def test_at_lambda_one_no_judge_is_asked(tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows, lam=1.0)
    for rollout in replayed(tmp_path, rows, run_lambda=1.0, judge=Never()):
        assert rollout.replayed == rollout.original


def test_the_truth_as_judge_rewards_correctness(tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows, lam=0.0)
    for rollout in replayed(tmp_path, rows, run_lambda=0.0, truth=True):
        assert rollout.replayed == [float(right) for right in rollout.correct]


def test_the_truth_is_known_for_unlabelled_questions_and_unknown_without_an_answer(tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows)
    assert all(None not in rollout.correct for rollout in replayed(tmp_path, rows))
    known = {key: one._replace(gold=None) for key, one in questions(tmp_path, rows).items()}
    truth = Truth(known, RewardRules("program"))
    rollouts = read_rollouts(tmp_path / "out" / "rollouts")
    assert all(set(r.correct) == {None} for r in replay(rollouts, 0.0, known, truth, Reward()))
