"""Entropy and divergence against a plain computation, one sequence at a time."""

import pytest
import torch

from gavel.models import loading
from gavel.training.monitor import entropy_and_kl

PROMPTS = [[5, 6, 7], [8, 9], [5, 9, 8, 7]]
COMPLETIONS = [[10, 11], [12], [13, 14, 15]]


def plain(policy, reference):
    entropies, divergences = [], []
    for prompt, completion in zip(PROMPTS, COMPLETIONS, strict=True):
        ids = torch.tensor([prompt + completion])
        with torch.no_grad():
            p, q = (torch.log_softmax(model(ids).logits[0, len(prompt) - 1 : -1], -1) for model in (policy, reference))
        entropies += (-(p.exp() * p).sum(-1)).tolist()
        divergences += (p.exp() * (p - q)).sum(-1).tolist()
    return sum(entropies) / len(entropies), sum(divergences) / len(divergences)


@pytest.fixture
def moved(tiny):
    policy = loading.load_model(tiny)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    return policy


@pytest.mark.parametrize("size", [1, 2, 32])
def test_padding_and_batches_change_nothing(moved, model, size):
    found = entropy_and_kl(moved, model, PROMPTS, COMPLETIONS, pad=0, rows=size)
    assert found == pytest.approx(plain(moved, model), rel=1e-4)
    assert found[1] > 0.001


def test_a_policy_has_no_divergence_from_itself(model):
    assert entropy_and_kl(model, model, PROMPTS, COMPLETIONS, pad=0)[1] == 0.0
    assert entropy_and_kl(model, None, PROMPTS, COMPLETIONS, pad=0)[1] is None


def test_empty_completions_count_nothing(model):
    assert entropy_and_kl(model, None, [[5, 6]], [[]], pad=0) == (0.0, None)
