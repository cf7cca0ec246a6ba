"""Rewards: the verifiable reward, mixed with the judge's. The only place where the two meet."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gavel.common.errors import InputError
from gavel.common.log import info
from gavel.judge.verdict import Judge
from gavel.judge.verdict import rewards as judge_rewards
from gavel.solutions.verifier import verify
from gavel.training import distributed
from gavel.training.rl.reward_parts import FilteredParts, RewardParts
from gavel.training.rl.reward_terms import RewardTerm, add_terms
from gavel.training.rl.rollout_recorder import RewardedRollout

Log = Callable[[str, float], object]  # TRL's function that logs a metric of the step


def mix(verifiable: float | None, judged: float | None, lam: float, uses_label: bool) -> float | None:
    """One completion's reward from its parts.

    With `uses_label` it is `lam * verifiable + (1 - lam) * judged`, otherwise `judged`. A part with weight 0 is
    ignored, even if missing. A part that is needed and missing makes the reward None, never 0. The published summaries
    of arXiv 2604.02621 give lambda's role but not the formula: this is our reading.

    Args:
        verifiable: verifiable reward in [0, 1]; None without a label, or if the completion could not be verified.
        judged: the judge's score; None if the judge could not be asked. It is in [0, 1] unless `judge.score` is
            log-odds, whose range (-10 to 10) outweighs `verifiable` unless lambda is large.
        lam: lambda, the weight of the verifiable reward, in [0, 1].
        uses_label: whether the question has a label that the run uses; a run at lambda 0 uses none.

    Raises:
        ValueError: `lam` is outside [0, 1].
    """
    if not 0 <= lam <= 1:
        raise ValueError(f"lambda={lam} is outside [0, 1]")
    if lam == 0 or not uses_label:
        return judged
    if lam == 1:
        return verifiable
    return None if verifiable is None or judged is None else lam * verifiable + (1 - lam) * judged


class LambdaSchedule:
    """Lambda over the rollouts of one run.

    It moves linearly from `start` to the run's own value and stays there; a reaction to a collapse may raise it
    permanently. At 0 and 1 it is constant whatever `start` is: those runs are the baselines that read no gold answer
    and ask no judge.

    Args:
        lam: the run's lambda, in [0, 1].
        start: lambda of the first rollout; None starts at `lam`.
        steps: the rollout (counted from 1) that first has `lam`.

    Attributes:
        minimum: the value that lambda was raised to; it never falls below that again.
    """

    def __init__(self, lam: float, start: float | None = None, steps: int = 1):
        self.lam, self.steps, self.minimum = lam, steps, 0.0
        self.start = lam if start is None or lam in (0, 1) else start

    def at(self, step: int) -> float:
        """Lambda of a rollout, counted from 0."""
        moved = min(1.0, step / (self.steps - 1)) if self.steps > 1 else 1.0
        return max(self.minimum, self.start + moved * (self.lam - self.start))

    def raise_to(self, minimum: float) -> None:
        """Keep lambda at or above this from now on."""
        self.minimum = minimum

    @property
    def constant(self) -> bool:
        return self.start == self.lam and self.minimum <= self.lam


def verifiable_reward(answer: str | None, correct: bool, partial: float = 0.1) -> float:
    """1 for a correct answer, `partial` for a wrong one, 0 for none (ReFT, Luong et al. 2024: 0.1)."""
    if answer is None:
        return 0.0
    return 1.0 if correct else partial


def center_scores(scores: Sequence[float | None], questions: Sequence[str]) -> list[float | None]:
    """Each score minus the mean of its question's scores; a missing one stays missing and does not count."""
    known: dict[str, list[float]] = {}
    for score, question in zip(scores, questions, strict=True):
        if score is not None:
            known.setdefault(question, []).append(score)
    means = {question: statistics.fmean(values) for question, values in known.items()}
    return [
        None if score is None else score - means[question] for score, question in zip(scores, questions, strict=True)
    ]


def penalize_length(
    rewards: Sequence[float | None], completions: Sequence[Sequence[int]], per_token: float
) -> list[float | None]:
    """Each reward minus the penalty for its completion's tokens; a missing one stays missing."""
    return [
        None if reward is None else reward - per_token * len(ids)
        for reward, ids in zip(rewards, completions, strict=True)
    ]


