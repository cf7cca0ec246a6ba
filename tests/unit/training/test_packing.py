"""Packed groups: every completion's log-probabilities and gradients as if it stood alone."""

import random

import pytest
import torch

from gavel.training.packing import IGNORED, pack, packable
from helpers.architectures import EVERY, build

WINDOWED, WITHOUT_POSITIONS = {"gemma2", "mistral"}, {"bloom"}


def groups(seed=0, prompts=3, completions=8):
    rng = random.Random(seed)
    draw = lambda low, high, below=64: [rng.randrange(3, below) for _ in range(rng.randint(low, high))]  # noqa: E731
    asked = [draw(1, 8) for _ in range(prompts)]
    # Of two different tokens, so that completions begin alike, are equal, or one is the beginning of another.
    return [p for p in asked for _ in range(completions)], [draw(1, 6, 5) for _ in range(prompts * completions)]


def alone(model, prompts, completions):
    found = []
    for prompt, completion in zip(prompts, completions, strict=True):
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        found.append(torch.log_softmax(logits, -1).gather(1, torch.tensor(completion).unsqueeze(1)).squeeze(1))
    return torch.nn.utils.rnn.pad_sequence(found, batch_first=True)


def logits_of(model, packed):
    mask = packed.mask(model)
    return model(packed.ids, attention_mask=mask, position_ids=packed.positions, use_cache=False).logits


def in_rows(model, prompts, completions):
    """One label at each position, as TRL's head takes them."""
    packed = pack(prompts, completions, tree=False)
    picked = packed.labels.clamp(min=0).unsqueeze(2)
    return packed.unpack(torch.log_softmax(logits_of(model, packed), -1).gather(2, picked).squeeze(2))


def in_trees(model, prompts, completions):
    packed = pack(prompts, completions)
    places, targets, entries = packed.predictions()
    logs = torch.log_softmax(logits_of(model, packed).flatten(0, 1)[places], -1)
    return packed.spread(logs.gather(1, targets.unsqueeze(1)).squeeze(1)[entries])


@pytest.mark.parametrize("together", [in_rows, in_trees])
@pytest.mark.parametrize(("kind", "attention"), [pair for pair in EVERY if pair[0] not in WINDOWED | WITHOUT_POSITIONS])
def test_log_probabilities_and_gradients_are_those_of_each_alone(kind, attention, together):
    model = build(kind, attention)
    assert packable(model)
    prompts, completions = groups()
    weights = torch.randn(len(prompts), max(map(len, completions)), generator=torch.Generator().manual_seed(0))
    gradients, values = [], []
    for compute in (alone, together):
        model.zero_grad()
        found = compute(model, prompts, completions)
        (found * weights[:, : found.shape[1]]).sum().backward()
        values.append(found.detach())
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert torch.allclose(*values, atol=1e-4)
    for name, wanted in gradients[0].items():
        assert torch.allclose(gradients[1][name], wanted, atol=1e-3 * max(1.0, wanted.abs().max().item())), name


@pytest.mark.parametrize("kind", sorted(WINDOWED | WITHOUT_POSITIONS))
def test_what_cannot_be_packed_is_found_out(kind):
    assert not packable(build(kind))


def test_a_model_that_ignores_our_mask_is_found_out(monkeypatch):
    model = build("llama")
    original = type(model).forward

    def deaf(self, input_ids, attention_mask=None, position_ids=None, **options):
        return original(self, input_ids, position_ids=position_ids, **options)

    monkeypatch.setattr(type(model), "forward", deaf)
    assert not packable(model)


PROMPTS = [[3, 4, 5], [3, 4, 5], [9], [3, 4, 5]]


def test_a_prompt_stands_once_for_its_neighbours_only():
    packed = pack(PROMPTS, [[6], [7, 8], [6, 6], [7]], tree=False)
    # Two short ones fill the second row.
    assert packed.ids.tolist() == [[3, 4, 5, 5, 7], [3, 4, 5, 9, 6]]
    assert packed.positions.tolist() == [[0, 1, 2, 2, 3], [0, 1, 2, 0, 1]]
    assert packed.labels.tolist() == [[IGNORED, IGNORED, 6, 7, 8], [IGNORED, IGNORED, 7, 6, 6]]
    assert packed.places.tolist() == [[2, 0], [3, 4], [8, 9], [7, 0]]
    assert packed.present.tolist() == [[True, False], [True, True], [True, True], [True, False]]
    sees = packed.allowed[0, 0]
    assert sees[4].tolist() == [True, True, False, True, True]  # the prompt and its own completion
    assert not sees[2, 3]
    assert packed.allowed[1, 0, 4].tolist() == [False, False, False, True, True]  # nothing of the row's other prompt


def test_completions_share_the_tokens_in_which_they_begin():
    completions = [[6, 7, 2], [8, 2], [6, 7, 2], [6, 9, 9, 2], [6], []]
    packed = pack([[3, 4]] * 6, completions)
    assert packed.ids.tolist() == [[3, 4, 6, 7, 9, 9, 8]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 3, 4, 2]]
    assert packed.places.tolist() == [
        [1, 2, 3, 0], [1, 6, 0, 0], [1, 2, 3, 0], [1, 2, 4, 5], [1, 0, 0, 0], [0, 0, 0, 0]
    ]  # fmt: skip
    sees = packed.allowed[0, 0]
    assert sees[5].tolist() == [True, True, True, False, True, True, False]
    assert sees[6].tolist() == [True, True, False, False, False, False, True]
    places, targets, entries = packed.predictions()
    assert sorted(zip(places.tolist(), targets.tolist(), strict=True)) == [
        (1, 6), (1, 8), (2, 7), (2, 9), (3, 2), (4, 9), (5, 2), (6, 2)
    ]  # fmt: skip
    read = [(places[i].item(), targets[i].item()) for i in entries]
    assert read[:5] == [(1, 6), (2, 7), (3, 2), (1, 8), (6, 2)]


@pytest.mark.parametrize("tree", [False, True])
def test_a_completion_without_tokens_has_no_entries(tree):
    packed = pack([[3, 4], [3, 4]], [[], [5]], tree=tree, width=3)
    assert packed.present.sum() == 1
    assert packed.unpack(torch.ones(packed.ids.shape)).tolist() == [[0, 0, 0], [1, 0, 0]]
