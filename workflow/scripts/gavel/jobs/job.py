"""Set up a workflow job around its library call: threads, state folder, digest and MLflow run."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self, TypedDict

from filelock import FileLock, Timeout

from gavel.common.digests import job_digest
from gavel.common.log import info
from gavel.jobs.launch import RunFolders
from gavel.jobs.threads import use_threads
from gavel.solutions.answers import use_budget
from gavel.tracking.study import job_run
from gavel.tracking.tracker import Tracker


class Workflow(Protocol):
    """The part of a script's `snakemake` object that jobs use."""

    config: dict[str, Any]
    params: Mapping[str, Any]
    input: Iterable[str]
    output: Mapping[str, str]
    threads: int


class TrainingJob(TypedDict):
    """A training job's run, as keyword arguments of `gavel.jobs.launch.train`."""

    run: RunFolders
    mirror: Tracker


@contextmanager
def training_job(
    workflow: Workflow, rule: str, run: str, settings: Mapping[str, Any], grid_run: Mapping[str, Any] | None = None
) -> Iterator[TrainingJob]:
    """Hold the lock and the MLflow run of a training run while it trains.

    Args:
        workflow: the script's `snakemake` object.
        settings: logged as the MLflow run's params.
        grid_run: `algorithm`, `lam` and `seed` of an RL run.
    """
    _begin(workflow)
    config, grid_run = workflow.config, dict(grid_run or {})
    folder = Path(config["results_dir"], "state", run)
    digest = job_digest(dict(workflow.params.items()), sorted(set(map(str, workflow.input))))
    tags = {"algorithm": grid_run.get("algorithm", rule), "lambda": grid_run.get("lam"), "seed": grid_run.get("seed")}
    params = dict(settings) | grid_run
    with (
        RunLock(folder, run, log=lambda text: info(text, console=True)),
        job_run(config, rule, run, digest=digest, params=params, tags=tags, log=info) as mirror,
    ):
        output = str(Path(workflow.output["run"]).parent)
        yield {"run": RunFolders(output, str(folder), digest), "mirror": mirror}
        for name in ("run", "monitor", "training"):
            mirror.artifact(workflow.output[name])


@contextmanager
def plain_job(workflow: Workflow, rule: str, run: str, params: Mapping[str, Any] | None = None) -> Iterator[Tracker]:
    """Yield the MLflow run of a job without a state folder, with the given params."""
    _begin(workflow)
    digest = job_digest(dict(workflow.params.items()), sorted(set(map(str, workflow.input))))
    with job_run(workflow.config, rule, run, digest=digest, params=dict(params or {}), log=info) as mirror:
        yield mirror


def _begin(workflow: Workflow) -> None:
    use_threads(workflow.threads)
    if solution := workflow.config.get("solution"):
        use_budget(solution["batch_seconds"])


class RunLock:
    """Ensure that one process at a time trains a run: `with RunLock(state_dir, "grpo-lambda0.5-seed0"):`.

    A job whose Snakemake was killed may still be training when the next Snakemake starts the same job; both
    would write the same checkpoints. The kernel releases the lock (flock) when the process ends in any way, so
    it is never stale. The file remains; while the lock is held, it contains the process id of the holder.
    """

    def __init__(self, state_dir: str | Path, label: str, log: Callable[[str], object] = print):
        self.path = Path(state_dir) / "lock"
        self.label = label
        self.log = log
        self._lock = FileLock(self.path, poll_interval=0.5, on_acquired=_write_process_id)

    def __enter__(self) -> Self:
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            holder = self.path.read_text().strip() or "?"
            self.log(f"{self.label} is being trained by process {holder}; waiting for it")
            self._lock.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.path.write_text("")
        self._lock.release()


def _write_process_id(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
