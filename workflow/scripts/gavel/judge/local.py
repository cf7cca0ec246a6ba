"""A judge's model in this process: one forward pass a solution, what prompts share computed once."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

import torch

from gavel import models
from gavel.errors import InputError
from gavel.judge.asking import Answer
from gavel.judge.labels import label_tokens, templated
from gavel.judge.phrasings import Prompt
from gavel.prefixes import next_token_probabilities
from gavel.provenance import folder_digest
from gavel.sampling import sample


class LocalBackend:
    """A causal language model that is asked for the probabilities of two tokens.

    Args:
        model: hub name or local folder.
        labels: the words for right and wrong, each one token in the place where it stands.
        example: any judging prompt (`asking.example`), to see how the labels are tokenised after it.
        chat: put prompts through the model's chat template as a user message.
        dtype: of the weights; `auto` is bfloat16 where the processor computes in it, else float32.
        max_tokens: longest prompt; of a longer one the beginning is cut, never the end where the label stands.
        batch_tokens: tokens of padded prompts in one forward pass; lower it when memory runs out.
        reuse: compute instructions and question once for all solutions; False is for comparison.
        pad_token, eos_token, revision: as for the student.

    Raises:
        InputError: model or tokenizer do not load, a label is not one token, or later the model gives no numbers.
    """

    def __init__(
        self,
        model: str,
        labels: Sequence[str],
        *,
        example: Prompt,
        chat: bool = False,
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
        self.chat, self.max_tokens, self.batch_tokens, self.reuse = chat, max_tokens, batch_tokens, reuse
        self.tokenizer = models.load_tokenizer(model, key="judge.model", pad_token=pad_token, eos_token=eos_token)
        self.labels = label_tokens(self.tokenizer, templated(self.tokenizer, example, chat), labels, special=not chat)
        self.model = models.load_model(model, key="judge.model", dtype=dtype, revision=revision)
        self.source, self.revision = model, revision
        self.tokens_read = self.tokens_written = 0

    @property
    def identity(self) -> str:
        digest = folder_digest(self.source) if Path(self.source).is_dir() else self.source
        return f"{digest} {self.revision} {self.model.dtype} {self.chat} {self.max_tokens}"

    def templated(self, text: Prompt) -> str:
        """A judging prompt as the model reads it."""
        return templated(self.tokenizer, text, self.chat)

    def answers(
        self, texts: Sequence[Prompt], groups: Sequence[Hashable], progress: Callable[[Iterable], Iterable] = iter
    ) -> list[Answer]:
        """As `gavel.judge.asking.Backend` says; never None."""
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
            progress=progress,
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
        progress: Callable[[Iterable], Iterable] = iter,
    ) -> list[list[str]]:
        """As `gavel.judge.asking.Writer` says; never None. `stop` is not heeded: a reply ends at the end token."""
        drawn = sample(
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
            max_prompt_tokens=self.max_tokens,
            progress=progress,
        )
        self.tokens_read += sum(group[0].read for group in drawn)
        self.tokens_written += sum(len(one.ids) for group in drawn for one in group)
        return [[one.text for one in group] for group in drawn]
