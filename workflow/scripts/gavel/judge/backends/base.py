"""What a back end answers."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gavel.judge.prompting import Prompt

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


class Backend(Protocol):
    """What answers judging prompts: a model, or a reasoning around one."""

    identity: str  # of what answers: another model has another one

    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> list[Answer | None]:
        """One answer a judging prompt, None where none could be had. Prompts of a group share their beginning."""


class Writer(Backend, Protocol):
    """Where the judge's model runs: it answers, and can also write.

    Attributes:
        tokens_read: of prompts so far, whether computed anew or not.
        tokens_written: before the label words; 0 of a model that was only asked to answer.
    """

    tokens_read: int
    tokens_written: int

    def write(
        self,
        texts: Sequence[str],
        *,
        n: int,
        temperature: float,
        max_new_tokens: int,
        seed: int,
        stop: Sequence[str],
    ) -> list[list[str | None]]:
        """`n` replies to each prompt, None where one could not be had.

        Args:
            seed: with the prompt it decides all random numbers, as far as they are the back end's own.
            stop: for each prompt, a text at which the reply may end; what comes after it is of no use.
        """
