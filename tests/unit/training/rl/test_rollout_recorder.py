"""What is kept of a run's rollouts, against what the run did."""

import csv
from types import SimpleNamespace

import pytest
import torch

from gavel.common.files import read_jsonl
from gavel.data.rollouts import RolloutStore, read_rollouts
from gavel.training.rl.rewards import MissingRewards, mix
from gavel.training.rl.rollout_recorder import RewardedRollout, RolloutRecorder
from helpers import gradients
from helpers.small_run import small_run


def kept(folder):
    return list(read_rollouts(folder / "out" / "rollouts"))


@pytest.mark.parametrize("algorithm", ["grpo", "ppo", "gspo"])
def test_a_run_keeps_every_completion_of_every_step(tiny, rows, tmp_path, algorithm):
    small_run(tmp_path, tiny, rows, algorithm=algorithm)
    rollouts = kept(tmp_path)
    assert [rollout[0]["step"] for rollout in rollouts] == [1, 2, 3, 4, 5, 6]
    questions = {row["id"] for name in ("labeled", "unlabeled") for row in read_jsonl(tmp_path / f"{name}.jsonl")}
    for rollout in rollouts:
        assert [row["group"] for row in rollout] == [0, 0, 1, 1]
        assert [row["labeled"] for row in rollout] == [True, True, False, False]
        for row in rollout:
            assert row["id"] in questions
            assert row["reward"] == mix(row["verifiable"], row["judge"], 0.5, row["labeled"])
            assert (row["verifiable"] is not None) == row["labeled"]
            assert 0 < row["tokens"] <= 8
            assert row["finished"] or row["tokens"] == 8
            assert row["logp"] < 0
            assert not row["skipped"]


def test_the_curves_are_the_means_of_what_is_kept(tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows)
    curve = list(csv.DictReader((tmp_path / "out" / "training.csv").open()))
    for rollout, step in zip(kept(tmp_path), curve, strict=True):
        rewards = [row["reward"] for row in rollout]
        assert sum(rewards) / len(rewards) == pytest.approx(float(step["reward"]), abs=1e-6)
        length = sum(row["tokens"] for row in rollout) / len(rollout)
        assert length == pytest.approx(float(step["completions/mean_length"]))
        cut = sum(not row["finished"] for row in rollout) / len(rollout)
        assert cut == pytest.approx(float(step["completions/clipped_ratio"]))


def test_grpos_advantages_are_the_rewards_without_their_groups_mean(tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows, settings={"num_generations": 4})
    for rollout in kept(tmp_path):
        for start in (0, 4):
            group = rollout[start : start + 4]
            mean = sum(row["reward"] for row in group) / 4
            assert [row["advantage"] for row in group] == pytest.approx(
                [row["reward"] - mean for row in group], abs=1e-6
            )


class Paid:
    """A reward of `helpers.gradients` that remembers what a recorder needs."""

    def __init__(self, reward):
        self.__name__, self.reward, self.missing = "paid", reward, MissingRewards(0.5)

    def __call__(self, completion_ids, **trl):
        rewards, count = self.reward(completion_ids), len(completion_ids)
        parts = {"verifiable": [None] * count, "judge": rewards, "terms": [[]] * count, "rewards": rewards}
        self.last = RewardedRollout(["q"] * count, [True] * count, ["x"] * count, completion_ids, 0.5, **parts)
        return rewards


@pytest.mark.parametrize("micro", [None, 4, 2])
@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("kind", ["grpo", "ppo"])
def test_log_probabilities_are_those_of_the_sampling_policy(model, tokenizer, tmp_path, kind, packs, micro):
    """Whatever the micro-batches, which TRL shuffles: each completion's is what the policy gives it alone."""
    made = gradients.trainer(kind, model, tokenizer, tmp_path, micro=micro)
    made.packs, made.own_head = packs, packs and made.own_head
    made.reward_funcs[0] = paid = Paid(made.reward_funcs[0])
    store, updates = RolloutStore(tmp_path / "state"), 4 if kind == "ppo" else 1
    made.recorder = RolloutRecorder(store, paid, updates, gradients.GENERATIONS)
    wanted = {}
    for text, prompt in zip(gradients.PROMPTS, tokenizer(gradients.PROMPTS)["input_ids"], strict=True):
        made.state.global_step = 0
        for ids in gradients.ScriptedRollout()([text] * gradients.GENERATIONS, made)["completion_ids"]:
            with torch.no_grad():
                logits = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
            wanted[tuple(ids)] = logits.log_softmax(-1)[range(len(ids)), ids].sum().item()
    made.current_gradient_accumulation_steps = made.args.gradient_accumulation_steps
    batch = next(iter(made.get_train_dataloader()))
    for _ in range(made.args.steps_per_generation):
        made._compute_loss(made.model, made._prepare_inputs(batch))
        made._step += 1
    made.recorder.on_step_end(made.args, SimpleNamespace(global_step=updates), None)
    store.merge(tmp_path / "rollouts")
    (rollout,) = read_rollouts(tmp_path / "rollouts")
    found = [row["logp"] for row in rollout]
    assert found == pytest.approx([wanted[tuple(ids)] for ids in paid.last.token_ids], abs=1e-3)
    assert [row["group"] for row in rollout] == [group for group in range(4) for _ in range(gradients.GENERATIONS)]


def test_rollouts_that_are_not_kept_cost_nothing(tiny, rows, tmp_path):
    small_run(tmp_path, tiny, rows, keep_rollouts=4)
    assert [rollout[0]["step"] for rollout in kept(tmp_path)] == [1, 5]
    (tmp_path / "none").mkdir()
    small_run(tmp_path / "none", tiny, rows, keep_rollouts=0)
    assert not (tmp_path / "none" / "out" / "rollouts").exists()
    assert not {"rollouts", "validation"} & {path.name for path in (tmp_path / "none" / "state").iterdir()}


def test_a_rollout_whose_update_was_skipped_says_so(tiny, rows, tmp_path, monkeypatch):
    """The judge's answers are missing in step 2 only."""
    from gavel.training.rl import rewards

    calls = []

    def lost(judge, verdicts):
        calls.append(len(verdicts))
        return [None] * len(verdicts) if len(calls) == 2 else [0.5] * len(verdicts)

    monkeypatch.setattr(rewards, "judge_rewards", lost)
    small_run(tmp_path, tiny, rows)
    rollouts = kept(tmp_path)
    assert [rollout[0]["skipped"] for rollout in rollouts] == [False, True, False, False, False, False]
    assert {row["judge"] for row in rollouts[1]} == {row["reward"] for row in rollouts[1]} == {None}
    assert {row["advantage"] for row in rollouts[1]} == {0.0}
