"""Replay a study's runs."""

import csv
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from tqdm import tqdm

from gavel.common.errors import InputError
from gavel.common.files import open_atomically, write_json
from gavel.data.gold import read_questions
from gavel.data.rollouts import read_rollouts
from gavel.replay.rewards import Reward, Truth, replay
from gavel.replay.steps import Rollout, StepRow, divergence, mean_with_interval, question_aucs, step_row
from gavel.study import layout, params
from gavel.study.layout import Layout, ReplayFiles
from gavel.training.rl.rewards import RewardRules

BELOW, PATIENCE = 0.5, 3  # of `gavel.replay.steps.divergence`


class RunSummary(TypedDict):
    """A run under both rewards, over all its replayed rollouts. Undefined values are None.

    Attributes:
        steps, completions: numbers that were replayed.
        missing: fraction of the completions without a replayed reward.
        largest_difference: between a completion's two rewards.
        agreement, correlation: means over rollouts (`gavel.replay.steps.StepRow`).
        auc_original, auc_replayed: mean, low and high: AUC within questions against the truth, with a 95 % interval.
        diverges_at: the step at which the rewards diverge (`gavel.replay.steps.divergence`).
    """

    run: str
    steps: int
    completions: int
    missing: float
    largest_difference: float | None
    agreement: float | None
    correlation: float | None
    auc_original: tuple[float, float, float] | None
    auc_replayed: tuple[float, float, float] | None
    diverges_at: int | None


class ReplayedRun(NamedTuple):
    """A run's rollouts under both rewards."""

    summary: RunSummary
    rows: list[StepRow]


class StudyRollouts:
    """The rollouts that a study's runs have kept, with their questions.

    Args:
        config: the study's resolved config.
        results: its results folder, if it was moved.
    """

    def __init__(self, config: dict[str, Any], results: str | None = None):
        self.config, self.files = config, Layout(results or config["results_dir"])
        self.questions = read_questions(self.answers)

    @property
    def answers(self) -> list[str]:
        """Files with the gold answers of training questions, for a simulated judge."""
        data = self.files.data
        return [data.labeled, data.unlabeled, self.files.withheld]

    def runs(self) -> list[str]:
        """The RL runs that have kept rollouts: those of the grid, then the controls."""
        return [run for run in layout.rl_runs(self.config) if Path(self.files.runs(run).rollouts).exists()]

    def rules(self) -> RewardRules:
        """How the parts of a reward were computed."""
        return RewardRules(**params.reward_rules(self.config))

    def replay(
        self, run: str, reward: Reward, truth: Truth, *, every: int = 1, below: float = BELOW, patience: int = PATIENCE
    ) -> ReplayedRun:
        """Replay one run.

        Args:
            every: replay every Nth of its kept rollouts.
            below, patience: when rewards diverge (`gavel.replay.steps.divergence`).

        Raises:
            InputError: its rollouts cannot be read, or name a question that the data files lack.
        """
        folder = self.files.runs(run).rollouts
        kept = islice(read_rollouts(folder), 0, None, every)
        checked = (self._checked(rows, folder) for rows in kept)
        shown = tqdm(checked, desc=run, disable=None, unit=" steps", leave=False)
        lam = layout.rl_runs(self.config)[run]["lam"]
        rollouts = list(replay(shown, lam, self.questions, truth, reward))
        rows = [step_row(rollout) for rollout in rollouts]
        return ReplayedRun(_summary(run, rollouts, rows, below, patience), rows)

    def _checked(self, rows: Any, folder: str) -> Any:
        for row in rows:
            if row["id"] not in self.questions:
                raise InputError(f"{folder}: question {row['id']!r} is not in {self.files.data.folder}")
        return rows


def write_replay(replayed: Sequence[ReplayedRun], title: str, files: ReplayFiles) -> None:
    """Write the summaries as JSON, and a row for each replayed step as CSV.

    Args:
        title: the replayed reward in words.
    """
    with open_atomically(files.steps, newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["run", *StepRow.__annotations__])
        writer.writerows([run.summary["run"], *row.values()] for run in replayed for row in run.rows)
    write_json(files.summary, {"reward": title, "runs": [run.summary for run in replayed]})


def _summary(run: str, rollouts: Sequence[Rollout], rows: Sequence[StepRow], below: float, patience: int) -> RunSummary:
    differences = [
        abs(original - other)
        for rollout in rollouts
        for original, other in zip(rollout.original, rollout.replayed, strict=True)
        if original is not None and other is not None
    ]
    completions = sum(row["completions"] for row in rows)
    return {
        "run": run,
        "steps": len(rows),
        "completions": completions,
        "missing": sum(row["missing"] * row["completions"] for row in rows) / max(1, completions),
        "largest_difference": max(differences, default=None),
        "agreement": _mean([row["agreement"] for row in rows]),
        "correlation": _mean([row["correlation"] for row in rows]),
        "auc_original": _auc(rollouts, "original"),
        "auc_replayed": _auc(rollouts, "replayed"),
        "diverges_at": divergence(rows, below, patience),
    }


def _auc(rollouts: Sequence[Rollout], which: str) -> tuple[float, float, float] | None:
    """Over all groups; questions are resampled."""
    found = [pair for rollout in rollouts for pair in question_aucs(rollout, getattr(rollout, which))]
    return mean_with_interval([question for question, _ in found], [value for _, value in found])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
