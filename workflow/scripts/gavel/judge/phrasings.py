"""Judging prompts: the ways in which a judge is asked, and one of them filled in."""

from collections.abc import Sequence

from gavel import prompts
from gavel.errors import InputError

# What a model is asked: a text, or a text and how its reply goes on. Of a prompt that is still to be reasoned about
# (`judge.reasoning`) the second is what stands between the reasoning and the label; else it begins with the reasoning.
Prompt = str | tuple[str, str]
REASONING = "{reasoning}"  # the slot of a judging prompt in which the model writes before it answers


def phrasings(
    prompt: str | Sequence[str], labels: Sequence[str], swap: bool, slots: Sequence[str], reasons: bool = False
) -> list[str]:
    """The judging prompts as templates, `{labels}` filled in, in one or both orders.

    Args:
        slots: those that prompts of this kind of judge must have (`gavel.judge.KINDS`).
        reasons: the judge writes before it answers, so the slot `{reasoning}` must be there; else it must not.

    Raises:
        InputError: there is none, a slot is missing, `swap` has no slot `{labels}` to work on, or a prompt leaves room
            for a reasoning that is not asked for.
    """
    names = [prompt] if isinstance(prompt, str) else list(prompt)
    if not names:
        raise InputError("judge.prompt: an empty list; name at least one prompt")
    needed = (*slots, *(["labels"] if swap else []), *(["reasoning"] if reasons else []))
    words = [label.strip() for label in labels]
    orders = [words, words[::-1]] if swap else [words]
    found = []
    for name in names:
        try:
            template = prompts.load(name, needed)
        except InputError as error:
            raise InputError(f"judge.prompt: {error}{' (judge.swap_labels is true)' if swap else ''}") from None
        if not reasons and REASONING in template:
            raise InputError(f"judge.prompt: {name!r} has a slot {REASONING}; set judge.reasoning, or take another")
        found += [template.replace("{labels}", " or ".join(order)) for order in orders]
    return found


def render(template: str, **values: str) -> Prompt:
    """A judging prompt with its slots filled in; one with the slot `{reasoning}` becomes what stands on its sides."""
    before, slot, after = template.partition(REASONING)
    if not slot:
        return prompts.fill(template, **values)
    return prompts.fill(before, **values), prompts.fill(after, **values)


def example(template: str, slots: Sequence[str]) -> Prompt:
    """A judging prompt with something in its slots."""
    found = render(template, **dict.fromkeys(slots, "2") | {"question": "What is 1+1?"})
    return found if isinstance(found, str) else (found[0], f"2{found[1]}")
