"""A prompt as a job writes it for the report."""

from typing import NotRequired, TypedDict


class RenderedPrompt(TypedDict):
    """The first prompt of a kind as the model reads it, with special tokens.

    Attributes:
        prompt: its text.
        completion: the text that is trained on after it, in SFT only.
        tokens: length of both, in tokens; unknown for a judge.
    """

    prompt: str
    completion: NotRequired[str]
    tokens: NotRequired[int]
