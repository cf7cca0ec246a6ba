"""Seeds that belong to an item, not to its position."""

import hashlib
import math
import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

Row = TypeVar("Row")


def cycle_shuffled(rows: Sequence[Row], seed: str) -> Iterator[Row]:
    """Yield the rows again and again, in a new order each time."""
    rng = random.Random(seed)
    for _ in range(math.ceil(1e9 / max(1, len(rows)))):
        order = list(rows)
        rng.shuffle(order)
        yield from order


def prompt_seed(seed: int, prompt: str, occurrence: int, size: int) -> int:
    """The seed of the random numbers for one occurrence of a prompt, an integer of `size` bytes."""
    number = f"{occurrence}:" if occurrence else ""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}{prompt}".encode()).digest()[:size])
