"""What sampling costs: completion tokens per second, ours against transformers' `generate`.

Run by `make bench`. Both take turns within one process on the same prompts, weights, temperature and longest length;
tokens are counted up to and including the end token. `generate` gets each of its settings that could help it: eager or
fused attention, a growing or a static cache, sampling from the whole vocabulary without filters; the fastest is what
ours is compared with. Peak memory is that of one call in a process of its own, above what the loaded model takes.
"""

import argparse
import json
import sys
from itertools import product

import torch
from measuring import in_own_process, machine, medians, memory_of, solving_prompts
from transformers import AutoModelForCausalLM

from gavel.jobs.threads import use_threads
from gavel.models import loading
from gavel.models.sampling import sample

BATCHES = {"32 prompts x 8": (32, 8), "256 prompts": (256, 1)}
OPTIONS = {"temperature": 1.0, "max_new_tokens": 48}


class Ways:
    """Ways to sample `n` completions of each prompt; each returns how many tokens they have."""

    def __init__(self, path: str, dtype: str, prompts: int, n: int):
        self.path, self.dtype, self.n = path, dtype, n
        self.tokenizer, self.prompts = loading.load_tokenizer(path), solving_prompts(prompts)

    def ours(self):
        model = loading.load_model(self.path, dtype=self.dtype)

        def way() -> int:
            groups = sample(model, self.tokenizer, self.prompts, n=self.n, **OPTIONS)
            return sum(len(one.ids) for group in groups for one in group)

        return way

    def generate(self, attention: str, cache: str | None):
        dtype = loading.DTYPES[self.dtype]
        model = AutoModelForCausalLM.from_pretrained(self.path, dtype=dtype, attn_implementation=attention).eval()
        model.to(loading.device())
        options = OPTIONS | {"do_sample": True, "top_k": 0, "top_p": 1.0, "num_return_sequences": self.n}
        if cache:
            options["cache_implementation"] = cache

        @torch.inference_mode()
        def way() -> int:
            encoded = self.tokenizer(self.prompts, return_tensors="pt", padding=True).to(loading.device())
            found = model.generate(**encoded, **options)[:, encoded["input_ids"].shape[1] :]
            ended = (found == self.tokenizer.eos_token_id).cumsum(1)
            return int(((ended == 0) | ((ended == 1) & (found == self.tokenizer.eos_token_id))).sum())

        return way

    def named(self, name: str):
        return self.ours() if name == "ours" else self.generate(*SETTINGS[name])


SETTINGS = {
    f"generate, {attention}, {cache or 'dynamic'} cache": (attention, cache)
    for attention, cache in product(("eager", "sdpa"), (None, "static"))
}


def compare(path: str, dtype: str, prompts: int, n: int, rounds: int) -> dict:
    ways = Ways(path, dtype, prompts, n)
    tokens: dict[str, int] = {}
    times = medians({name: ways.named(name) for name in ("ours", *SETTINGS)}, rounds, tokens.__setitem__)
    rates = {name: tokens[name] / seconds for name, seconds in times.items()}
    best = max(SETTINGS, key=rates.__getitem__)
    memory = {name: in_own_process(__file__, "--peak", path, dtype, prompts, n, name) for name in ("ours", best)}
    return {
        "tokens per second": rates,
        "tokens": tokens,
        "MiB above the model": memory,
        f"against {best}": rates["ours"] / rates[best],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="resources/models/student")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peak", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    use_threads(options.threads)
    if options.peak:
        path, dtype, prompts, n, name = options.peak
        print(memory_of(Ways(path, dtype, int(prompts), int(n)).named(name)))
        sys.exit()
    print(machine())
    results = {}
    for dtype, (batch, sizes) in product(("float32", "bfloat16"), BATCHES.items()):
        found = compare(options.model, dtype, *sizes, options.rounds)
        results[f"{batch}, {dtype}"] = found
        print(f"{batch}, {dtype}")
        for name, value in found.items():
            for way, number in value.items() if isinstance(value, dict) else [("", value)]:
                print(f"    {name:<44}{way:<34}{number:>10,.2f}")
    print(json.dumps(results))
