"""Reward terms of the user's own: Python functions that the config's `rl.reward_terms` names as `file.py:function`."""

import importlib.util
import math
import numbers
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gavel.common.errors import InputError

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
        path, name = Path(settings.path), settings.name
        spec = importlib.util.spec_from_file_location(f"gavel_reward_terms.{path.stem}", path)
        if not path.is_file() or spec is None or spec.loader is None:
            raise InputError(
                f"rl.reward_terms: {path} is no Python file; name a file and a function, my_terms.py:brevity"
            )
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up there
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise InputError(f"rl.reward_terms: {_line(error, path)}: {type(error).__name__}: {error}") from error
        function = getattr(module, name, None)
        if not callable(function):
            there = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
            raise InputError(f"rl.reward_terms: {path} has no function {name!r} (it has {', '.join(there) or 'none'})")
        return cls(name, str(path), function)

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
                f"{_line(error, Path(self.path))}: the reward term {self.name!r} raised {type(error).__name__}: {error}"
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


def _line(error: Exception, path: Path) -> str:
    """The last line of the file that an error went through."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}"
    frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f"{path}:{frames[-1]}" if frames else str(path)


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
