"""The interface of back ends, and their answers."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gavel.judge.prompting import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ROUNDING = 0.01  # how far the sum of probabilities in half precision may exceed 1


@dataclass(frozen=True)
class LabelProbabilities:
    """A model's answer to one judging prompt: the probabilities of the first and the second label word."""

    first: float
    second: float
    truncated: bool = False

    @property
    def valid(self) -> bool:
        """Whether both are probabilities of different tokens, up to rounding; NaN and infinity are not."""
        both = (self.first, self.second)
        return all(isinstance(value, int | float) and 0 <= value <= 1 for value in both) and sum(both) <= 1 + ROUNDING

    @property
    def probability(self) -> float:
        total = self.first + self.second
        # Both underflow only if the judge has no preference; that is 0.5.
        return self.first / total if total > 0 else 0.5

    @property
    def off_label(self) -> float:
        return max(0.0, 1 - self.first - self.second)


class Backend(ABC):
    """Answers judging prompts: a model, or reasoning around one.

    Attributes:
        chunk: number of prompts whose answers are cached together; None caches a call's answers together.
    """

    chunk: int | None = None

    @property
    @abstractmethod
    def identity(self) -> str:
        """Identifies the model and its settings: answers of another identity are never reused."""

    @property
    def tokens_read(self) -> int:
        """Prompt tokens so far, including those of shared prefixes that were not computed again."""
        return 0

    @property
    def tokens_written(self) -> int:
        """Tokens written before the label words; 0 without reasoning."""
        return 0

    @abstractmethod
    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> Sequence[LabelProbabilities | None]:
        """One answer for each judging prompt, None where it is missing. Prompts of a group share a prefix."""

    def shown(self, text: Prompt) -> str:
        """A judging prompt as the model reads it, as far as that is known here."""
        return text if isinstance(text, str) else "".join(text)

    def with_model(self, model: "PreTrainedModel") -> Self:
        """The same back end with another model of the same tokenizer, such as one that is being trained.

        Raises:
            TypeError: the back end's model does not run in this process.
        """
        raise TypeError(f"{type(self).__name__}: its model does not run in this process, so it cannot be replaced")


class Writer(Backend):
    """A back end that runs the judge's model, which answers and can also write text."""

    @abstractmethod
    def write(
        self,
        texts: Sequence[str],
        *,
        n: int,
        temperature: float,
        max_new_tokens: int,
        seed: int,
        stop: Sequence[str],
    ) -> Sequence[Sequence[str | None]]:
        """Sample `n` replies to each prompt, None where one is missing.

        Args:
            seed: with the prompt it determines all random numbers that the back end controls.
            stop: for each prompt, a text at which the reply may end; whatever comes after it is discarded.
        """

    def truncates(self, texts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """Whether `write` truncates each prompt's beginning; False behind a server, where it is unknown."""
        return [False] * len(texts)


class InProcessBackend(Writer):
    """A model in this process: its input is known exactly, and it can be trained.

    Attributes:
        tokenizer: the model's.
        chat: prompts go through its chat template.
    """

    tokenizer: "PreTrainedTokenizerBase"
    chat: bool

    @abstractmethod
    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> Sequence[LabelProbabilities]:
        """As in `Backend`; never None."""

    @abstractmethod
    def apply_template(self, text: Prompt) -> str:
        """A judging prompt as the model reads it, without what the tokenizer adds."""

    def shown(self, text: Prompt) -> str:
        """As in `Backend`, with all special tokens."""
        ids = self.tokenizer(self.apply_template(text), add_special_tokens=not self.chat)["input_ids"]
        return str(self.tokenizer.decode(ids, clean_up_tokenization_spaces=False))
