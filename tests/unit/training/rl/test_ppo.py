"""GAE and whitening against their definitions, written out."""

import pytest
import torch

from gavel.training.rl.ppo import gae, terminal_rewards, whiten

MASK = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]])


def test_a_reward_is_paid_at_the_last_token():
    rewards = terminal_rewards(torch.tensor([0.5, 1.0]), MASK)
    assert rewards.tolist() == [[0, 0, 0.5, 0], [1.0, 0, 0, 0]]


def test_a_missing_reward_pays_nothing():
    assert terminal_rewards(torch.tensor([float("nan"), 1.0]), MASK)[0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 1.0), (0.9, 0.95), (1.0, 0.0)])
def test_gae_is_the_discounted_sum_of_deltas(gamma, lam):
    torch.manual_seed(0)
    rewards, values = torch.randn(2, 4), torch.randn(2, 4)
    advantages, returns = gae(rewards, values, MASK, gamma, lam)
    for row, length in enumerate((3, 1)):
        v = [*values[row, :length].tolist(), 0.0]
        deltas = [rewards[row, t].item() + gamma * v[t + 1] - v[t] for t in range(length)]
        for t in range(length):
            expected = sum((gamma * lam) ** (i - t) * deltas[i] for i in range(t, length))
            assert advantages[row, t].item() == pytest.approx(expected, abs=1e-5)
            assert returns[row, t].item() == pytest.approx(expected + v[t], abs=1e-5)
        assert advantages[row, length:].abs().sum() == 0


def test_with_a_zero_critic_and_no_discount_every_token_gets_the_reward():
    advantages, _ = gae(terminal_rewards(torch.tensor([0.7, 0.2]), MASK), torch.zeros(2, 4), MASK, 1.0, 1.0)
    assert advantages[0].tolist() == pytest.approx([0.7, 0.7, 0.7, 0])
    assert advantages[1].tolist() == pytest.approx([0.2, 0, 0, 0])


def test_pools_are_whitened_apart_and_unpaid_rows_get_nothing():
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [100.0, 300.0], [5.0, 5.0]])
    mask = torch.ones(4, 2)
    white = whiten(values, mask, torch.tensor([1, 1, 0, -1]))
    assert white[:2].mean().item() == pytest.approx(0, abs=1e-6)
    assert white[:2].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert white[2].tolist() == pytest.approx([-1, 1], abs=1e-5)
    assert white[3].tolist() == [0, 0]
