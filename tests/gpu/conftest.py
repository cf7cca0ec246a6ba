"""The GPU check, run by `make test-gpu`: its figures end up in one table.

`GAVEL_GPU_CHECK=cpu` runs the same code with small models on a CPU, so that only CUDA itself is left to try.
"""

import gc
import time

import pytest
import torch

from gavel.common.environment import hardware, versions
from helpers import gpu

FIGURES = pytest.StashKey[list]()
BEGAN = time.monotonic()
PACKAGES = ("python", "torch", "transformers", "trl", "peft")


@pytest.fixture(scope="session", autouse=True)
def device():
    """Skips all tests unless a device is asked for and there."""
    if gpu.ASKED is None:
        pytest.skip("needs a GPU: `make test-gpu`, or `make test-gpu DEVICE=cpu` for small models on the CPU")
    if gpu.ASKED not in ("cuda", "cpu"):
        pytest.fail(f"GAVEL_GPU_CHECK is {gpu.ASKED!r}; set it to cuda or cpu")
    if gpu.ON_GPU and not torch.cuda.is_available():
        pytest.skip(f"torch {torch.__version__} sees no CUDA device")


@pytest.fixture(autouse=True)
def freed():
    """Leaves the GPU's memory to the next test."""
    yield
    gc.collect()
    if gpu.ON_GPU:
        torch.cuda.empty_cache()


@pytest.fixture
def note(request):
    """Keeps a figure for the table: `note(of, name, value, unit)`."""
    figures = request.config.stash.setdefault(FIGURES, [])

    def keep(of: str, name: str, value: float, unit: str) -> None:
        figures.append((of, name, f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}", unit))

    return keep


def pytest_terminal_summary(terminalreporter, config):
    figures = config.stash.get(FIGURES, [])
    if not figures:
        return
    there, found = hardware(), versions()
    shapes = "" if gpu.ON_GPU else "; small models, whose figures say nothing about a GPU"
    terminalreporter.section("figures of the GPU check")
    terminalreporter.write_line(f"{', '.join(there['gpus']) or there['cpu']}{shapes}")
    terminalreporter.write_line(", ".join(f"{name} {found[name]}" for name in PACKAGES if name in found))
    rows = [
        ("of", "figure", "value", "unit"),
        *figures,
        ("everything", "wall clock", f"{time.monotonic() - BEGAN:.0f}", "s"),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for place, row in enumerate(rows):
        cells = [
            cell.rjust(width) if i == 2 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        terminalreporter.write_line(f"| {' | '.join(cells)} |")
        if place == 0:
            terminalreporter.write_line("|" + "|".join("-" * (width + 2) for width in widths) + "|")
