"""Which groups carry a signal, and what takes the place of those that do not."""

from types import SimpleNamespace

import pytest

from gavel.data.rollouts import read_rollouts
from gavel.judge.verdict import Judge, Usage, Verdict
from gavel.models.sampling import Sample
from gavel.training.rl.group_filter import FilteredRollout, has_signal
from gavel.training.rl.reward_parts import RewardParts
from gavel.training.rl.rewards import LambdaSchedule, MissingRewards, MixedReward, RewardRules
from gavel.training.rl.settings import GroupFilterSettings
from helpers.small_run import small_run

OUTCOME, SPREAD = (GroupFilterSettings(by, 0.0, 3) for by in ("outcome", "spread"))


def parts(correct=(None, None), accepted=(None, None)):
    return RewardParts(list(correct), [None, None], [None, None], list(accepted), [False] * 2, [[], []])


@pytest.mark.parametrize(
    ("correct", "accepted", "rewards", "by_outcome", "by_spread"),
    [
        ((True, False), (True, True), (1.0, 0.1), True, True),
        ((True, True), (True, False), (1.0, 0.9), False, True),
        ((None, None), (True, False), (0.9, 0.2), True, True),
        ((None, None), (False, False), (0.1, 0.1), False, False),
        ((None, None), (None, None), (0.5, 0.5), True, False),
        ((False, False), (False, False), (0.2, None), True, True),
        ((False, None), (False, False), (0.1, 0.2), False, True),
    ],
    ids=["mixed", "all correct", "judged", "all rejected", "pairwise", "a reward is missing", "a program did not run"],
)
def test_a_group_passes_by_outcome_or_by_spread(correct, accepted, rewards, by_outcome, by_spread):
    group = parts(correct, accepted)
    assert has_signal(OUTCOME, group, rewards) is by_outcome
    assert has_signal(SPREAD, group, rewards) is by_spread


def test_shaped_rewards_let_a_group_that_is_all_wrong_pass_by_spread():
    """The trap of verl-recipe's pull request 125: partial credit, a length penalty, a judge's scores."""
    wrong = parts((False, False), (False, False))
    for rewards in ((0.1, 0.0), (-0.02, -0.01), (0.31, 0.29)):
        assert has_signal(SPREAD, wrong, rewards)
        assert not has_signal(OUTCOME, wrong, rewards)
    assert not has_signal(GroupFilterSettings("spread", 0.05, 3), wrong, (0.31, 0.29))


def question(name, labeled):
    return {"id": name, "question": name, "prompt": name, "gold": "1" if labeled else None, "labeled": labeled}


class Scripted:
    """A rollout of equal completions, unless the question's name begins with `good`."""

    def __init__(self):
        self.drawn = []

    def step(self, trainer):
        return trainer.state.global_step

    def sample(self, prompts, trainer, before=()):
        self.drawn.append(list(prompts))
        texts = (("answer: 1" if name.startswith("good") else "answer: 2", "answer: 2") for name in prompts)
        return [[Sample([5, 6], text, True) for text in pair] for pair in texts]

    def output(self, asked, groups, trainer):
        return [(prompt, one.text) for prompt, group in zip(asked, groups, strict=True) for one in group]


class Sure(Judge):
    """Accepts `answer: 1`; reads two tokens for each solution."""

    tokens = 0

    @property
    def usage(self):
        return Usage(prompts=1, read=self.tokens)

    def verdicts(self, questions, solutions):
        self.tokens += 2 * len(solutions)
        return [Verdict(0.9 if text == "answer: 1" else 0.2) for text in solutions]


def chosen(rows, pools, redraws=3, step=4):
    """The filtered rows, their rewards, what was logged, and the scripted rollout."""
    rollout = Scripted()
    reward = MixedReward(LambdaSchedule(0.5), Sure(), RewardRules("text"), MissingRewards(0.25))
    made = FilteredRollout(rollout, reward, GroupFilterSettings("outcome", 0.0, redraws), pools, seed=0)
    trainer = SimpleNamespace(num_generations=2, state=SimpleNamespace(global_step=step))
    found = made.choose([row for row in rows for _ in range(2)], trainer)
    output, logged = made([row["prompt"] for row in found], trainer), {}
    assert [prompt for prompt, _ in output] == [row["prompt"] for row in found]
    columns = {key: [row[key] for row in found] for key in ("question", "gold", "id", "labeled")}
    rewards = reward([text for _, text in output], **columns, log_metric=logged.__setitem__)
    return found, rewards, logged, rollout


