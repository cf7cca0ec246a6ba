"""Keep what a run's rollouts were: every completion with its reward, advantage and log-probability."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gavel.data.rollouts import RolloutStore
from gavel.training import distributed


class RewardedRollout(NamedTuple):
    """What a reward read and gave in its last call, `(N,)` each: one process's part of a rollout.

    Attributes:
        ids: of the questions; None where the data set has none.
        completions: their texts.
        token_ids: their tokens; empty if the caller did not pass them.
        lam: lambda.
        verifiable, judge: the parts of `rewards`; the judge's scores before they are centred.
        terms: the values of the user's own reward terms, one list for each completion.
    """

    ids: Sequence[str | None]
    labeled: Sequence[bool]
    completions: Sequence[str]
    token_ids: Sequence[Sequence[int]]
    lam: float
    verifiable: Sequence[float | None]
    judge: Sequence[float | None]
    terms: Sequence[Sequence[float | None]]
    rewards: Sequence[float | None]


class Missing(Protocol):
    """Counts missing rewards; `skip`: the last rollout must not update the policy."""

    skip: bool


class RecordedReward(Protocol):
    """A reward function whose rollouts can be recorded (`gavel.training.rl.rewards.MixedReward`)."""

    last: RewardedRollout | None

    @property
    def missing(self) -> Missing: ...


class RolloutRecorder(TrainerCallback):
    """Collects a rollout from the reward and from the trainer, and stores it after the last update on it.

    Each process collects its own part; the main one writes.

    Args:
        reward: of the trainer.
        updates: optimiser steps on one rollout.
        group_size: completions of each question.
    """

    def __init__(self, store: RolloutStore, reward: RecordedReward, updates: int, group_size: int):
        self.store, self.reward, self.updates, self.group_size = store, reward, updates, group_size
        self._columns: dict[str, list[Any]] | None = None  # of this process's part of the rollout

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Drop what came after the checkpoint."""
        if distributed.is_main():
            self.store.truncate(state.global_step // self.updates)

    def begin(self, output: Mapping[str, Any], global_step: int, ends: Collection[int]) -> None:
        """Record a rollout that is rewarded but not trained on yet.

        Args:
            output: what the trainer's `_generate_and_score_completions` returns.
            global_step: optimiser steps so far.
            ends: the tokens with which a completion can end.
        """
        self._columns = None
        if not self.store.keeps(global_step // self.updates + 1):
            return
        rewarded = self.reward.last
        assert rewarded is not None  # the trainer has just called it
        mask = output["completion_mask"]
        self._columns = {
            "id": list(rewarded.ids),
            "labeled": list(rewarded.labeled),
            "response": list(rewarded.completions),
            "tokens": [len(ids) for ids in rewarded.token_ids],
            "finished": [len(ids) > 0 and int(ids[-1]) in ends for ids in rewarded.token_ids],
            "lambda": [rewarded.lam] * len(mask),
            "verifiable": list(rewarded.verifiable),
            "judge": list(rewarded.judge),
            "terms": list(rewarded.terms),
            "reward": list(rewarded.rewards),
            "advantage": _token_means(output["advantages"], mask),
            "logp": [None] * len(mask),
            "skipped": [self.reward.missing.skip] * len(mask),
        }
        if (old := output.get("old_per_token_logps")) is not None:
            self.add_logps(torch.arange(len(mask)), old, mask)

    def add_logps(self, rows: torch.Tensor, logps: torch.Tensor, mask: torch.Tensor) -> None:
        """Record log-probabilities `(B, T)` of some rows `(B,)` of the rollout under the policy that sampled it."""
        if self._columns is None:
            return
        sums = (logps.detach() * mask).sum(1).tolist()
        for row, total, known in zip(rows.tolist(), sums, mask.any(1).tolist(), strict=True):
            self._columns["logp"][row] = total if known else None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        step, rest = divmod(state.global_step, self.updates)
        if rest or not self.store.keeps(step):
            return
        parts = [part for part in distributed.all_gather(self._columns) if part is not None]
        self._columns = None
        if parts and distributed.is_main():
            columns = {name: [value for part in parts for value in part[name]] for name in parts[0]}
            groups = [row // self.group_size for row in range(len(columns["id"]))]
            self.store.write(step, columns | {"group": groups})


def _token_means(values: torch.Tensor, mask: torch.Tensor) -> list[float]:
    """The mean of each completion's `(B, T)` values over its tokens, or its only value `(B,)`."""
    if values.ndim == 1:
        return values.tolist()
    return ((values * mask).sum(1) / mask.sum(1).clamp(min=1)).tolist()
