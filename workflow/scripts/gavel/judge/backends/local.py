"""A judge's model in this process: one forward pass a solution, what prompts share computed once."""

import copy
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from transformers import PreTrainedModel

from gavel.common.digests import folder_digest
from gavel.common.errors import InputError
from gavel.common.log import say
from gavel.judge.backends.base import Answer, Resident
from gavel.judge.prompting import Prompt, check_template, label_tokens, templated
from gavel.models import loading
from gavel.models.prefixes import next_token_probabilities
from gavel.models.sampling import sample


class LocalBackend(Resident):
    """A causal language model that is asked for the probabilities of two tokens.

    Args:
        model: hub name or local folder.
        labels: the words for right and wrong, each one token in the place where it stands.
        example: any judging prompt (`gavel.judge.prompting.example`), to see how the labels are tokenised after it.
        chat: put prompts through the model's chat template as a user message.
        chat_template_kwargs: arguments of that template, as `enable_thinking`.
        dtype: of the weights; `auto` is bfloat16 where the processor computes in it, else float32.
        max_tokens: longest prompt, at most the model's context; of a longer one the beginning is cut, never the end
            where the label stands, and its answer says so.
        batch_tokens: tokens of padded prompts in one forward pass; lower it when memory runs out.
        reuse: compute instructions and question once for all solutions; False is for comparison.
        pad_token, eos_token, revision: as for the student.

    Raises:
        InputError: model or tokenizer do not load, a label is not one token, the chat template opens a thought, or
            later the model gives no numbers.
    """

    tokens_read = 0
    tokens_written = 0

    def __init__(
        self,
        model: str,
        labels: Sequence[str],
        *,
        example: Prompt,
        chat: bool = False,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        dtype: str = "float32",
        max_tokens: int = 2048,
        batch_tokens: int = 16384,
        reuse: bool = True,
        pad_token: str | None = None,
        eos_token: str | None = None,
        revision: str | None = None,
    ):
        if max_tokens < 1:
            raise InputError(f"judge.max_tokens: {max_tokens}; the prompt needs at least 1")
        self.chat, self.batch_tokens, self.reuse = chat, batch_tokens, reuse
        self.template_kwargs = dict(chat_template_kwargs or {})
        self.tokenizer = loading.load_tokenizer(model, key="judge.model", pad_token=pad_token, eos_token=eos_token)
        if chat:
            check_template(self.tokenizer, example, self.template_kwargs)
        self.labels = label_tokens(self.tokenizer, self.templated(example), labels, special=not chat)
        self.model = loading.load_model(model, key="judge.model", dtype=dtype, revision=revision)
        self.context = loading.context_length(self.model.config)
        self.max_tokens = min(max_tokens, self.context or max_tokens)
        if self.max_tokens < max_tokens:
            say(f"judge.max_tokens {max_tokens} is above the context of {model!r}; prompts are cut to {self.context}")
        self.source, self.revision = model, revision

    def with_model(self, model: PreTrainedModel) -> Self:
        """As `gavel.judge.backends.base.Backend` says."""
        found = copy.copy(self)
        found.model = model
        return found

    @property
    def identity(self) -> str:
        digest = folder_digest(self.source) if Path(self.source).is_dir() else self.source
        own = f" {sorted(self.template_kwargs.items())}" if self.template_kwargs else ""
        return f"{digest} {self.revision} {self.model.dtype} {self.chat} {self.max_tokens}{own}"

    def templated(self, text: Prompt) -> str:
        """A judging prompt as the model reads it."""
        return templated(self.tokenizer, text, self.chat, self.template_kwargs)

    def longest_prompt(self, max_new_tokens: int) -> int:
        """Tokens that a prompt may have before a reasoning of so many tokens.

        Raises:
            InputError: the model's context has no room for both.
        """
        room = self.max_tokens if self.context is None else min(self.max_tokens, self.context - max_new_tokens)
        if room < 1:
            raise InputError(
                f"judge.reasoning.max_new_tokens: {max_new_tokens} leaves no room for a prompt in the context of "
                f"{self.source!r}, {self.context} tokens; lower it"
            )
        return room

    def cuts(self, texts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """For each prompt whether `write` cuts its beginning."""
        room = self.longest_prompt(max_new_tokens)
        shown = [self.templated(text) for text in texts]
        return [len(ids) > room for ids in self.tokenizer(shown, add_special_tokens=not self.chat)["input_ids"]]

    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> list[Answer]:
        """As `gavel.judge.backends.base.Backend` says; never None."""
        encoded = [
            self.tokenizer(self.templated(text), add_special_tokens=not self.chat)["input_ids"] for text in texts
        ]
        kept = [ids[-self.max_tokens :] for ids in encoded]
        self.tokens_read += sum(map(len, kept))
        probabilities = next_token_probabilities(
            self.model,
            kept,
            self.labels,
            groups=groups,
            pad=self.tokenizer.pad_token_id,
            batch_tokens=self.batch_tokens,
            reuse=self.reuse,
        )
        if not torch.isfinite(probabilities).all():
            raise InputError(
                f"judge.model: {self.source!r} in {self.model.dtype} gives probabilities that are no numbers; "
                "set judge.dtype to float32 or bfloat16"
            )
        return [
            Answer(right, wrong, len(ids) > self.max_tokens)
            for (right, wrong), ids in zip(probabilities.tolist(), encoded, strict=True)
        ]

    def write(
        self,
        texts: Sequence[str],
        *,
        n: int,
        temperature: float,
        max_new_tokens: int,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> list[list[str]]:
        """See `gavel.judge.backends.base.Writer`; never None. `stop` is not used: a reply ends at the end token."""
        groups = sample(
            self.model,
            self.tokenizer,
            [self.templated(text) for text in texts],
            n=n,
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            seed=seed,
            occurrences=[0] * len(texts),  # what a judge says of a text is the same wherever the text stands
            batch_tokens=self.batch_tokens,
            special_tokens=not self.chat,
            max_prompt_tokens=self.longest_prompt(max_new_tokens),
        )
        self.tokens_read += sum(group[0].read for group in groups)
        self.tokens_written += sum(len(one.ids) for group in groups for one in group)
        return [[one.text for one in group] for group in groups]
