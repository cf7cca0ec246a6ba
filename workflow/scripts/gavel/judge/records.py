"""Solutions whose correctness is known: pairs in RewardBench's layout, and single ones."""

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


class CheckedResponse(TypedDict):
    """A policy's response to a question whose answer is known.

    Attributes:
        id: the question's.
        correct: the verifier's verdict.
    """

    id: str
    question: str
    response: str
    policy: str
    correct: bool
