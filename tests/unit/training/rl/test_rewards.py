"""The mix of rewards: what is read, what is missing, and what the judge never sees."""

import math

import pytest

from gavel.judge.verdict import Judge, Usage, Verdict
from gavel.training.rl.rewards import (
    LambdaSchedule,
    MissingRewards,
    MixedReward,
    RewardRules,
    center_scores,
    mix,
    verifiable_reward,
)

RIGHT, WRONG, NONE = (
    f"def solution():\n    result = {body}\n    return result" if body else "no program" for body in ("2+2", "2+3", "")
)


class FixedJudge(Judge):
    """Pays 0.25 for everything, or nothing at all, and counts how often it is asked."""

    def __init__(self, score=0.25):
        self.score, self.asked = score, 0

    @property
    def usage(self):
        return Usage(read=10 * self.asked)

    def verdicts(self, questions, solutions):
        self.asked += len(solutions)
        return [Verdict(self.score) for _ in solutions]


class Poison:
    """A judge or an answer that must not be touched."""

    def __getattr__(self, name):
        raise AssertionError(f"touched: {name}")


def reward(lam, judge, most=0.25, updates=1, **rules):
    schedule = lam if isinstance(lam, LambdaSchedule) else LambdaSchedule(lam)
    return MixedReward(schedule, judge, RewardRules("program", **rules), MissingRewards(most), updates)


def test_verifiable_rewards():
    assert [verifiable_reward("4", True), verifiable_reward("5", False), verifiable_reward(None, False)] == [
        1.0,
        0.1,
        0.0,
    ]


def test_letters_are_rewarded_by_the_rules_of_their_type():
    rules = RewardRules("text", answer_type="choice")
    mixed = MixedReward(LambdaSchedule(1.0), None, rules, MissingRewards(0.25))
    texts = ["The answer is (B).", "answer: b", "Answer: C", "Answer: F", "12", "B or C"]
    assert mixed(texts, ["Q?"] * 6, ["B"] * 6) == [1.0, 1.0, 0.1, 0.1, 0.0, 0.0]


@pytest.mark.parametrize(
    ("verifiable", "judged", "lam", "uses_label", "expected"),
    [
        (1.0, 0.2, 0.5, True, 0.6),
        (None, 0.2, 0.5, False, 0.2),
        (1.0, None, 1.0, True, 1.0),
        (None, 0.3, 0.0, False, 0.3),
        (1.0, 0.3, 0.0, True, 0.3),
        (1.0, None, 0.5, True, None),
        (None, None, 0.5, False, None),
        (0.0, 0.5, 0.25, True, 0.375),
    ],
)
def test_mix(verifiable, judged, lam, uses_label, expected):
    assert mix(verifiable, judged, lam, uses_label) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("lam", [-0.1, 1.1, float("nan")])
def test_lambda_outside_its_range_is_refused(lam):
    with pytest.raises(ValueError, match="lambda"):
        mix(1.0, 1.0, lam, True)


def test_labelled_and_unlabelled_questions_are_paid_as_designed():
    judge = FixedJudge()
    rewards = reward(0.5, judge)([RIGHT, WRONG, NONE, RIGHT], ["2+2?"] * 4, ["4", "4", "4", None])
    assert rewards == [pytest.approx(x) for x in (0.625, 0.175, 0.125, 0.25)]
    assert judge.asked == 4


def test_at_lambda_one_the_judge_is_never_asked():
    assert reward(1.0, Poison())([RIGHT, NONE], ["q", "q"], ["4", "4"]) == [1.0, 0.0]


def test_at_lambda_zero_no_answer_is_read():
    assert reward(0.0, FixedJudge())([RIGHT], ["q"], [Poison()]) == [0.25]


def test_a_judge_that_cannot_be_asked_leaves_rewards_missing_and_the_step_untaken():
    mixed = reward(0.5, FixedJudge(score=None))
    assert mixed([RIGHT, RIGHT], ["q", "q"], ["4", None]) == [None, None]
    assert mixed.missing.skip


def test_a_few_missing_rewards_do_not_stop_a_step():
    mixed = reward(0.5, FixedJudge(score=None), most=1.0)
    mixed([RIGHT], ["q"], [None])
    assert not mixed.missing.skip


def test_a_judge_is_needed_below_one():
    with pytest.raises(ValueError, match="needs a judge"):
        reward(0.5, None)


