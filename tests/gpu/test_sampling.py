"""The sampler against transformers' `generate`: whether greedy tokens are the most probable, and tokens a second."""

import pytest
import torch

from gavel.models import prompts
from gavel.models.sampling import sample
from helpers import gpu

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@pytest.fixture
def asked(rows):
    template = prompts.load("solve")
    return [prompts.fill(template, question=row["question"]) for row in rows[: 2 * gpu.SIZES.prompts]]


def generated(model, tokenizer, texts, n=1, **options):
    """Completions of transformers' `generate`, n for each prompt; none ends early."""
    length = gpu.SIZES.new_tokens
    encoded = tokenizer(texts, return_tensors="pt", padding=True).to(model.device)
    with torch.inference_mode():
        found = model.generate(
            **encoded, max_new_tokens=length, min_new_tokens=length, num_return_sequences=n, **options
        )
    return found[:, encoded["input_ids"].shape[1] :].tolist()


@torch.inference_mode()
def shortfall(model, tokenizer, texts, completions) -> float:
    """The largest difference of logits between the most probable token and the one that was taken, without a cache."""
    worst = 0.0
    for text, completion in zip(texts, completions, strict=True):
        prompt = tokenizer(text)["input_ids"]
        ids = torch.tensor([[*prompt, *completion]], device=model.device)
        logits = model(ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
        taken = logits.gather(1, ids[0, len(prompt) :, None]).squeeze(1)
        worst = max(worst, (logits.amax(1) - taken).max().item())
    return worst


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", gpu.SHAPES)
def test_greedy_tokens_are_the_most_probable(shape, dtype, asked, tmp_path, note):
    gpu.need(gpu.parameters(shape) * 4 / 2**30 + 8)
    model, tokenizer = gpu.build(shape, DTYPES[dtype]), gpu.tokenizer(shape, tmp_path)
    length = gpu.SIZES.new_tokens
    ours = [group[0].ids for group in sample(model, tokenizer, asked, max_new_tokens=length)]
    theirs = generated(model, tokenizer, asked, do_sample=False)
    equal = sum(a == b for one, two in zip(ours, theirs, strict=True) for a, b in zip(one, two, strict=False))
    found, expected = (shortfall(model, tokenizer, asked, each) for each in (ours, theirs))
    name = f"greedy, {dtype}, {shape}"
    note(name, "tokens equal to generate's", 100 * equal / sum(map(len, ours)), "%")
    note(name, "logit below the best, sampler", found, "nats")
    note(name, "logit below the best, generate", expected, "nats")
    # Rounding decides between two tokens only if they are as good as equally probable.
    assert found <= (1e-3 if dtype == "float32" else 2 * expected + 0.1)


@pytest.mark.parametrize("shape", gpu.SHAPES)
def test_tokens_a_second(shape, asked, tmp_path, note):
    gpu.need(gpu.parameters(shape) * 2 / 2**30 + 8)
    model, tokenizer = gpu.build(shape, torch.bfloat16), gpu.tokenizer(shape, tmp_path)
    n, length, texts = gpu.SIZES.generations, gpu.SIZES.new_tokens, asked[: gpu.SIZES.prompts]
    counted = {}

    def ours():
        groups = sample(model, tokenizer, texts, n=n, temperature=1.0, max_new_tokens=length)
        counted["sampler"] = sum(len(one.ids) for group in groups for one in group)

    def theirs():
        found = generated(model, tokenizer, texts, n=n, do_sample=True, temperature=1.0, top_k=0, top_p=1.0)
        counted["generate"] = sum(map(len, found))

    rates = {}
    for name, way in (("sampler", ours), ("generate", theirs)):
        with gpu.PeakMemory() as peak:
            spent = gpu.seconds(way, rounds=2)
        rates[name] = counted[name] / spent
        note(f"sampling, bfloat16, {shape}", f"tokens, {name}", rates[name], "a second")
        note(f"sampling, bfloat16, {shape}", f"peak memory, {name}", peak.gib, "GiB")
    note(f"sampling, bfloat16, {shape}", "sampler against generate", rates["sampler"] / rates["generate"], "×")
