"""Continuations that share a prompt's cache: the logits of copied caches, whatever is dropped on the way."""

from functools import partial

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from gavel.models import _branches
from gavel.models._branches import NAME, Branches, Copies, can_branch, open_branches
from gavel.models.loading import compute_dtype
from gavel.models.prefixes import extend
from gavel.training.packing import packable
from helpers.architectures import EVERY, build

WITHOUT = {"bloom"}  # attends by code of its own
PROMPTS = [[3, 4, 5, 6, 7], [8, 9], [10, 11, 12]]


# Before each step: the rows that go on, by their number in the step before.
KEPT = ([0, 0, 0, 0, 1, 1, 2, 2, 2], [1, 2, 2, 3, 4, 5, 8], [0, 1, 1, 2, 4, 5, 5, 6], [5, 6, 7])


@torch.inference_mode()
def logits(model, kind, length=8):
    """Logits after each step, between which rows are dropped and branch; and the branches."""
    state, _ = extend(model, None, PROMPTS, 0)
    found = []
    with open_branches(model, state, length) as branches:
        assert isinstance(branches, kind)
        for step, rows in enumerate(KEPT):
            branches.keep(torch.tensor(rows))
            found.append(branches.step((torch.arange(len(rows)) * 7 + step) % 60 + 3))
    return torch.cat(found), branches


@pytest.mark.parametrize(("kind", "attention"), [pair for pair in EVERY if pair[0] not in WITHOUT])
def test_logits_are_those_of_copied_caches(kind, attention, monkeypatch):
    model = build(kind, attention)
    found, branches = logits(model, Branches)
    assert model.config._attn_implementation == attention
    assert len(branches.prompts.layers[0].keys) == 2, "the first prompt has no row left"
    monkeypatch.setattr(_branches, "can_branch", lambda model: False)
    wanted, _ = logits(model, Copies)
    assert torch.allclose(found, wanted, atol=1e-4)
    assert wanted.std(0).median() > 0.1, "a model that tells no continuations apart would pass anything"


def test_autocast_rounds_more_and_shares_all_the_same():
    model = build("llama")
    with torch.autocast("cpu", torch.bfloat16):
        logits(model, Branches)
        assert packable(build("llama"))


@pytest.fixture
def accelerator():
    # Its state is the whole process's: tests before may have left one, and those after need another.
    AcceleratorState._reset_state(reset_partial_state=True)
    yield Accelerator(cpu=True, mixed_precision="bf16")
    AcceleratorState._reset_state(reset_partial_state=True)


def test_a_forward_pass_with_autocast_inside_shares_too(accelerator):
    model = accelerator.prepare_model(build("llama"))
    assert compute_dtype(model) == torch.bfloat16 != model.dtype
    logits(model, Branches)
    assert packable(model)


@pytest.mark.parametrize("kind", sorted(WITHOUT))
def test_an_attention_of_its_own_keeps_copies(kind):
    logits(build(kind), Copies)


@pytest.mark.parametrize(("length", "kind"), [(8, Branches), (9, Copies)])
def test_a_window_that_is_reached_keeps_copies(length, kind):
    logits(build("mistral", sliding_window=8), kind, length=length)


def test_what_attention_is_asked_for_and_not_computed_is_found_out():
    model = build("llama")
    attention = model.model.layers[1].self_attn
    attention.forward = partial(attention.forward, s_aux=torch.zeros(4))
    assert not can_branch(model)
    assert model.config._attn_implementation != NAME
