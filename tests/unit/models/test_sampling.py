"""The sampler against Hugging Face's generate, and its independence of batching."""

import pytest
import torch

from gavel.models import _branches, sampling
from gavel.models.sampling import batches, count_occurrences, sample

PROMPTS = ["Question: Ben has 4 keys.", "Question: Anna has 12 red apples and 3 blue apples. How many?", "Q"]


def texts(groups):
    return [[s.text for s in group] for group in groups]


def test_greedy_samples_are_those_of_generate(model, tokenizer):
    ours = sample(model, tokenizer, PROMPTS, max_new_tokens=12)
    for prompt, (mine,) in zip(PROMPTS, ours, strict=True):
        encoded = tokenizer(prompt, return_tensors="pt")
        theirs = model.generate(**encoded, max_new_tokens=12, do_sample=False)[0, encoded["input_ids"].shape[1] :]
        assert mine.ids == theirs.tolist()[: len(mine.ids)]
        assert len(mine.ids) == 12 or mine.finished


@pytest.mark.parametrize("batch_size", [4, 8, 64])
def test_samples_do_not_depend_on_the_batch(model, tokenizer, batch_size):
    whole = sample(model, tokenizer, PROMPTS, n=4, temperature=1.0, max_new_tokens=8, seed=3, batch_size=256)
    parts = sample(model, tokenizer, PROMPTS, n=4, temperature=1.0, max_new_tokens=8, seed=3, batch_size=batch_size)
    assert texts(whole) == texts(parts)


def test_batches_keep_both_limits_and_put_like_lengths_together():
    lengths = [9, 2, 7, 2, 30]
    assert batches(lengths, 1, 4, batch_size=2, batch_tokens=None) == [[1, 3], [2, 0], [4]]
    # Two of 2 + 4 tokens with 2 samples each make 24; a third, of 7 + 4, would make 66; the last is above it alone.
    assert batches(lengths, 2, 4, batch_size=64, batch_tokens=40) == [[1, 3], [2], [0], [4]]
    assert batches([], 1, 4, batch_size=2, batch_tokens=10) == []


def test_samples_do_not_depend_on_a_token_budget(model, tokenizer, monkeypatch):
    common = {"n": 4, "temperature": 1.0, "max_new_tokens": 8, "seed": 3}
    whole = sample(model, tokenizer, PROMPTS, **common)
    seen = []
    monkeypatch.setattr(sampling, "progress_bar", lambda batches, **shown: seen.extend(batches) or iter(batches))
    parts = sample(model, tokenizer, PROMPTS, **common, batch_tokens=64)
    assert len(seen) == 3
    assert texts(whole) == texts(parts)


def test_the_seed_decides_the_samples(model, tokenizer):
    first, same, other = (
        texts(sample(model, tokenizer, PROMPTS, n=4, temperature=1.0, max_new_tokens=8, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == same
    assert first != other


def test_samples_follow_the_models_distribution(model, tokenizer):
    """Frequencies of the first token of 4,000 samples, against the softmax, within five standard errors."""
    n = 4000
    groups = sample(model, tokenizer, [PROMPTS[0]], n=n, temperature=1.0, max_new_tokens=1, seed=0, batch_size=n)
    first = torch.tensor([s.ids[0] for s in groups[0]])
    with torch.no_grad():
        logits = model(**tokenizer(PROMPTS[0], return_tensors="pt")).logits[0, -1]
    expected = torch.softmax(logits, -1)
    for token in expected.topk(5).indices:
        share, p = (first == token).float().mean(), expected[token]
        assert abs(share - p) < 5 * (p * (1 - p) / n).sqrt()


def test_a_completion_ends_at_the_end_token_and_says_so(model, tokenizer):
    with torch.no_grad():  # make the end token certain
        model.lm_head.weight = torch.nn.Parameter(torch.zeros_like(model.lm_head.weight))
        model.lm_head.bias = torch.nn.Parameter(
            torch.nn.functional.one_hot(torch.tensor(tokenizer.eos_token_id), len(tokenizer)).float() * 50
        )
    (group,) = sample(model, tokenizer, ["Q"], max_new_tokens=5)
    assert group[0].ids == [tokenizer.eos_token_id]
    assert group[0].finished
    assert group[0].text == ""


def test_the_greedy_response_comes_before_the_samples(model, tokenizer):
    common = {"max_new_tokens": 8, "seed": 3}
    greedy = sample(model, tokenizer, PROMPTS, **common)
    sampled = sample(model, tokenizer, PROMPTS, n=4, temperature=1.0, **common)
    both = sample(model, tokenizer, PROMPTS, n=4, temperature=1.0, greedy=True, **common)
    assert texts(both) == [[*first, *others] for first, others in zip(texts(greedy), texts(sampled), strict=True)]


def test_what_samples_share_is_computed_once(model, tokenizer, monkeypatch):
    rows, step = [], _branches.Branches.step
    monkeypatch.setattr(_branches.Branches, "step", lambda self, tokens: rows.append(len(tokens)) or step(self, tokens))
    (group,) = sample(model, tokenizer, PROMPTS[:1], n=64, temperature=0.2, max_new_tokens=6, seed=3)
    beginnings = [len({tuple(s.ids[:length]) for s in group if len(s.ids) > length}) for length in range(1, 6)]
    assert 1 < beginnings[0] < 64, "the samples agree in part"
    assert rows[-5:] == beginnings  # after those of the test whether the model can share


def test_several_greedy_samples_are_refused(model, tokenizer):
    with pytest.raises(ValueError, match="n=2 samples at temperature 0"):
        sample(model, tokenizer, ["Q"], n=2, max_new_tokens=1)


def test_equal_prompts_of_a_call_draw_their_own_samples(model, tokenizer):
    common = {"n": 4, "temperature": 1.0, "max_new_tokens": 8, "seed": 3}
    once, between, again = sample(model, tokenizer, [PROMPTS[0], PROMPTS[1], PROMPTS[0]], **common)
    assert [s.ids for s in once] != [s.ids for s in again]
    assert [once, between] == sample(model, tokenizer, PROMPTS[:2], **common)
    assert [again] == sample(model, tokenizer, [PROMPTS[0]], **common, occurrences=[1])


def test_occurrences_go_on_from_those_before():
    assert count_occurrences("abaca") == [0, 0, 1, 0, 2]
    assert count_occurrences("ab", before="aac") == [2, 0]
