"""The ways in which a judge is asked: several prompts, and both orders of the label words."""

from collections.abc import Sequence

from gavel import prompts
from gavel.errors import InputError


def phrasings(prompt: str | Sequence[str], labels: Sequence[str], swap: bool, slots: Sequence[str]) -> list[str]:
    """The judging prompts as templates, `{labels}` filled in, in one or both orders.

    Args:
        slots: those that prompts of this kind of judge must have (`gavel.judge.KINDS`).

    Raises:
        InputError: there is none, a slot is missing, or `swap` has no slot `{labels}` to work on.
    """
    names = [prompt] if isinstance(prompt, str) else list(prompt)
    if not names:
        raise InputError("judge.prompt: an empty list; name at least one prompt")
    slots = (*slots, "labels") if swap else tuple(slots)
    words = [label.strip() for label in labels]
    orders = [words, words[::-1]] if swap else [words]
    return [prompts.load(name, slots).replace("{labels}", " or ".join(order)) for name in names for order in orders]