class MissingRewards:
    """Counts missing rewards: the judge gave no answer, or a program did not run.

    Args:
        max_fraction: fraction of missing rewards above which a rollout must not update the policy.
        max_skipped: maximum number of such rollouts in a row; more end the job, because the judge is down, not busy.

    Attributes:
        fraction: of the last rollout's rewards that are missing, over all processes.
        skip: whether the last rollout must not update the policy.
        skipped: such rollouts in a row.
    """

    def __init__(self, max_fraction: float, max_skipped: int = 3):
        self.max_fraction, self.max_skipped = max_fraction, max_skipped
        self.fraction, self.skip, self.skipped = 0.0, False, 0

    def count(self, rewards: Sequence[float | None], not_run: int) -> None:
        """Count a rollout's missing rewards; every process must call this.

        Args:
            not_run: number of this process's programs that did not run.

        Raises:
            InputError: too many rewards were missing in too many rollouts in a row.
        """
        self.fraction = distributed.mean(sum(reward is None for reward in rewards) / len(rewards))
        self.skip = self.fraction > self.max_fraction
        self.skipped = self.skipped + 1 if self.skip else 0
        if self.skipped > self.max_skipped:
            why = "the judge could not be asked"
            if distributed.mean(not_run) > 0:
                why = "the judge could not be asked, or programs did not run within solution.batch_seconds"
            raise InputError(
                f"{why}: {self.fraction:.0%} of the rewards are missing, and too many were in {self.skipped} steps in "
                "a row (the log has the reason); rerun the same command to resume from the last checkpoint"
            )


@dataclass(frozen=True)
class RewardRules:
    """How the parts of a reward are computed, whatever lambda is.

    Attributes:
        format: of the completions, `program` or `text`.
        partial: reward of a wrong answer.
        center_judge: subtract from the judge's score its mean over the question's completions.
        per_token: length penalty for each token of a completion.
        answer_type: type of the gold answers (`gavel.solutions.answer_types`).
        weights: of the user's own reward terms, which are added last.
    """

    format: Literal["program", "text"]
    partial: float = 0.1
    center_judge: bool = False
    per_token: float = 0.0
    answer_type: str = "number"
    weights: tuple[float, ...] = ()


