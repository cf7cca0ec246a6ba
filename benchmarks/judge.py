"""What asking the judge costs: solutions per second, ours against simple baselines and the machine's own rate.

Run by `make bench`. The ways take turns within one process on the same solutions; figures are medians over the rounds,
ratios are of those medians. Weights are the shipped judge's, or random ones for the larger model, which serves for
speed alone.

- plain loop: one solution at a time, a full forward pass, logits of every position;
- without reuse: our batches, every prompt in full;
- reasoning: the same model writes 64 tokens before its verdict (transformers' `generate`, greedy, batched);
- share of the machine's rate: floating-point operations of the forward passes (2 a weight and token, and attention)
  over the time, against matrix products of the model's own shapes measured in the same run.
"""

import argparse
import json
import random

import torch
from measuring import machine, medians
from transformers import LlamaConfig, LlamaForCausalLM

from gavel.data.generator.problems import generate
from gavel.jobs.threads import use_threads
from gavel.models import loading, prompts
from gavel.models.prefixes import next_token_probabilities
from gavel.solutions.mistakes import corrupt
from gavel.solutions.programs import to_program

QUESTIONS, COMPLETIONS = 32, 8
LABELS = (" Yes", " No")
SHAPE = {"hidden_size": 768, "intermediate_size": 2560, "num_hidden_layers": 14, "num_attention_heads": 12}


def asked(tokenizer, instructions: str = "") -> tuple[list[list[int]], list[int]]:
    """Judging prompts of 32 questions with 8 distinct solutions each, and the question of each."""
    rng, template = random.Random(0), instructions + prompts.load("judge", ("question", "solution"))
    texts, groups = [], []
    for number, (_, row) in enumerate(generate("main", QUESTIONS, 5, "bench")):
        program = to_program(row["solution"], row["gold"], row["question"])
        solutions = {program: None}
        while len(solutions) < COMPLETIONS:
            solutions[corrupt(rng.choice(list(solutions)), rng)] = None
        texts += [prompts.fill(template, question=row["question"], solution=text) for text in solutions]
        groups += [number] * COMPLETIONS
    return [tokenizer(text)["input_ids"] for text in texts], groups


def few_shot(tokenizer, tokens: int) -> str:
    """Worked judgements of at least so many tokens."""
    text, seed = "", 100
    while len(tokenizer(text)["input_ids"]) < tokens:
        ((_, row),) = generate("main", 1, seed, "shots")
        program = to_program(row["solution"], row["gold"], row["question"])
        text += prompts.fill(prompts.load("judge"), question=row["question"], solution=program) + " Yes\n\n"
        seed += 1
    return text


def against_plainer_ways(model, tokenizer, rounds: int) -> dict:
    rows, groups = asked(tokenizer)
    labels = [tokenizer(label)["input_ids"][0] for label in LABELS]

    @torch.inference_mode()
    def loop():
        return torch.stack(
            [torch.softmax(model(torch.tensor([row])).logits[0, -1].double(), -1)[labels] for row in rows]
        )

    def ours(prompts=rows, reuse=True):
        options = {"groups": groups, "pad": tokenizer.pad_token_id, "batch_tokens": 4096, "reuse": reuse}
        return next_token_probabilities(model, prompts, labels, **options)

    @torch.inference_mode()
    def reasoning():
        width = max(map(len, rows))
        pad = tokenizer.pad_token_id
        tokens = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        options = {"max_new_tokens": 65, "min_new_tokens": 65, "do_sample": False, "pad_token_id": pad}
        return model.generate(tokens, attention_mask=mask, **options)

    worst = (loop() - ours()).abs().max().item()
    if worst > (1e-4 if model.dtype == torch.float32 else 0.1):
        raise SystemExit(f"the ways disagree by {worst}")
    shots, _ = asked(tokenizer, few_shot(tokenizer, 400))
    ways = {"ours": ours, "plain loop": loop, "without reuse": lambda: ours(reuse=False), "reasoning": reasoning}
    ways |= {"ours, 400 tokens of examples": lambda: ours(shots)}
    ways |= {"without reuse, 400 tokens of examples": lambda: ours(shots, reuse=False)}
    times = medians(ways, rounds)
    examples = "400 tokens of examples"
    return {
        "solutions_per_second": {name: len(rows) / value for name, value in times.items()},
        "against plain loop": times["plain loop"] / times["ours"],
        "reuse against none": times["without reuse"] / times["ours"],
        f"reuse against none, {examples}": times[f"without reuse, {examples}"] / times[f"ours, {examples}"],
        "against reasoning": times["reasoning"] / times["ours"],
    }


def share_of_rate(dtype: torch.dtype, rounds: int, device: str = "cpu", **shape) -> dict:
    """Forward operations per second of a judge with random weights, over those of its own matrix products."""
    shape = SHAPE | shape
    config = LlamaConfig(vocab_size=32000, max_position_embeddings=1024, tie_word_embeddings=True, **shape)
    with torch.device(device):
        model = LlamaForCausalLM._from_config(config, dtype=dtype, attn_implementation="sdpa").eval()
    count, length = 32, 256
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(3, 32000, (count, length), generator=generator).tolist()
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    batch = 4096
    x = torch.randn(batch, width, dtype=dtype, device=device)
    y = torch.randn(batch, inner, dtype=dtype, device=device)
    square = torch.randn(width, width, dtype=dtype, device=device)
    up = torch.randn(width, inner, dtype=dtype, device=device)
    down = torch.randn(inner, width, dtype=dtype, device=device)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def judge():
        options = {"groups": range(count), "pad": 0, "batch_tokens": batch}
        return next_token_probabilities(model, rows, [5, 6], **options)

    @torch.inference_mode()
    def products():
        for _ in range(4):
            for left, right, times in ((x, square, 4), (x, up, 2), (y, down, 1)):
                for _ in range(times):
                    left @ right
        wait()

    times = medians({"judge": judge, "products": products}, rounds)
    weights = shape["num_hidden_layers"] * (4 * width * width + 3 * width * inner)
    attention = shape["num_hidden_layers"] * 2 * 2 * count * length * length * width / 2  # causal: half of it
    forward = 2 * weights * count * length + attention + 2 * count * width * 32000
    rate = 4 * 2 * batch * (4 * width * width + 3 * width * inner) / times["products"]
    return {
        "parameters": model.num_parameters(),
        "judge GFLOP/s": forward / times["judge"] / 1e9,
        "matrix products GFLOP/s": rate / 1e9,
        "share": forward / times["judge"] / rate,
        "solutions_per_second": count / times["judge"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--judge", default="resources/models/judge")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    use_threads(options.threads)
    print(machine())
    tokenizer = loading.load_tokenizer(options.judge)
    results = {}
    for name in ("float32", "bfloat16"):
        judge = loading.load_model(options.judge, dtype=name)
        results[f"shipped judge, {name}"] = against_plainer_ways(judge, tokenizer, options.rounds)
        results[f"140 M parameters, {name}"] = share_of_rate(loading.DTYPES[name], options.rounds)
    if torch.cuda.is_available():
        large = {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12}
        results["1.5 B parameters on the GPU, bfloat16"] = share_of_rate(
            torch.bfloat16, options.rounds, "cuda", **large
        )
    for title, values in results.items():
        print(title)
        for name, value in values.items():
            if isinstance(value, dict):
                for way, rate in value.items():
                    print(f"    {way:<44}{rate:>12,.1f} solutions/s")
            else:
                print(f"    {name:<44}{value:>12,.2f}")
    print(json.dumps(results))
