"""Judging prompts and label words as a tokenizer sees them; no model is needed."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gavel.common.errors import InputError
from gavel.models import chat as chat_templates
from gavel.models import prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What a model is asked: a text, or a text and the start of its reply. Before the model has reasoned (`judge.reasoning`)
# the second part is the cue between the reasoning and the label word; afterwards it begins with the reasoning.
Prompt = str | tuple[str, str]


REASONING = "{reasoning}"  # the slot of a judging prompt in which the model reasons
REFERENCE = "reference"  # the slot for the gold answer, which only the calibration fills


def phrasings(
    prompt: str | Sequence[str],
    labels: Sequence[str],
    swap: bool,
    slots: Sequence[str],
    reasons: bool = False,
    key: str = "judge.prompting.prompt",
) -> list[str]:
    """The judging prompts as templates, with `{labels}` filled in, in one or both orders.

    Args:
        slots: required slots for this kind of judge (`gavel.judge.kinds.KINDS`), with `REFERENCE` if the gold answer is
            known.
        reasons: the judge reasons first, so the slot `{reasoning}` is required; otherwise it is not allowed.
        key: of the config, which names the prompt, for messages.

    Raises:
        InputError: there is no prompt, a slot is missing, `swap` is set without a slot `{labels}`, or a prompt has the
            slot `{reasoning}` for a judge that does not reason, or `{reference}` for one that gives rewards.
    """
    names = [prompt] if isinstance(prompt, str) else list(prompt)
    if not names:
        raise InputError(f"{key}: an empty list; name at least one prompt")
    needed = (*slots, *(["labels"] if swap else []), *(["reasoning"] if reasons else []))
    words = [label.strip() for label in labels]
    orders = [words, words[::-1]] if swap else [words]
    templates = []
    for name in names:
        try:
            template = prompts.load(name, needed)
        except InputError as error:
            why = " (judge.prompting.swap_labels is true)" if swap else ""
            raise InputError(f"{key}: {error}{why}") from None
        if not reasons and REASONING in template:
            raise InputError(f"{key}: {name!r} has a slot {REASONING}; set judge.reasoning, or choose another")
        if REFERENCE not in slots and f"{{{REFERENCE}}}" in template:
            raise InputError(
                f"{key}: {name!r} has a slot {{{REFERENCE}}} for the gold answer, which no reward may read; name it as "
                "judge.reference_prompt, which the calibration asks with, or choose another"
            )
        templates += [template.replace("{labels}", " or ".join(order)) for order in orders]
    return templates


def render(template: str, **values: str) -> Prompt:
    """A judging prompt with its slots filled in; the slot `{reasoning}` splits it into the parts before and after."""
    before, slot, after = template.partition(REASONING)
    if not slot:
        return prompts.fill(template, **values)
    return prompts.fill(before, **values), prompts.fill(after, **values)


def example(template: str, slots: Sequence[str]) -> Prompt:
    """A judging prompt with sample values in its slots."""
    prompt = render(template, **dict.fromkeys(slots, "2") | {"question": "What is 1+1?"})
    return prompt if isinstance(prompt, str) else (prompt[0], f"2{prompt[1]}")


# Marks that open and close a thought: <think>, [THINK], ◁think▷, <|START_THINKING|>, Harmony's and Gemma's channels.
_WORDS = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad)"
THOUGHT_START = re.compile(rf"[<\[◁]\|?(?:START_)?{_WORDS}\|?[>\]▷]|<\|channel\|>\s*analysis|<unused94>", re.I)
THOUGHT_END = re.compile(rf"[<\[◁]\|?(?:/|END_){_WORDS}\|?[>\]▷]|<\|channel\|>\s*final|<unused95>", re.I)
CLOSING_HINT = "judge.prompting.chat_template_kwargs, such as {enable_thinking: false} where the template reads that"


def apply_template(
    tokenizer: "PreTrainedTokenizerBase", text: Prompt, chat: bool, template_kwargs: Mapping[str, Any] | None = None
) -> str:
    """A judging prompt as the model reads it, with the start of its reply if it has one.

    Args:
        template_kwargs: arguments of the chat template besides the messages.

    Raises:
        InputError: `chat` is set without a chat template, or the template fails.
    """
    text, reply = (text, "") if isinstance(text, str) else text
    if not chat:
        return text + reply
    messages = [{"role": "user", "content": text}]
    return chat_templates.render(tokenizer, messages, chat_templates.JUDGE, template_kwargs) + reply


def check_template(
    tokenizer: "PreTrainedTokenizerBase", text: Prompt, template_kwargs: Mapping[str, Any] | None = None
) -> None:
    """Check that the chat template does not leave a thought open: a label word inside it is not the model's answer.

    Args:
        text: any judging prompt.

    Raises:
        InputError: the template opens a thought and does not close it, or does not read one of the arguments.
    """
    reply = "" if isinstance(text, str) else text[1]
    asked = (text if isinstance(text, str) else text[0]).strip()
    shown = apply_template(tokenizer, text, True, template_kwargs).removesuffix(reply)
    named = chat_templates.check_arguments(tokenizer, chat_templates.JUDGE, template_kwargs)
    opened = open_thought(shown[shown.rfind(asked) + len(asked) :] if asked in shown else shown)
    if opened:
        raise InputError(
            f"judge.prompting.chat: the judge's chat template opens a thought ({opened}) before the label, where a "
            f"label word is not an answer; close it with {CLOSING_HINT} ({named}), or choose another judge"
        )


def open_thought(text: str) -> str | None:
    """The mark of a thought that the text opens and does not close, or None."""
    opened, closed = [*THOUGHT_START.finditer(text)], [*THOUGHT_END.finditer(text)]
    if opened and (not closed or closed[-1].start() < opened[-1].start()):
        return opened[-1][0]
    return None


def label_tokens(
    tokenizer: "PreTrainedTokenizerBase", prompt: str, labels: Sequence[str], special: bool = True
) -> list[int]:
    """The ids of the label words: each is exactly one token after the prompt (" Yes" and "Yes" differ), all distinct.

    Raises:
        InputError: a word is several tokens, which the message shows, or both words are the same one.
    """
    ids = [_label_token(tokenizer, prompt, label, special) for label in labels]
    if len(set(ids)) < len(ids):
        raise InputError(f"judge.prompting.labels: {list(labels)} are the same token; choose two words")
    return ids


def _label_token(tokenizer: "PreTrainedTokenizerBase", prompt: str, label: str, special: bool) -> int:
    before = tokenizer(prompt, add_special_tokens=special)["input_ids"]
    after = tokenizer(prompt + label, add_special_tokens=special)["input_ids"]
    if len(after) != len(before) + 1 or after[:-1] != before:
        common = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
        pieces = [tokenizer.decode([token]) for token in after[common:]]
        raise InputError(
            f"judge.prompting.labels: {label!r} is not one token after the prompt (it becomes {pieces}); "
            "choose another word, or add or drop its leading space"
        )
    return int(after[-1])
