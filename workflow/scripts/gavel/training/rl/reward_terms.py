"""Reward terms of the user's own: Python functions that the config's `rl.reward_terms` names as `file.py:function`."""

import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from gavel.common.errors import InputError, first_line
from gavel.common.own_functions import failed_line, load_function

# Questions, completions and gold answers, `(N,)` each -> a number for each completion, or None where it has none. The
# gold answer is None for a completion of an unlabelled question, and for all at lambda 0.
Function = Callable[[list[str], list[str], list[str | None]], Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class RewardTermSettings:
    """One of the config's `rl.reward_terms`.

    Attributes:
        file: path and function, `my_terms.py:brevity`.
        weight: of its values in the reward.
    """

    file: str
    weight: float

    @property
    def name(self) -> str:
        """The function's."""
        return self.file.rpartition(":")[2]

    @property
    def path(self) -> str:
        return self.file.rpartition(":")[0]


@dataclass(frozen=True)
class RewardTerm:
    """A function whose values are part of the rewards.

    Attributes:
        path: of its file, for messages.
    """

    name: str
    path: str
    function: Function

    @classmethod
    def load(cls, settings: RewardTermSettings) -> Self:
        """Run the file and take the function from it.

        Raises:
            InputError: the file is missing, fails, or has no such function.
        """
        path, name = settings.path, settings.name
        return cls(name, path, load_function(path, name, "rl.reward_terms"))

    def __call__(
        self, questions: Sequence[str], completions: Sequence[str], golds: Sequence[str | None]
    ) -> list[float | None]:
        """The function's values, `(N,)`.

        Raises:
            InputError: it raised, or did not return a finite number or None for each completion; with file and line.
        """
        try:
            values = list(self.function(list(questions), list(completions), list(golds)))
        except Exception as error:
            raise InputError(
                f"{failed_line(error, self.path)}: the reward term {self.name!r} raised {first_line(error)}"
            ) from error
        if len(values) != len(completions):
            raise InputError(
                f"{self._place}: the reward term {self.name!r} returned {len(values)} values for {len(completions)} "
                "completions; return one for each"
            )
        return [self._number(value) for value in values]

    def _number(self, value: Any) -> float | None:
        if value is None:
            return None
        if not isinstance(value, numbers.Real) or not math.isfinite(value):
            raise InputError(
                f"{self._place}: the reward term {self.name!r} returned {value!r}; return a finite number for each "
                "completion, or None where its reward is unknown"
            )
        return float(value)

    @property
    def _place(self) -> str:
        """File and line of the function."""
        code = getattr(self.function, "__code__", None)
        return f"{self.path}:{code.co_firstlineno}" if code else self.path


def add_terms(
    rewards: Sequence[float | None], terms: Sequence[Sequence[float | None]], weights: Sequence[float]
) -> list[float | None]:
    """Each reward plus its weighted terms; missing if it or one of them is missing.

    Args:
        terms: the terms of each completion, `(N, len(weights))`.
    """
    found: list[float | None] = []
    for reward, values in zip(rewards, terms, strict=True):
        for value, weight in zip(values, weights, strict=True):
            reward = None if reward is None or value is None else reward + weight * value
        found.append(reward)
    return found
