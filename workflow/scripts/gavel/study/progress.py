"""How much of a study's work is done, and how long the rest will take: a line on the console for each finished job.

Jobs are weighted by the costs that `gavel cost` estimates from the config, not counted: an RL run can take a hundred
times as long as a table.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from gavel.common.errors import InputError
from gavel.study import layout
from gavel.study.cost.estimate import Assumptions, costs

FIXED = 1 / 500  # of the whole estimate, for a job's start and what is not estimated
SHOWN_FROM = 0.03  # of the work: before that, the remaining time is a guess
WIDTH = 20  # of the bar
ROUTINE = ("Select jobs to execute", "Execute ")  # Snakemake's lines before each job


class Job(NamedTuple):
    """A job that Snakemake will run: its id, its rule and its wildcards' values, such as a run, joined by spaces."""

    number: int
    rule: str
    of: str = ""

    @property
    def label(self) -> str:
        return f"{self.rule} {self.of}".rstrip()


def weights(jobs: Iterable[Job], studies: Mapping[str, dict[str, Any]]) -> dict[int, float]:
    """Each job's part of the estimated work.

    Args:
        studies: prefix of the rules' names -> resolved config; a single study's prefix is empty.

    Returns:
        job number -> weight; the weights add up to 1. Equal weights if nothing can be estimated yet.
    """
    jobs = list(jobs)
    estimated = {prefix: _hours_each(study) for prefix, study in studies.items()}
    hours = {job.number: _hours(job, estimated, studies) for job in jobs}
    whole = sum(hours.values())
    parts = {number: FIXED + (own / whole if whole else 0) for number, own in hours.items()}
    total = sum(parts.values())
    return {number: part / total for number, part in parts.items()}


def _hours_each(study: dict[str, Any]) -> dict[tuple[str, str | None], float]:
    """(rule, RL algorithm) -> estimated hours of one job; empty if a model or a data set is not here yet."""
    try:
        found = costs(study, Assumptions())
    except (InputError, OSError):
        return {}
    return {(cost.work.rule, cost.work.algorithm): cost.hours / max(1, cost.work.jobs) for cost in found}


def _hours(
    job: Job, estimated: Mapping[str, dict[tuple[str, str | None], float]], studies: Mapping[str, dict[str, Any]]
) -> float:
    for prefix, hours in estimated.items():
        if job.rule.startswith(prefix):
            rule = job.rule.removeprefix(prefix)
            about = layout.runs(studies[prefix]).get(job.of)
            found = hours.get((rule, None)) or hours.get((rule, about["algorithm"] if about else None))
            if found:
                return found
    return 0.0


class Progress(logging.Filter):
    """Replace Snakemake's lines on finished jobs by one with the fraction of the work done and the remaining time.

    Add it to Snakemake's logger before the first job starts.

    Args:
        jobs: that will run.
        weights: of the jobs, by number.
        show: shows a line.
        clock: seconds.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        weights: Mapping[int, float],
        show: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.jobs, self.weights, self.show, self.clock = {job.number: job for job in jobs}, weights, show, clock
        self.started, self.done = clock(), set[int]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether Snakemake's record is shown."""
        event = getattr(record, "event", None)  # Snakemake's LogEvent, a string
        if event == "job_finished":
            self.show(self.finish(record.job_id))  # type: ignore[attr-defined]  # of this event
        return event not in ("job_finished", "progress") and not str(record.msg).startswith(ROUTINE)

    def finish(self, number: int) -> str:
        """The line for a finished job."""
        self.done.add(number)
        share = sum(self.weights.get(one, 0.0) for one in self.done)
        label = self.jobs[number].label if number in self.jobs else f"job {number}"
        bar = "#" * round(WIDTH * share) + "." * (WIDTH - round(WIDTH * share))
        text = f"[{bar}] {share:4.0%}, {len(self.done)} of {len(self.jobs)} jobs: {label} done"
        elapsed = self.clock() - self.started
        if SHOWN_FROM <= share < 1 and len(self.done) < len(self.jobs):
            text += f", about {duration(elapsed * (1 - share) / share)} left"
        return text


def duration(seconds: float) -> str:
    """40 s, 12 min or 3.5 h."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
