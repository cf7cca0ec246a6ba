"""Log-probabilities without all logits: PyTorch's own, with their gradients, in tiles of any size."""

import pytest
import torch

from gavel.training import log_probs
from gavel.training.log_probs import has_plain_head, token_log_probs
from helpers.architectures import OWN, build


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("tile", [1, 100, 2**20])
def test_values_and_gradients_are_those_of_log_softmax(bias, temperature, tile, monkeypatch):
    monkeypatch.setattr(log_probs, "TILE", tile)
    monkeypatch.setattr(log_probs, "MIN_ROWS", 1)
    torch.manual_seed(0)
    head, hidden = torch.nn.Linear(8, 30, bias=bias), torch.randn(25, 8, requires_grad=True)
    targets, weights = torch.randint(30, (25,)), torch.randn(25)
    logs = torch.log_softmax(head(hidden) / temperature, -1)
    parameters = [hidden, *head.parameters()]
    wanted = logs[torch.arange(25), targets]
    wanted_entropy = -(logs.exp() * logs).sum(-1)
    found, entropy, most_probable = token_log_probs(hidden, head, targets, temperature)
    assert most_probable.tolist() == (logs.argmax(-1) == targets).tolist()
    assert torch.allclose(found, wanted, atol=1e-5)
    assert torch.allclose(entropy, wanted_entropy, atol=1e-5)
    for a, b in ((1, 0), (0, 1), (1, 0.3)):  # of log-probabilities only, of entropies only, of both

        def loss(chosen, entropies, a=a, b=b):
            parts = [(chosen * weights).sum() * a] * bool(a) + [(entropies * weights.flip(0)).sum() * b] * bool(b)
            return sum(parts)

        ours = torch.autograd.grad(loss(found, entropy), parameters, retain_graph=True)
        theirs = torch.autograd.grad(loss(wanted, wanted_entropy), parameters, retain_graph=True)
        for one, other in zip(ours, theirs, strict=True):
            assert torch.allclose(one, other, atol=1e-5)


def test_autocast_computes_logits_in_its_dtype_and_the_rest_in_float32():
    torch.manual_seed(0)
    head, hidden, targets = torch.nn.Linear(8, 30), torch.randn(25, 8, requires_grad=True), torch.randint(30, (25,))
    exact, *_ = token_log_probs(hidden, head, targets)
    with torch.autocast("cpu", torch.bfloat16):
        found, *_ = token_log_probs(hidden, head, targets)
    assert found.dtype == torch.float32
    assert 0 < (found - exact).abs().max() < 0.05
    found.sum().backward()
    assert hidden.grad.dtype == head.weight.grad.dtype == torch.float32


def test_a_frozen_head_gets_no_gradient():
    head = torch.nn.Linear(8, 30).requires_grad_(False)
    hidden = torch.randn(5, 8, requires_grad=True)
    token_log_probs(hidden, head, torch.arange(5))[0].sum().backward()
    assert head.weight.grad is None
    assert hidden.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", sorted(OWN))
def test_a_head_whose_logits_are_changed_afterwards_is_found_out(kind):
    assert has_plain_head(build(kind)) is (kind != "gemma2")
