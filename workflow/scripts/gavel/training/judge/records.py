"""The rows of judge training."""

from typing import TypedDict

from gavel.judge.records import Pair


class ContrastingPair(Pair):
    """A pair whose better solution is known without a label; `subset` is how the worse one was made."""

    subset: str


class Judgment(TypedDict):
    """What a judge wrote about a pair in one order.

    Attributes:
        id: the pair's.
        prompt: as the model reads it.
        label: the better solution's label word.
        reached: whether the judgment ends with it.
    """

    id: str
    prompt: str
    judgment: str
    label: str
    reached: bool
