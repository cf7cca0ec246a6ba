"""A judge's model in this process: one forward pass for each solution, with shared prefixes computed once."""

import copy
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from transformers import PreTrainedModel

from gavel.common.digests import folder_digest
from gavel.common.errors import InputError
from gavel.common.log import info
from gavel.judge.backends.base import InProcessBackend, LabelProbabilities
from gavel.judge.prompting import Prompt, apply_template, check_template, label_tokens
from gavel.models import loading
from gavel.models.prefixes import next_token_probabilities
from gavel.models.sampling import sample


class LocalBackend(InProcessBackend):
    """A causal language model that is asked for the probabilities of two tokens.

    Args:
        model: hub name or local folder.
        labels: the two label words, each exactly one token after the prompt.
        example: any judging prompt (`gavel.judge.prompting.example`), to check how the label words are tokenised.
        chat: put prompts through the model's chat template as a user message.
        chat_template_kwargs: arguments of that template, such as `enable_thinking`.
        dtype: of the weights; `auto` is bfloat16 where the hardware supports it, else float32.
        max_tokens: longest prompt, at most the model's context; a longer one loses its beginning, never its end with
            the label position, and its answer is marked as truncated.
        batch_tokens: padded prompt tokens per forward pass; lower it if memory runs out.
        reuse: compute instructions and question once for all solutions; False is for comparison.
        pad_token, eos_token, revision: as for the student.

    Raises:
        InputError: model or tokenizer do not load, a label word is not one token, or the chat template opens a thought;
            later, the model returns NaN or infinite probabilities.
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
            raise InputError(f"judge.max_tokens: {max_tokens}; must be at least 1")
        self.chat, self.batch_tokens, self.reuse = chat, batch_tokens, reuse
        self.template_kwargs = dict(chat_template_kwargs or {})
        self.tokenizer = loading.load_tokenizer(model, key="judge.model", pad_token=pad_token, eos_token=eos_token)
        if chat:
            check_template(self.tokenizer, example, self.template_kwargs)
        self.labels = label_tokens(self.tokenizer, self.apply_template(example), labels, special=not chat)
        self.model = loading.load_model(model, key="judge.model", dtype=dtype, revision=revision)
        self.context = loading.context_length(self.model.config)
        self.max_tokens = min(max_tokens, self.context or max_tokens)
        if self.max_tokens < max_tokens:
            info(
                f"judge.max_tokens {max_tokens} is above the context of {model!r}; "
                f"prompts are truncated to {self.context} tokens"
            )
        self.source, self.revision = model, revision

    def with_model(self, model: PreTrainedModel) -> Self:
        """As in `gavel.judge.backends.base.Backend`."""
        backend = copy.copy(self)
        backend.model = model
        return backend

    @property
    def identity(self) -> str:
        digest = folder_digest(self.source) if Path(self.source).is_dir() else self.source
        own = f" {sorted(self.template_kwargs.items())}" if self.template_kwargs else ""
        return f"{digest} {self.revision} {self.model.dtype} {self.chat} {self.max_tokens}{own}"

    def apply_template(self, text: Prompt) -> str:
        """A judging prompt as the model reads it."""
        return apply_template(self.tokenizer, text, self.chat, self.template_kwargs)

    def longest_prompt(self, max_new_tokens: int) -> int:
        """The most tokens that a prompt may have before a reasoning of `max_new_tokens`.

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

    def truncates(self, texts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """Whether `write` truncates each prompt's beginning."""
        room = self.longest_prompt(max_new_tokens)
        shown = [self.apply_template(text) for text in texts]
        return [len(ids) > room for ids in self.tokenizer(shown, add_special_tokens=not self.chat)["input_ids"]]

    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> list[LabelProbabilities]:
        """As in `gavel.judge.backends.base.Backend`; never None."""
        encoded = [
            self.tokenizer(self.apply_template(text), add_special_tokens=not self.chat)["input_ids"] for text in texts
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
                f"judge.model: {self.source!r} in {self.model.dtype} returned NaN or infinite probabilities; "
                "set judge.dtype to float32 or bfloat16"
            )
        return [
            LabelProbabilities(first, second, len(ids) > self.max_tokens)
            for (first, second), ids in zip(probabilities.tolist(), encoded, strict=True)
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
        """As in `gavel.judge.backends.base.Writer`; never None. `stop` is unused: a reply ends at the end token."""
        groups = sample(
            self.model,
            self.tokenizer,
            [self.apply_template(text) for text in texts],
            n=n,
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            seed=seed,
            occurrences=[0] * len(texts),  # a reply does not depend on the text's place in the batch
            batch_tokens=self.batch_tokens,
            special_tokens=not self.chat,
            max_prompt_tokens=self.longest_prompt(max_new_tokens),
        )
        self.tokens_read += sum(group[0].read for group in groups)
        self.tokens_written += sum(len(reply.ids) for group in groups for reply in group)
        return [[reply.text for reply in group] for group in groups]