def test_parts_are_logged_for_the_two_pools_apart():
    logged = {}
    reward(0.5, FixedJudge())(
        [RIGHT, RIGHT], ["q", "q"], ["4", None], log_metric=logged.__setitem__, labeled=[True, False]
    )
    assert logged["verifiable_labeled"] == 1.0
    assert "verifiable_unlabeled" not in logged
    assert logged["judge_unlabeled"] == 0.25
    assert logged["reward_labeled"] == pytest.approx(0.625)
    assert logged["judge_tokens"] == 20


def test_a_run_without_a_judge_reads_no_judge_tokens():
    logged = {}
    reward(1.0, None)([RIGHT], ["q"], ["4"], log_metric=logged.__setitem__, labeled=[True])
    assert logged["judge_tokens"] == 0


class Step:
    """TRL's trainer state."""

    def __init__(self, global_step):
        self.global_step = global_step


def test_lambda_moves_linearly_to_the_cells_own():
    schedule = LambdaSchedule(0.5, start=1.0, steps=5)
    assert [schedule.at(step) for step in range(6)] == [1.0, 0.875, 0.75, 0.625, 0.5, 0.5]
    assert not schedule.constant


@pytest.mark.parametrize("lam", [0, 1])
def test_the_baselines_keep_their_lambda(lam):
    schedule = LambdaSchedule(lam, start=0.5, steps=4)
    assert schedule.constant
    assert schedule.at(0) == lam


def test_a_raised_lambda_is_never_left_again():
    schedule = LambdaSchedule(0.25, start=0.75, steps=3)
    schedule.minimum = 0.5
    assert [schedule.at(step) for step in range(4)] == [0.75, 0.5, 0.5, 0.5]


def test_the_reward_follows_the_schedule_by_rollouts_not_updates():
    logged = {}
    mixed = reward(LambdaSchedule(0.5, start=1.0, steps=3), FixedJudge(), updates=2)
    asked = {"completions": [RIGHT], "question": ["q"], "gold": ["4"], "log_metric": logged.__setitem__}
    assert mixed(**asked, trainer_state=Step(0)) == [1.0]
    assert logged["lambda"] == 1.0
    assert mixed(**asked, trainer_state=Step(3)) == [pytest.approx(0.75 + 0.25 * 0.25)]
    assert mixed(**asked, trainer_state=Step(9)) == [pytest.approx(0.625)]


def test_centring_is_by_question_and_keeps_what_is_missing():
    assert center_scores([0.2, 0.4, 0.9, None], ["a", "a", "b", "a"]) == [
        pytest.approx(-0.1),
        pytest.approx(0.1),
        0.0,
        None,
    ]


def test_a_centred_judge_pays_nothing_for_a_question_that_it_finds_equally_well_solved():
    assert reward(0.5, FixedJudge(), center_judge=True)([RIGHT, WRONG], ["q", "q"], ["4", None]) == [0.5, 0.0]


def test_long_completions_lose_in_proportion():
    mixed = reward(1.0, None, per_token=0.4 / 8)
    rewards = mixed([RIGHT, RIGHT], ["q", "q"], ["4", "4"], completion_ids=[[1] * 8, [1] * 2])
    assert rewards == [pytest.approx(0.6), pytest.approx(0.9)]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 11.0, -11.0])
def test_a_score_that_is_no_number_or_out_of_range_is_missing_and_counted(score):
    fixed = FixedJudge(score)
    mixed = reward(0.5, fixed)
    assert mixed([RIGHT, WRONG], question=["q", "q"], gold=["4", None]) == [None, None]
    assert mixed.missing.fraction == 1.0 and mixed.missing.skip


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("part", ["score", "probability", "off_label"])
def test_a_verdict_with_a_number_that_is_none_has_no_score(part, number):
    verdict = Verdict(**{"score": 0.5} | {part: number})
    assert (verdict.score, verdict.probability, verdict.off_label) == (None, None, 0.0)


def test_each_judge_names_the_range_of_its_scores():
    fixed = FixedJudge(1.5)
    fixed.score_range = (0.0, 1.0)
    assert reward(0.5, fixed)([RIGHT], question=["q"], gold=[None]) == [None]
    fixed.score_range = (-10.0, 10.0)
    assert reward(0.5, fixed)([RIGHT], question=["q"], gold=[None]) == [1.5]
