"""The single-token judge (Shen, Tu, Wang 2026, arXiv 2604.02621): one forward pass, the probability of one word.

The score is P(Yes) / (P(Yes) + P(No)) at the position after the judging prompt. The published summaries say that the
judge answers in a single token whose probability is the reward; prompt, label words and renormalisation are our choice.
"""

from collections.abc import Callable, Iterable, Sequence

import torch

from gavel import models, prompts
from gavel.errors import InputError
from gavel.judge import Verdict


class SingleTokenJudge:
    """A causal language model in this process that answers with one of two label words.

    Args:
        model: hub name or local folder.
        prompt: shipped prompt name or file with the slots `{question}` and `{solution}`.
        labels: the words for right and wrong, each one token in the place where it stands.
        chat: put the prompt through the model's chat template as a user message.
        dtype: of the weights.
        max_tokens: longest prompt; of a longer one the beginning is cut, never the end where the label stands.
        batch_tokens: tokens of padded prompts in one forward pass; lower it when memory runs out.
        pad_token, eos_token, revision: as for the student.

    Raises:
        InputError: model or tokenizer do not load, a prompt slot is missing, or a label is not one token.
    """

    def __init__(
        self,
        *,
        model: str,
        prompt: str = "judge",
        labels: Sequence[str] = (" Yes", " No"),
        chat: bool = False,
        dtype: str = "float32",
        max_tokens: int = 2048,
        batch_tokens: int = 16384,
        pad_token: str | None = None,
        eos_token: str | None = None,
        revision: str | None = None,
    ):
        self.template = prompts.load(prompt, ("question", "solution"))
        self.chat, self.max_tokens, self.batch_tokens = chat, max_tokens, batch_tokens
        self.tokenizer = models.load_tokenizer(model, key="judge.model", pad_token=pad_token, eos_token=eos_token)
        self.labels = [label_token(self.tokenizer, self.render("What is 1+1?", "2"), label) for label in labels]
        if self.labels[0] == self.labels[1]:
            raise InputError(f"judge.labels: {labels[0]!r} and {labels[1]!r} are the same token; choose two words")
        self.model = models.load_model(model, key="judge.model", dtype=dtype, revision=revision)

    def render(self, question: str, solution: str) -> str:
        """The judging prompt in words."""
        text = prompts.fill(self.template, question=question, solution=solution)
        if not self.chat:
            return text
        return self.tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )

    def verdicts(
        self,
        questions: Sequence[str],
        solutions: Sequence[str],
        progress: Callable[[Iterable], Iterable] = iter,
    ) -> list[Verdict]:
        """Score solutions; equal (question, solution) pairs are asked once."""
        pairs = list(zip(questions, solutions, strict=True))
        unique = list(dict.fromkeys(pairs))
        encoded = [self.tokenizer(self.render(*pair), add_special_tokens=not self.chat)["input_ids"] for pair in unique]
        order = sorted(range(len(unique)), key=lambda i: len(encoded[i]))
        found: dict[tuple[str, str], Verdict] = {}
        for batch in progress(self._batches(order, encoded)):
            kept = [encoded[i][-self.max_tokens :] for i in batch]
            for i, (right, wrong) in zip(batch, self._ask(kept), strict=True):
                total = right + wrong
                # Both underflow only when the judge has no opinion at all; it then pays the middle.
                value = right / total if total > 0 else 0.5
                found[unique[i]] = Verdict(value, max(0.0, 1 - total), len(encoded[i]) > self.max_tokens)
        return [found[pair] for pair in pairs]

    def _batches(self, order: list[int], encoded: list[list[int]]) -> list[list[int]]:
        batches: list[list[int]] = []
        for i in order:  # shortest first, so the newest prompt sets the width
            width = min(len(encoded[i]), self.max_tokens)
            if batches and width * (len(batches[-1]) + 1) <= self.batch_tokens:
                batches[-1].append(i)
            else:
                batches.append([i])
        return batches

    @torch.inference_mode()
    def _ask(self, rows: list[list[int]]) -> list[tuple[float, float]]:
        width, pad = max(map(len, rows)), self.tokenizer.pad_token_id
        device = self.model.device
        tokens = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = self.model(tokens, attention_mask=mask, position_ids=positions, logits_to_keep=1).logits[:, -1]
        probabilities = torch.softmax(logits.double(), dim=-1)[:, self.labels]
        return [(right, wrong) for right, wrong in probabilities.tolist()]


make = SingleTokenJudge


def label_token(tokenizer, prompt: str, label: str) -> int:
    """The id of a label word, which must be exactly one token where it stands (" Yes" and "Yes" differ).

    Raises:
        InputError: it is not; the message shows the pieces.
    """
    before = tokenizer(prompt)["input_ids"]
    after = tokenizer(prompt + label)["input_ids"]
    if len(after) != len(before) + 1 or after[:-1] != before:
        common = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
        pieces = [tokenizer.decode([token]) for token in after[common:]]
        raise InputError(
            f"judge.labels: {label!r} is not one token after the prompt (it becomes {pieces}); "
            "choose another word, or add or drop its leading space"
        )
    return after[-1]
