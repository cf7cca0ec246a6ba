"""Shared beginnings: the same probabilities as without sharing, whatever the architecture, the batch and the order."""

import random

import pytest
import torch

from gavel.models.prefixes import next_token_probabilities, shared_length
from helpers.architectures import EVERY, build

TOKENS = [7, 9]


def tree(seed=0, questions=4, solutions=3, instructions=24):
    """Prompts of a judge: instructions, a question, several solutions; and the question of each."""
    rng = random.Random(seed)
    draw = lambda low, high: [rng.randrange(3, 64) for _ in range(rng.randint(low, high))]  # noqa: E731
    first = draw(instructions, instructions)
    asked = [draw(9, 14) for _ in range(questions)]
    rows = [(q, first + asked[q] + draw(3, 9)) for q in range(questions) for _ in range(solutions)]
    return [row for _, row in rows], [q for q, _ in rows]


def alone(model, prompts):
    with torch.no_grad():
        logits = [model(torch.tensor([prompt])).logits[0, -1].double() for prompt in prompts]
    return torch.stack([torch.softmax(row, -1)[TOKENS] for row in logits])


def passes(model):
    """Fills with the number of tokens of every forward pass from now on."""
    sizes = []
    model.get_input_embeddings().register_forward_pre_hook(lambda _, args: sizes.append(args[0].numel()))
    return sizes


@pytest.mark.parametrize(("kind", "attention"), EVERY)
def test_every_architecture_gives_the_probabilities_of_prompts_alone(kind, attention):
    model = build(kind, attention)
    prompts, groups = tree()
    found = next_token_probabilities(model, prompts, TOKENS, groups=groups, pad=0, batch_tokens=4096).log()
    assert torch.allclose(found, alone(model, prompts).log(), atol=1e-3)
    assert found.std(0).min() > 0.01, "a model that tells no prompts apart would pass anything"


@pytest.mark.parametrize(("window", "shares"), [(8, False), (128, True)])
@pytest.mark.parametrize("kind", ["gemma2", "mistral"])
def test_a_window_is_shared_in_only_where_it_is_never_reached(kind, window, shares, monkeypatch):
    model = build(kind, sliding_window=window)
    prompts, groups = tree()
    sizes = passes(model)
    found = next_token_probabilities(model, prompts, TOKENS, groups=groups, pad=0, batch_tokens=4096).log()
    assert torch.allclose(found, alone(model, prompts).log(), atol=1e-3)
    assert (sum(sizes[: -len(prompts)]) < sum(map(len, prompts))) == shares


@pytest.mark.parametrize("instructions", [0, 24])
@pytest.mark.parametrize("batch_tokens", [1, 100, 4096])
def test_neither_batches_nor_order_nor_sharing_matter(batch_tokens, instructions):
    model = build("llama")
    prompts, groups = tree(instructions=instructions)
    wanted = alone(model, prompts)
    for reuse in (True, False):
        options = {"pad": 0, "batch_tokens": batch_tokens, "reuse": reuse}
        found = next_token_probabilities(model, prompts, TOKENS, groups=groups, **options)
        back = next_token_probabilities(model, prompts[::-1], TOKENS, groups=groups[::-1], **options)
        assert torch.allclose(found, wanted, atol=1e-6)
        assert torch.allclose(back.flip(0), wanted, atol=1e-6)


def test_prompts_of_one_group_need_not_share_anything():
    model = build("llama")
    prompts = [[5, 6, 7], [8, 9], [10], [5, 6, 7, 8]]
    found = next_token_probabilities(model, prompts, TOKENS, groups=[0] * 4, pad=0, batch_tokens=64)
    assert torch.allclose(found, alone(model, prompts), atol=1e-6)


def test_sharing_computes_fewer_tokens():
    model = build("llama")
    prompts, groups = tree()
    sizes = passes(model)
    counts = []
    for reuse in (True, False):
        next_token_probabilities(model, prompts, TOKENS, groups=groups, pad=0, batch_tokens=4096, reuse=reuse)
        counts.append(sum(sizes))
        sizes.clear()
    assert counts[0] <= 24 + 4 * 14 + 12 * 9 < sum(map(len, prompts)) <= counts[1]


def test_no_prompts_give_no_rows():
    found = next_token_probabilities(build("llama"), [], TOKENS, groups=[], pad=0, batch_tokens=64)
    assert found.shape == (0, 2)


def test_what_is_shared_leaves_every_prompt_a_token():
    assert shared_length([[1, 2, 3], [1, 2, 4]]) == 2
    assert shared_length([[1, 2], [1, 2, 4]]) == 1
    assert shared_length([[1], [2]]) == 0