POOLS = {
    True: [question(name, True) for name in ("bad1", "bad2", "good1", "good2")],
    False: [question(name, False) for name in ("bad3", "bad4", "good3", "good4")],
}


def test_questions_without_signal_are_replaced_from_their_own_pool():
    rows = [question("bad1", True), question("good3", False), question("bad3", False)]
    found, rewards, logged, rollout = chosen(rows, POOLS, redraws=10)
    names = [row["id"] for row in found[::2]]
    assert names[0] in ("good1", "good2") and names[1:] == ["good3", "good4"]
    assert [row["labeled"] for row in found] == [True, True, False, False, False, False]
    assert rewards == [pytest.approx(x) for x in (0.95, 0.15, 0.9, 0.2, 0.9, 0.2)]
    assert logged["groups_left_out"] == 0
    assert logged["groups_redrawn"] == sum(len(part) for part in rollout.drawn[1:])
    assert logged["judge_tokens"] == 4 * (3 + logged["groups_redrawn"])  # those of replaced groups too
    asked = [name for part in rollout.drawn for name in part]
    assert len(set(asked)) == len(asked)


def test_what_still_fails_is_left_out_and_is_no_missing_reward():
    pools = {True: [question("bad2", True)], False: []}
    found, rewards, logged, _ = chosen([question("bad1", True), question("good1", True)], pools)
    assert [row["id"] for row in found] == ["bad2", "bad2", "good1", "good1"]
    assert rewards[:2] == [None, None] and None not in rewards[2:]
    assert logged["groups_left_out"] == 0.5
    assert logged["groups_redrawn"] == 1
    assert logged["missing"] == 0


def test_draws_depend_on_the_step_and_repeat():
    bad = [question("bad1", True)]
    pools = {True: [question(f"good{i}", True) for i in range(50)], False: []}
    first, again = (chosen(bad, pools)[0][0]["id"] for _ in range(2))
    assert first == again
    assert len({chosen(bad, pools, step=step)[0][0]["id"] for step in range(5)}) > 1


def kept(folder):
    return [row for rollout in read_rollouts(folder / "out" / "rollouts") for row in rollout]


def filtered(by):
    return {"group_filter": {"by": by, "min_spread": 0.0, "redraws": 2}, "num_generations": 4}


@pytest.mark.parametrize("by", ["outcome", "spread"])
def test_by_spread_a_run_learns_from_questions_that_it_never_solves_and_by_outcome_not(tiny, rows, tmp_path, by):
    """The tiny model solves nothing, but its judge gives every completion another score."""
    summary = small_run(tmp_path, tiny, rows, settings=filtered(by))
    assert (summary["labels"], summary["unlabeled"]) == (10, 30)  # any question of the pools may have been drawn
    labeled = [row for row in kept(tmp_path) if row["labeled"]]
    assert labeled and not any(row["verifiable"] == 1 for row in labeled)
    assert any(row["advantage"] for row in labeled) is (by == "spread")


def test_a_resumed_run_draws_the_same_questions(tiny, rows, tmp_path):
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    small_run(tmp_path / "whole", tiny, rows, settings=filtered("outcome"))
    with pytest.raises(RuntimeError, match="killed"):
        small_run(tmp_path / "cut", tiny, rows, settings=filtered("outcome"), mirror=Killer(3))
    small_run(tmp_path / "cut", tiny, rows, settings=filtered("outcome"))
    assert kept(tmp_path / "cut") == kept(tmp_path / "whole")


class Killer:
    """A mirror that fails once the run has reached a step."""

    def __init__(self, step):
        self.step = step

    def mirror(self, journal, up_to_step=None):
        if up_to_step is not None and up_to_step >= self.step:
            raise RuntimeError("killed")
