"""Seeds that belong to a thing and not to a position."""

import hashlib
import math
import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

Row = TypeVar("Row")


def reshuffled(rows: Sequence[Row], seed: str) -> Iterator[Row]:
    """The rows over and over, each time in another order."""
    rng = random.Random(seed)
    for _ in range(math.ceil(1e9 / max(1, len(rows)))):
        order = list(rows)
        rng.shuffle(order)
        yield from order


def prompt_seed(seed: int, prompt: str, occurrence: int, size: int) -> int:
    """The seed of the random numbers for one occurrence of a prompt, of `size` bytes."""
    number = f"{occurrence}:" if occurrence else ""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}{prompt}".encode()).digest()[:size])
