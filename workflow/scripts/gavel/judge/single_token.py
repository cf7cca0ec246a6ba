"""The single-token judge (Shen, Tu, Wang 2026, arXiv 2604.02621): one forward pass, the probability of one word.

The score is P(Yes) / (P(Yes) + P(No)) at the position after the judging prompt. The published summaries say that the
judge answers in a single token whose probability is the reward; prompt, label words and renormalisation are our choice.
"""

from collections.abc import Callable, Iterable, Sequence

from gavel import models, prompts
from gavel.errors import InputError
from gavel.judge import Verdict
from gavel.prefixes import next_token_probabilities


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
        reuse: compute instructions and question once for all solutions; False is for comparison.
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
        reuse: bool = True,
        pad_token: str | None = None,
        eos_token: str | None = None,
        revision: str | None = None,
    ):
        self.template = prompts.load(prompt, ("question", "solution"))
        self.chat, self.max_tokens, self.batch_tokens, self.reuse = chat, max_tokens, batch_tokens, reuse
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
        probabilities = next_token_probabilities(
            self.model,
            [ids[-self.max_tokens :] for ids in encoded],
            self.labels,
            groups=[question for question, _ in unique],
            pad=self.tokenizer.pad_token_id,
            batch_tokens=self.batch_tokens,
            reuse=self.reuse,
            progress=progress,
        )
        found = {
            pair: Verdict(*_score(right, wrong), len(ids) > self.max_tokens)
            for pair, (right, wrong), ids in zip(unique, probabilities.tolist(), encoded, strict=True)
        }
        return [found[pair] for pair in pairs]


def _score(right: float, wrong: float) -> tuple[float, float]:
    """The judge's score and its off-label mass, from the two labels' probabilities."""
    total = right + wrong
    # Both underflow only when the judge has no opinion at all; it then pays the middle.
    return (right / total if total > 0 else 0.5), max(0.0, 1 - total)


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
