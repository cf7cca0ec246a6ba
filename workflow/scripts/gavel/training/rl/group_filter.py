"""Replace the groups of a rollout that carry no signal by groups of other questions, before the policy learns.

A group is the completions of one question. If all of them are correct, or none is, a group-relative algorithm has
nothing to learn from correctness. DAPO calls drawing other questions in their place dynamic sampling.

`by: outcome` looks at correctness. `by: spread` looks at the rewards, which misleads if they are shaped: partial
credit, a length penalty, a term of the user's own or a judge's probabilities give different rewards to completions that
are all wrong. Such a group passes, and the policy learns from differences that have nothing to do with correctness.
"""

import random
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trl import GRPOTrainer

from gavel.models.sampling import Sample
from gavel.training import distributed
from gavel.training.rl.reward_parts import FilteredParts, RewardParts
from gavel.training.rl.rewards import MixedReward
from gavel.training.rl.rollout import Rollout
from gavel.training.rl.settings import GroupFilterSettings

Row = Mapping[str, Any]  # a `PoolQuestion` with its `prompt`, as TRL's data set has it


def has_signal(settings: GroupFilterSettings, parts: RewardParts, rewards: Sequence[float | None]) -> bool:
    """Whether a group passes; one with a missing reward does, since that says nothing about its question.

    Args:
        parts: of the group's completions. Where the question has no label, the judge's verdict stands for correctness;
            a group passes if the judge gives none, because it only compares.
    """
    if None in rewards:
        return True
    if settings.by == "spread":
        return statistics.pstdev(value for value in rewards if value is not None) > settings.min_spread
    outcomes = parts.accepted if None in parts.correct else parts.correct
    return None in outcomes or len(set(outcomes)) > 1


@dataclass
class _Group:
    """A place in the rollout: its question now, and what was sampled for it."""

    row: Row
    samples: list[Sample]
    parts: RewardParts
    passes: bool


class FilteredRollout:
    """TRL's `rollout_func`: the completions of questions that pass the filter.

    Every random number depends on the seed and the step, so a resumed run draws the same questions. Several processes
    draw what a single one would, since each takes its part of the same order.

    Args:
        pools: the questions to draw from, by whether they are labelled; a question is replaced by one of its pool.
        seed: of the run.
    """

    def __init__(
        self,
        rollout: Rollout,
        reward: MixedReward,
        settings: GroupFilterSettings,
        pools: Mapping[bool, Sequence[Row]],
        seed: int,
    ):
        self.rollout, self.reward, self.settings, self.seed = rollout, reward, settings, seed
        self.pools = {labeled: list({row["prompt"]: row for row in pool}.values()) for labeled, pool in pools.items()}
        self._groups: list[_Group] = []

    def choose(self, rows: Sequence[Row], trainer: GRPOTrainer) -> list[dict[str, Any]]:
        """Sample, reward and filter a rollout; every process must call this.

        Args:
            rows: this process's part, each question as often as it has completions.

        Returns:
            The rows of the questions that the policy learns from, as many. Groups that do not pass after the last
            redraw are left out of the update.
        """
        size, rank = trainer.num_generations, distributed.rank()
        questions = rows[::size]
        everyone = distributed.all_gather([row["prompt"] for row in questions])
        groups = self._draw(questions, trainer, [text for part in everyone[:rank] for text in part])
        spent = [group.parts for group in groups]
        spare = self._spare(self.rollout.step(trainer), {text for part in everyone for text in part})
        redrawn = 0
        for _ in range(self.settings.redraws):
            failed = [place for place, group in enumerate(groups) if not group.passes]
            wanted = distributed.all_gather([bool(groups[place].row["labeled"]) for place in failed])
            found = [[next(spare[labeled], None) for labeled in part] for part in wanted]
            drawn = sum(row is not None for part in found for row in part)
            if not drawn:
                break
            redrawn += drawn
            replaced = {place: row for place, row in zip(failed, found[rank], strict=True) if row is not None}
            for place, group in zip(replaced, self._draw(list(replaced.values()), trainer), strict=True):
                groups[place] = group
                spent.append(group.parts)
        left_out = [place for place, group in enumerate(groups) if not group.passes]
        self._groups = groups
        self.reward.take(
            FilteredParts(
                RewardParts.join([group.parts for group in groups]),
                frozenset(place * size + member for place in left_out for member in range(size)),
                sum(parts.judge_tokens for parts in spent),
                {"groups_redrawn": redrawn, "groups_left_out": distributed.mean(len(left_out) / len(groups))},
            )
        )
        return [dict(group.row) for group in groups for _ in range(size)]

    def __call__(self, texts: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        """The completions that `choose` has sampled for these prompts."""
        return self.rollout.output(texts[:: trainer.num_generations], [one.samples for one in self._groups], trainer)

    def _draw(self, rows: Sequence[Row], trainer: GRPOTrainer, before: Sequence[str] = ()) -> list[_Group]:
        """Sample and reward a group for each row; `before`: prompts that come before them in the rollout."""
        samples = self.rollout.sample([row["prompt"] for row in rows], trainer, before)
        if not rows:
            return []
        texts = [one.text for group in samples for one in group]
        ids = [one.ids for group in samples for one in group]
        questions, golds = ([row[key] for row in rows for _ in samples[0]] for key in ("question", "gold"))
        parts = self.reward.parts(texts, questions, golds)
        rewards = self.reward.mixed(parts, questions, golds, ids, self.reward.lam(trainer.state.global_step))
        groups = []
        for number, (row, group, own) in enumerate(zip(rows, samples, parts.split(len(rows)), strict=True)):
            first = number * len(group)
            passes = has_signal(self.settings, own, rewards[first : first + len(group)])
            groups.append(_Group(row, group, own, passes))
        return groups

    def _spare(self, step: int, asked: Collection[str]) -> dict[bool, Iterator[Row]]:
        """The questions to draw at a step, in order and each once: those of the pools that the step does not ask."""
        spare = {}
        for labeled, pool in self.pools.items():
            order = [row for row in pool if row["prompt"] not in asked]
            random.Random(f"{self.seed}-spare-{labeled}-{step}").shuffle(order)
            spare[labeled] = iter(order)
        return spare
