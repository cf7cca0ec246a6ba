"""The parts that rewards are made of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self


@dataclass(frozen=True)
class RewardParts:
    """The parts of the rewards of completions `(N,)`; None where there is none or it is missing.

    Attributes:
        correct: the verifier's verdicts on completions of labelled questions.
        verifiable: verifiable rewards.
        judge: the judge's scores, before they are centred.
        accepted: whether the judge accepts them; None from a judge that only compares.
        truncated: whether the judging prompt was cut.
        terms: the values of the user's own terms, one list for each completion.
        judge_tokens: that the judge read and wrote for all of them.
    """

    correct: list[bool | None]
    verifiable: list[float | None]
    judge: list[float | None]
    accepted: list[bool | None]
    truncated: list[bool]
    terms: list[list[float | None]]
    judge_tokens: int = 0

    @classmethod
    def join(cls, groups: Sequence[Self]) -> Self:
        """The parts of several groups as one."""
        columns = [group._columns() for group in groups]
        together = {name: [value for each in columns for value in each[name]] for name in columns[0]}
        return cls(**together, judge_tokens=sum(group.judge_tokens for group in groups))

    def split(self, count: int) -> list[Self]:
        """The parts of `count` groups of the same size; the first one has all tokens."""
        size = len(self.judge) // count
        found = []
        for first in range(0, len(self.judge), size):
            columns = {name: values[first : first + size] for name, values in self._columns().items()}
            found.append(type(self)(**columns, judge_tokens=0 if first else self.judge_tokens))
        return found

    def _columns(self) -> dict[str, list[Any]]:
        return {name: value for name, value in vars(self).items() if isinstance(value, list)}


class FilteredParts(NamedTuple):
    """A rollout that a group filter has rewarded already.

    Attributes:
        left_out: places of completions that must not update the policy.
        judge_tokens: for all completions, those that were replaced too.
        logged: metrics of the filter.
    """

    parts: RewardParts
    left_out: Collection[int]
    judge_tokens: int
    logged: Mapping[str, float]
