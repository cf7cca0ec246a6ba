"""Pairs of solutions, in RewardBench's layout."""

from typing import TypedDict


class Pair(TypedDict):
    """Two solutions of one question; it is known which one is better.

    Attributes:
        prompt: the question.
        chosen: the better solution.
        rejected: the worse one.
    """

    id: str
    prompt: str
    chosen: str
    rejected: str
