"""The judge's throughput, as a share of what the device's matrix products reach."""

import random

import torch
from torch.utils.flop_counter import FlopCounterMode

from gavel.judge import load
from gavel.solutions.mistakes import corrupt
from helpers import gpu

RESPONSES = 8


def responses(row) -> list[str]:
    """Distinct programs that answer a question, most of them wrongly."""
    rng = random.Random(row["question"])
    found = {row["program"]: None}
    while len(found) < RESPONSES:
        found[corrupt(rng.choice(list(found)), rng)] = None
    return list(found)


def rate_of_products(dtype: torch.dtype) -> float:
    """Floating-point operations a second of a product of large square matrices."""
    side, device = gpu.SIZES.square, "cuda" if gpu.ON_GPU else "cpu"
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / gpu.seconds(lambda: left @ right, rounds=10)


def test_responses_a_second(rows, note, record_run):
    shape = "Qwen2.5-1.5B"
    gpu.need(gpu.parameters(shape) * 2 / 2**30 + 16)
    asked = [row for row in rows if row["program"]][: gpu.SIZES.judged]
    questions = [row["question"] for row in asked for _ in range(RESPONSES)]
    solutions = [text for row in asked for text in responses(row)]
    loaded = load.load(model=gpu.JUDGE, batch_tokens=16384)
    rate = rate_of_products(torch.bfloat16)
    model = gpu.build(shape, torch.bfloat16)
    judge = loaded.with_model(model)
    note("matrix products, bfloat16", "rate", rate / 1e12, "TFLOP/s")
    for reuse, name in ((True, "shared"), (False, "in full")):
        judge.backend.reuse = reuse
        counter = FlopCounterMode(display=False)
        model.set_attn_implementation("eager")  # the counter does not know all fused kernels
        with counter:
            scores = [verdict.score for verdict in judge.verdicts(questions, solutions)]
        model.set_attn_implementation("sdpa")
        assert None not in scores and len(set(scores)) > 1
        with gpu.PeakMemory() as peak:
            spent = gpu.seconds(lambda: judge.verdicts(questions, solutions))
        label = f"judge, {name}, bfloat16, {shape}"
        note(label, "responses", len(solutions) / spent, "a second")
        note(label, "operations", counter.get_total_flops() / len(solutions) / 1e9, "GFLOP a response")
        note(label, "share of the products' rate", 100 * counter.get_total_flops() / spent / rate, "%")
        note(label, "peak memory", peak.gib, "GiB")
    record_run(algorithm="judge", model=f"{shape}'s shape" if gpu.ON_GPU else f"{shape}'s architecture, small")
