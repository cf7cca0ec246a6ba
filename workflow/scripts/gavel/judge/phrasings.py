"""The ways in which a judge is asked: several prompts, and both orders of the label words."""

from collections.abc import Sequence

from gavel import prompts
from gavel.errors import InputError


def phrasings(prompt: str | Sequence[str], labels: Sequence[str], swap: bool) -> list[str]:
    """The judging prompts as templates, `{labels}` filled in, in one or both orders.

    Raises:
        InputError: there is none, a slot is missing, or `swap` has no slot `{labels}` to work on.
    """
    names = [prompt] if isinstance(prompt, str) else list(prompt)
    if not names:
        raise InputError("judge.prompt: an empty list; name at least one prompt")
    slots = ("question", "solution", "labels") if swap else ("question", "solution")
    words = [label.strip() for label in labels]
    orders = [words, words[::-1]] if swap else [words]
    return [prompts.load(name, slots).replace("{labels}", " or ".join(order)) for name in names for order in orders]
