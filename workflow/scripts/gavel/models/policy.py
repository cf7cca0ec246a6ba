"""A policy: a causal language model that answers questions."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.sampling import Sample, sample
from gavel.models.task import Task


@dataclass(frozen=True)
class Policy:
    """A model with its tokenizer.

    Attributes:
        limits: batch limits (`gavel.models.limits.limits`); by default those of `gavel.models.sampling.sample`. They
            do not change the responses.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def load(cls, folder: str, student: Student, task: Task, limits: Limits | None = None) -> Self:
        """Load a checkpoint of the student, with the tokenizer for its task (`gavel.models.task.Task.load_tokenizer`).

        Raises:
            InputError: the weights or the tokenizer cannot be loaded, or the task needs a chat template that does not
                work.
        """
        return cls(student.load_model(folder), task.load_tokenizer(student, folder), limits or {})

    def solve(
        self,
        questions: Iterable[str],
        task: Task,
        *,
        n: int = 1,
        temperature: float = 0.0,
        greedy: bool = False,
        seed: int = 0,
    ) -> list[list[Sample]]:
        """Sample `n` responses to each question, with `gavel.models.sampling.sample`.

        Args:
            temperature: 0 takes the most probable token (then `n` must be 1).
            greedy: also give the greedy response, before the samples.
            seed: together with a prompt's text and occurrence, it determines all random numbers.

        Returns:
            One list for each question, in the order of `questions`: the greedy response if asked for, and `n` samples.

        Raises:
            InputError: the task's prompt cannot be read, or its chat template fails.
            ValueError: `n > 1` at temperature 0.
        """
        return sample(
            self.model,
            self.tokenizer,
            task.prompts(questions, self.tokenizer),
            n=n,
            temperature=temperature,
            greedy=greedy,
            max_new_tokens=task.max_new_tokens,
            seed=seed,
            special_tokens=task.special_tokens,
            **self.limits,
        )
