"""How much of a study's estimated work is done, and how long the rest may take, by the files in its results folder."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from gavel.study import progress
from gavel.study.status import NAMES, TRAINING, Job, Run, Status, expected

Weights: TypeAlias = dict[tuple[str, str, str], float]  # results folder, rule and wildcards' values of a job -> weight


class Work(NamedTuple):
    """The progress of one or several studies.

    Attributes:
        jobs, done: numbers of jobs.
        share: done part of the estimated work, from 0 to 1; the steps of unfinished runs count.
        seconds_left: at the pace so far; None while too little is done.
    """

    jobs: int
    done: int
    share: float
    seconds_left: float | None

    def __str__(self) -> str:
        text = f"{self.done} of {self.jobs} jobs done, {self.share:.0%} of the estimated work"
        return f"{text}; about {progress.duration(self.seconds_left)} left" if self.seconds_left else text


def weights(studies: Mapping[str, dict[str, Any]]) -> Weights:
    """Each job's part of the estimated work (`gavel.study.progress.weights`).

    Args:
        studies: results folder -> resolved config.
    """
    keys = [
        (folder, rule, of) for folder, study in studies.items() for rule, ofs in expected(study).items() for of in ofs
    ]
    jobs = [progress.Job(number, f"{folder}_{rule}", of) for number, (folder, rule, of) in enumerate(keys)]
    found = progress.weights(jobs, {f"{folder}_": study for folder, study in studies.items()})
    return {key: found[number] for number, key in enumerate(keys)}


def work(parts: Weights, studies: Sequence[Status]) -> Work:
    """The progress of some studies together."""
    folders = {study.folder for study in studies}
    parts = {key: weight for key, weight in parts.items() if key[0] in folders}
    started = [(study, job) for study in studies for job in study.jobs if _key(study, job) in parts]
    done = sum(job.state == "done" for _, job in started)
    whole = sum(parts.values())
    share = sum(parts[_key(study, job)] * _done(job, study.runs) for study, job in started) / whole if whole else 1.0
    left = None
    if done == len(parts):
        share, left = 1.0, 0.0
    elif share >= progress.SHOWN_FROM:
        left = active_seconds(attempt for _, job in started for attempt in job.attempts) * (1 - share) / share
    return Work(len(parts), done, share, left)


def _key(study: Status, job: Job) -> tuple[str, str, str]:
    return study.folder, job.rule, job.of


def _done(job: Job, runs: Sequence[Run]) -> float:
    """The done part of a job, from 0 to 1: that of its steps while it trains, else 0 until it is done."""
    if job.state == "done" or job.rule not in TRAINING:
        return float(job.state == "done")
    name = job.of or NAMES[job.rule]
    return next((min(1.0, run.step / run.steps) for run in runs if run.name == name and run.step and run.steps), 0.0)


def active_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """The time that at least one of some spans covers: the nights in which a study rested do not count."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
