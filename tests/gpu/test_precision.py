"""Packed groups and shared prefixes in bfloat16, against every sequence alone in float32.

bfloat16 rounds either way of computing; the shared computation must not be further from float32 than the plain one.
"""

import random

import pytest
import torch

from gavel.judge import load
from gavel.models import prompts
from gavel.models.prefixes import next_token_probabilities
from gavel.training.packing import pack, packable
from helpers import gpu
from helpers.gradients import difference

LABELS = (" Yes", " No")


def alone(model, asked, completions):
    """`(B, T)` log-probabilities, a completion at a time."""
    found = []
    for prompt, completion in zip(asked, completions, strict=True):
        ids = torch.tensor([prompt + completion], device=model.device)
        logits = model(ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
        found.append(torch.log_softmax(logits, -1).gather(1, ids[0, len(prompt) :, None]).squeeze(1))
    return torch.nn.utils.rnn.pad_sequence(found, batch_first=True)


def together(model, asked, completions):
    """The same from packed rows, as TRL's head scores them."""
    packed = pack(asked, completions, tree=False, device=model.device)
    output = model(packed.ids, attention_mask=packed.mask(model), position_ids=packed.positions, use_cache=False)
    logs = torch.log_softmax(output.logits.float(), -1)
    return packed.unpack(logs.gather(2, packed.labels.clamp(min=0).unsqueeze(2)).squeeze(2))


def computed(model, compute, asked, completions, bf16: bool):
    """Log-probabilities and the gradients of a weighted sum of them."""
    model.zero_grad()
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16):
        logs = compute(model, asked, completions)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(logs.shape, generator=generator).to(logs.device)
    (logs * weights * (logs != 0)).sum().backward()
    return logs.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("shape", gpu.SHAPES)
def test_packed_groups(shape, note):
    gpu.need(gpu.parameters(shape) * 4 * 8 / 2**30 + 8)  # weights, and gradients of two ways
    torch.set_float32_matmul_precision("highest")  # not TF32
    model, rng = gpu.build(shape), random.Random(0)
    draw = lambda low, high: [rng.randrange(2, model.config.vocab_size) for _ in range(rng.randint(low, high))]  # noqa: E731
    asked = [prompt for prompt in (draw(20, 60) for _ in range(2)) for _ in range(gpu.SIZES.generations)]
    completions = [draw(gpu.SIZES.new_tokens // 4, gpu.SIZES.new_tokens) for _ in asked]
    with torch.autocast(model.device.type, dtype=torch.bfloat16):
        assert packable(model)
    wanted, gradient = computed(model, alone, asked, completions, bf16=False)
    errors, gradients = {}, {}
    ways = {
        "alone, bfloat16": (alone, True),
        "packed, bfloat16": (together, True),
        "packed, float32": (together, False),
    }
    for name, (compute, bf16) in ways.items():
        logs, grads = computed(model, compute, asked, completions, bf16)
        errors[name] = (logs - wanted).abs().sum().item() / sum(map(len, completions))
        gradients[name] = difference(grads, gradient, critic=False)
        del grads
        note(f"{name}, {shape}", "mean error of log-probabilities", errors[name], "nats")
        note(f"{name}, {shape}", "error of the gradient", 100 * gradients[name], "%")
    assert errors["packed, float32"] < 1e-4 and gradients["packed, float32"] < 1e-3
    for found in (errors, gradients):
        assert found["packed, bfloat16"] < 1.5 * found["alone, bfloat16"]


@pytest.mark.parametrize("shape", gpu.SHAPES)
def test_shared_prefixes(shape, rows, note):
    gpu.need(gpu.parameters(shape) * 6 / 2**30 + 8)
    tokenizer = load.load(model=gpu.JUDGE).in_process_backend.tokenizer
    template = prompts.load("judge", ("question", "solution"))
    asked, groups = [], []
    for number, row in enumerate(rows[:8]):
        lines = row["program"].split("\n")
        for end in range(2, len(lines) + 1):
            text = prompts.fill(template, question=row["question"], solution="\n".join(lines[:end]))
            asked.append(tokenizer(text)["input_ids"])
            groups.append(number)
    labels = [tokenizer(label)["input_ids"][0] for label in LABELS]

    def scores(model, reuse):
        options = {"groups": groups, "pad": tokenizer.pad_token_id, "batch_tokens": 8192, "reuse": reuse}
        both = next_token_probabilities(model, asked, labels, **options)
        return both[:, 0] / both.sum(1)

    model = gpu.build(shape)
    wanted, shared = scores(model, False), scores(model, True)
    half = model.to(torch.bfloat16)
    errors = {"shared, float32": shared - wanted}
    errors |= {"in full, bfloat16": scores(half, False) - wanted, "shared, bfloat16": scores(half, True) - wanted}
    means = {name: values.abs().mean().item() for name, values in errors.items()}
    for name, value in means.items():
        note(f"judge, {name}, {shape}", "mean error of its probability", value, "")
    assert means["shared, float32"] < 1e-4
    assert means["shared, bfloat16"] < 2 * means["in full, bfloat16"] + 1e-3
