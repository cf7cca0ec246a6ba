"""What a back end answers."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gavel.judge.prompting import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ROUNDING = 0.01  # by which probabilities in half precision may add up to more than 1


@dataclass(frozen=True)
class Answer:
    """What a model answers to one judging prompt: the probabilities of the two label words."""

    right: float
    wrong: float
    truncated: bool = False

    @property
    def valid(self) -> bool:
        """Whether both are probabilities of different tokens, up to rounding; a NaN or an infinite one is not."""
        both = (self.right, self.wrong)
        return all(isinstance(value, int | float) and 0 <= value <= 1 for value in both) and sum(both) <= 1 + ROUNDING

    @property
    def probability(self) -> float:
        total = self.right + self.wrong
        # Both underflow only when the judge has no opinion at all; it then gives the middle.
        return self.right / total if total > 0 else 0.5

    @property
    def off_label(self) -> float:
        return max(0.0, 1 - self.right - self.wrong)


class Backend(ABC):
    """What answers judging prompts: a model, or a reasoning around one.

    Attributes:
        chunk: prompts whose answers are kept together; None keeps those of a call together.
    """

    chunk: int | None = None

    @property
    @abstractmethod
    def identity(self) -> str:
        """Of what answers: another model has another one."""

    @property
    def tokens_read(self) -> int:
        """Tokens of prompts so far, whether computed anew or not."""
        return 0

    @property
    def tokens_written(self) -> int:
        """Tokens before the label words; 0 of a model that was only asked to answer."""
        return 0

    @abstractmethod
    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> Sequence[Answer | None]:
        """One answer a judging prompt, None where none could be had. Prompts of a group share their beginning."""

    def with_model(self, model: "PreTrainedModel") -> Self:
        """The same back end with another model of the same tokenizer, such as one that is being trained.

        Raises:
            TypeError: this one's model does not run in this process.
        """
        raise TypeError(f"{type(self).__name__}: its model does not run here, so no other one can take its place")


class Writer(Backend):
    """Where the judge's model runs: it answers, and can also write."""

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
        """`n` replies to each prompt, None where one could not be had.

        Args:
            seed: with the prompt it decides all random numbers, as far as they are the back end's own.
            stop: for each prompt, a text at which the reply may end; what comes after it is of no use.
        """

    def cuts(self, texts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """For each prompt whether `write` cuts its beginning, as far as that is known: behind a server it is not."""
        return [False] * len(texts)


class Resident(Writer):
    """A model in this process: it is known what the model reads, and it can be trained.

    Attributes:
        tokenizer: the model's.
        chat: prompts are put through its chat template.
    """

    tokenizer: "PreTrainedTokenizerBase"
    chat: bool

    @abstractmethod
    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> Sequence[Answer]:
        """As `Backend` says; never None."""

    @abstractmethod
    def templated(self, text: Prompt) -> str:
        """A judging prompt as the model reads it."""