class MixedReward:
    """The only reward function that a TRL trainer gets.

    TRL would score a missing part of several reward functions as 0, so the mixed reward is computed here. Each call is
    one rollout; means and spreads of the parts are logged for labelled and unlabelled questions separately.

    Args:
        schedule: lambda over the run; a run at 1 never asks the judge, one at 0 never reads a gold answer.
        judge: may be None only at lambda 1.
        missing: counts missing rewards.
        updates: optimiser steps on one rollout, to convert TRL's steps into rollouts.
        terms: the user's own; their weights are those of `rules`.

    Attributes:
        last: the last call's rewards with their parts; None before the first one.
    """

    __name__ = "mixed"

    def __init__(
        self,
        schedule: LambdaSchedule,
        judge: Judge | None,
        rules: RewardRules,
        missing: MissingRewards,
        updates: int = 1,
        terms: Sequence[RewardTerm] = (),
    ):
        if judge is None and schedule.lam < 1:
            raise ValueError(f"lambda={schedule.lam} needs a judge")
        self.schedule, self.rules, self.missing, self.updates = schedule, rules, missing, updates
        self.judge = judge if schedule.lam < 1 else None
        self.terms = tuple(terms)
        self.last: RewardedRollout | None = None
        self._taken: FilteredParts | None = None

    def __call__(
        self, completions: Sequence[str], question: Sequence[str], gold: Sequence[str | None], **trl: Any
    ) -> list[float | None]:
        """Rewards `(N,)` for completions of questions; `gold` is None where a question has no label."""
        state = trl.get("trainer_state")
        lam = self.lam(state.global_step if state else 0)
        token_ids = trl.get("completion_ids", ())
        taken, self._taken = self._taken, None
        parts = taken.parts if taken else self.parts(completions, question, gold)
        rewards = self.mixed(parts, question, gold, token_ids, lam)
        labeled = trl.get("labeled", [one is not None for one in gold])
        ids = trl.get("id", [None] * len(rewards))
        self.last = RewardedRollout(
            ids, labeled, completions, token_ids, lam, parts.verifiable, parts.judge, parts.terms, rewards
        )
        uses_label = self._uses_label(gold)
        not_run = sum(uses and value is None for value, uses in zip(parts.verifiable, uses_label, strict=True))
        self.missing.count(rewards, not_run)
        tokens = taken.judge_tokens if taken else parts.judge_tokens
        spent = distributed.mean(tokens) * distributed.processes()
        cut = distributed.mean(sum(parts.truncated) / len(rewards))
        if log := trl.get("log_metric"):
            log("judge_tokens", spent)
            if cut:
                log("judge_truncated", cut)
            self._log_rollout(log, lam, not_run)
            log_parts(log, labeled, judge=parts.judge, verifiable=parts.verifiable, reward=rewards)
            for place, term in enumerate(self.terms):
                log_parts(log, labeled, **{f"term_{term.name}": [values[place] for values in parts.terms]})
            if (spread := group_spread(rewards, question)) is not None:
                log("reward_group_std", spread)
            for name, value in (taken.logged if taken else {}).items():
                log(name, value)
        left_out = taken.left_out if taken else ()
        return [None if place in left_out else reward for place, reward in enumerate(rewards)]

    def take(self, rollout: FilteredParts) -> None:
        """Use these parts in the next call, whose completions they belong to."""
        self._taken = rollout

    def lam(self, global_step: int) -> float:
        """Lambda at one of the trainer's steps."""
        return self.schedule.at(global_step // self.updates)

    def parts(self, completions: Sequence[str], question: Sequence[str], gold: Sequence[str | None]) -> RewardParts:
        """Verify and judge completions of whole groups, and compute the user's own terms.

        Raises:
            InputError: one of the terms failed.
        """
        correct, verifiable = self._verified(completions, gold)
        values = [term(question, completions, gold) for term in self.terms]
        terms = [list(each) for each in zip(*values, strict=True)] if values else [[] for _ in completions]
        if self.judge is None:
            nothing = [None] * len(completions)
            return RewardParts(correct, verifiable, [*nothing], [*nothing], [False] * len(completions), terms)
        before = self.judge.usage
        verdicts = self.judge.verdicts(question, completions)
        scores = judge_rewards(self.judge, verdicts)
        accepted = [None if verdict.score is None else verdict.says_right for verdict in verdicts]
        truncated = [verdict.truncated for verdict in verdicts]
        spent = self.judge.usage.since(before).tokens
        return RewardParts(correct, verifiable, scores, accepted, truncated, terms, spent)

    def mixed(
        self,
        parts: RewardParts,
        question: Sequence[str],
        gold: Sequence[str | None],
        token_ids: Sequence[Sequence[int]],
        lam: float,
    ) -> list[float | None]:
        """The rewards that are made of the parts; `token_ids` are those of the completions, for a length penalty."""
        judged = center_scores(parts.judge, question) if self.rules.center_judge else parts.judge
        each = zip(parts.verifiable, judged, self._uses_label(gold), strict=True)
        rewards = [mix(value, score, lam, uses) for value, score, uses in each]
        if self.rules.per_token:
            rewards = penalize_length(rewards, token_ids, self.rules.per_token)
        return add_terms(rewards, parts.terms, self.rules.weights)

    def _uses_label(self, gold: Sequence[str | None]) -> list[bool]:
        """Whether each reward uses a label; at lambda 0 none does, and so none is missing."""
        return [one is not None and self.schedule.lam > 0 for one in gold]

    def _verified(
        self, completions: Sequence[str], gold: Sequence[str | None]
    ) -> tuple[list[bool | None], list[float | None]]:
        """The verifier's verdicts and the verifiable rewards."""
        correct: list[bool | None] = [None] * len(completions)
        values: list[float | None] = [None] * len(completions)
        if self.schedule.lam == 0:
            return correct, values
        known = {i: one for i, one in enumerate(gold) if one is not None}
        answers, verdicts = verify(
            [completions[i] for i in known], list(known.values()), self.rules.format, self.rules.answer_type
        )
        for i, answer, right in zip(known, answers, verdicts, strict=True):
            if right is not None:  # else the program did not run
                correct[i], values[i] = right, verifiable_reward(answer, right, self.rules.partial)
        return correct, values

    def _log_rollout(self, log: Log, lam: float, not_run: int) -> None:
        log("missing", self.missing.fraction)
        if lost := distributed.mean(not_run):
            log("not_run", lost * distributed.processes())
        if not self.schedule.constant:
            log("lambda", lam)
        if self.judge is not None and (usage := self.judge.usage).prompts:
            log("judge_cached", usage.cached / usage.prompts)


def log_parts(log: Log, labeled: Sequence[bool], **parts: Sequence[float | None]) -> None:
    """Log mean and spread of each part of a rollout's rewards, for labelled and unlabelled questions separately."""
    for name, values in parts.items():
        for pool in (True, False):
            part = [x for x, here in zip(values, labeled, strict=True) if here == pool and x is not None]
            if part:
                suffix = "labeled" if pool else "unlabeled"
                log(f"{name}_{suffix}", statistics.fmean(part))
                log(f"{name}_{suffix}_std", statistics.pstdev(part))


def group_spread(rewards: Sequence[float | None], questions: Sequence[str]) -> float | None:
    """The standard deviation of the rewards within a group, mean over groups; None if no group has two rewards."""
    groups = [
        [reward for _, reward in rows if reward is not None]
        for _, rows in groupby(zip(questions, rewards, strict=True), key=lambda row: row[0])
    ]
    spreads = [statistics.pstdev(group) for group in groups if len(group) > 1]
    return statistics.fmean(spreads) if spreads else None


class SkipMissingRewards(TrainerCallback):
    """Zeroes the gradients of a step with too many missing rewards, so that nothing moves."""

    def __init__(self, missing: MissingRewards):
        self.missing = missing

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PreTrainedModel | None = None,
        **kwargs: Any,
    ) -> None:
        if self.missing.skip and model is not None:
            reason = f"{self.missing.fraction:.0%} of the rewards are missing"
            info(f"skipped optimiser step {state.global_step + 1}: {reason}", console=True)
            model.zero_grad(set_to_none=True)
