"""Judging prompts and label words as a tokenizer sees them; nothing of a model is needed."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jinja2
import jinja2.meta

from gavel.common.errors import InputError
from gavel.models import prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What a model is asked: a text, or a text and how its reply goes on. Of a prompt that is still to be reasoned about
# (`judge.reasoning`) the second is what stands between the reasoning and the label; else it begins with the reasoning.
Prompt = str | tuple[str, str]


REASONING = "{reasoning}"  # the slot of a judging prompt in which the model writes before it answers


def phrasings(
    prompt: str | Sequence[str], labels: Sequence[str], swap: bool, slots: Sequence[str], reasons: bool = False
) -> list[str]:
    """The judging prompts as templates, `{labels}` filled in, in one or both orders.

    Args:
        slots: those that prompts of this kind of judge must have (`gavel.judge.kinds.KINDS`).
        reasons: the judge writes before it answers, so the slot `{reasoning}` must be there; else it must not.

    Raises:
        InputError: there is none, a slot is missing, `swap` has no slot `{labels}` to work on, or a prompt leaves room
            for a reasoning that is not asked for.
    """
    names = [prompt] if isinstance(prompt, str) else list(prompt)
    if not names:
        raise InputError("judge.prompting.prompt: an empty list; name at least one prompt")
    needed = (*slots, *(["labels"] if swap else []), *(["reasoning"] if reasons else []))
    words = [label.strip() for label in labels]
    orders = [words, words[::-1]] if swap else [words]
    found = []
    for name in names:
        try:
            template = prompts.load(name, needed)
        except InputError as error:
            why = " (judge.prompting.swap_labels is true)" if swap else ""
            raise InputError(f"judge.prompting.prompt: {error}{why}") from None
        if not reasons and REASONING in template:
            raise InputError(
                f"judge.prompting.prompt: {name!r} has a slot {REASONING}; set judge.reasoning, or take another"
            )
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


# How models open and close a thought: <think>, [THINK], ◁think▷, <|START_THINKING|>, Harmony's and Gemma's channels.
_WORDS = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad)"
OPENED = re.compile(rf"[<\[◁]\|?(?:START_)?{_WORDS}\|?[>\]▷]|<\|channel\|>\s*analysis|<unused94>", re.I)
CLOSED = re.compile(rf"[<\[◁]\|?(?:/|END_){_WORDS}\|?[>\]▷]|<\|channel\|>\s*final|<unused95>", re.I)
CLOSE = "judge.prompting.chat_template_kwargs, such as {enable_thinking: false} where the template reads that"
# What a chat template is given in any case.
GIVEN = {
    "add_generation_prompt", "bos_token", "continue_final_message", "documents", "eos_token", "messages", "pad_token",
    "tools", "unk_token",
}  # fmt: skip


def templated(
    tokenizer: "PreTrainedTokenizerBase", text: Prompt, chat: bool, template_kwargs: Mapping[str, Any] | None = None
) -> str:
    """A judging prompt as the model reads it, and the beginning of its reply where it has one.

    Args:
        template_kwargs: arguments of the chat template beside the messages.

    Raises:
        InputError: `chat` without a chat template, or the template fails.
    """
    text, begun = (text, "") if isinstance(text, str) else text
    if not chat:
        return text + begun
    if tokenizer.chat_template is None:
        raise InputError("judge.prompting.chat: the judge's tokenizer has no chat template; set it to false")
    asked = [{"role": "user", "content": text}]
    try:
        shown = tokenizer.apply_chat_template(
            asked, tokenize=False, add_generation_prompt=True, **(template_kwargs or {})
        )
    except jinja2.TemplateError as error:
        raise InputError(
            f"judge.prompting.chat: the judge's chat template cannot be filled in ({error}); check "
            "judge.prompting.chat_template_kwargs, or set judge.prompting.chat to false"
        ) from None
    return f"{shown}{begun}"


def check_template(
    tokenizer: "PreTrainedTokenizerBase", text: Prompt, template_kwargs: Mapping[str, Any] | None = None
) -> None:
    """Whether the chat template leaves room for the label: inside a thought a label is not the model's answer.

    Args:
        text: any judging prompt.

    Raises:
        InputError: the template opens a thought and does not close it, or has no use for one of the arguments.
    """
    begun = "" if isinstance(text, str) else text[1]
    asked = (text if isinstance(text, str) else text[0]).strip()
    shown = templated(tokenizer, text, True, template_kwargs).removesuffix(begun)
    reads = _arguments(tokenizer)
    named = f"it reads {', '.join(sorted(reads))}" if reads else "it reads none"
    for name in template_kwargs or ():
        if reads is not None and name not in reads:
            raise InputError(
                f"judge.prompting.chat_template_kwargs.{name}: the judge's chat template does not read it; {named}"
            )
    opened = open_thought(shown[shown.rfind(asked) + len(asked) :] if asked in shown else shown)
    if opened:
        raise InputError(
            f"judge.prompting.chat: the judge's chat template opens a thought ({opened}) before the label, where the "
            f"label words are no answer; close it by {CLOSE} ({named}), or choose another judge"
        )


def open_thought(text: str) -> str | None:
    """The mark of a thought that a text opens and does not close, or None."""
    opened, closed = [*OPENED.finditer(text)], [*CLOSED.finditer(text)]
    if opened and (not closed or closed[-1].start() < opened[-1].start()):
        return opened[-1][0]
    return None


def _arguments(tokenizer: "PreTrainedTokenizerBase") -> set[str] | None:
    """The arguments that a chat template reads beside those that it is given anyway; None where that is not known."""
    try:
        source = tokenizer.get_chat_template()
        parsed = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).parse(
            re.sub(r"{%-?\s*(?:end)?generation\s*-?%}", "", source)
        )
    except (jinja2.TemplateError, ValueError, TypeError):
        return None
    return {
        name
        for name in jinja2.meta.find_undeclared_variables(parsed)
        if name not in GIVEN and name not in ("raise_exception", "strftime_now", "namespace")
    }


def label_tokens(
    tokenizer: "PreTrainedTokenizerBase", prompt: str, labels: Sequence[str], special: bool = True
) -> list[int]:
    """The ids of the label words, each exactly one token where it stands (" Yes" and "Yes" differ), all different.

    Raises:
        InputError: they are not; the message shows the pieces.
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
