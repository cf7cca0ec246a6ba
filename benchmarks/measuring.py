"""What the benchmarks share: ways that take turns, the machine in a line, and questions."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from gavel.data.generator.problems import generate
from gavel.models import prompts

SMOLLM2 = {  # SmolLM2-135M's shape
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}


def medians(
    ways: dict[str, Callable[[], object]],
    rounds: int,
    check: Callable[[str, object], None] = lambda name, result: None,
) -> dict[str, float]:
    """Median seconds of each way; the ways take turns, after a round that does not count.

    Args:
        check: given each way's name and result, outside the time that is measured.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            result = way()
            if round_:
                seconds[name].append(time.perf_counter() - started)
            check(name, result)
    return {name: statistics.median(values) for name, values in seconds.items()}


def memory_of(work: Callable[[], object]) -> float:
    """MiB by which memory peaked above what was in use before: the GPU's where there is one, else the process's."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of imports and loading
    before = _resident_peak()
    work()
    return (_resident_peak() - before) / 1024


def in_own_process(script: str, *arguments: object) -> float:
    """The number that a benchmark prints when it is called again, alone, with these arguments."""
    command = [sys.executable, script, "--threads", str(torch.get_num_threads()), *map(str, arguments)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def _resident_peak() -> int:
    """KiB. Not `ru_maxrss`, which a process inherits from the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def machine() -> str:
    """Processor, GPU if any, and versions."""
    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    return (
        f"{gpu}{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def solving_prompts(count: int) -> list[str]:
    """What the student reads for so many problems of the generator."""
    template = prompts.load("solve")
    return [prompts.fill(template, question=row["question"]) for _, row in generate("main", count, 5, "bench")]
