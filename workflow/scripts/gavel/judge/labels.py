"""Judging prompts and label words as a tokenizer sees them; nothing of a model is needed."""

from collections.abc import Sequence

from gavel.errors import InputError
from gavel.judge.phrasings import Prompt


def templated(tokenizer, text: Prompt, chat: bool) -> str:
    """A judging prompt as the model reads it, and the beginning of its reply where it has one.

    Raises:
        InputError: `chat` without a chat template.
    """
    text, begun = (text, "") if isinstance(text, str) else text
    if not chat:
        return text + begun
    if tokenizer.chat_template is None:
        raise InputError("judge.chat: the judge's tokenizer has no chat template; set judge.chat to false")
    asked = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True) + begun


def label_tokens(tokenizer, prompt: str, labels: Sequence[str], special: bool = True) -> list[int]:
    """The ids of the label words, each exactly one token where it stands (" Yes" and "Yes" differ), all different.

    Raises:
        InputError: they are not; the message shows the pieces.
    """
    ids = [_label_token(tokenizer, prompt, label, special) for label in labels]
    if len(set(ids)) < len(ids):
        raise InputError(f"judge.labels: {list(labels)} are the same token; choose two words")
    return ids


def _label_token(tokenizer, prompt: str, label: str, special: bool) -> int:
    before = tokenizer(prompt, add_special_tokens=special)["input_ids"]
    after = tokenizer(prompt + label, add_special_tokens=special)["input_ids"]
    if len(after) != len(before) + 1 or after[:-1] != before:
        common = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
        pieces = [tokenizer.decode([token]) for token in after[common:]]
        raise InputError(
            f"judge.labels: {label!r} is not one token after the prompt (it becomes {pieces}); "
            "choose another word, or add or drop its leading space"
        )
    return after[-1]
