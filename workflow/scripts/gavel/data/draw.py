"""Draw part of some questions by their ids alone: whoever draws as many of the same ones gets the same."""

from collections.abc import Iterable
from hashlib import blake2b


def in_drawn_order(ids: Iterable[str]) -> list[str]:
    """The ids in a random order."""
    return sorted(ids, key=_place)


def drawn(ids: Iterable[str], number: int) -> set[str]:
    """The first `number` of the ids in drawn order, or all if there are no more."""
    return set(in_drawn_order(ids)[:number])


def _place(one: str) -> bytes:
    return blake2b(f"draw/{one}".encode(), digest_size=16).digest()
