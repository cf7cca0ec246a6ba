"""What every workflow job does around its one library call: threads, state, digest and its MLflow run."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from gavel.common.digests import job_digest
from gavel.common.log import say
from gavel.jobs.launch import RunFolders
from gavel.jobs.threads import use_threads
from gavel.solutions.budget import use_budget
from gavel.tracking.study import job_run


@contextmanager
def training_job(workflow, rule: str, run: str, settings: Mapping, cell: Mapping | None = None) -> Iterator[dict]:
    """Hold the run's lock and its MLflow run while it trains; yields `run` and `mirror`.

    Args:
        workflow: the script's `snakemake` object: `config`, `params`, `input`, `output`, `threads`.
        settings: shown as the MLflow run's params.
        cell: `algorithm`, `lam` and `seed` of a grid cell.
    """
    _begin(workflow)
    config, cell = workflow.config, dict(cell or {})
    folder = Path(config["results_dir"], "state", run)
    digest = job_digest(dict(workflow.params.items()), sorted(set(map(str, workflow.input))))
    tags = {"algorithm": cell.get("algorithm", rule), "lambda": cell.get("lam"), "seed": cell.get("seed")}
    params = dict(settings) | cell
    with (
        RunLock(folder, run, say=lambda text: say(text, console=True)),
        job_run(config, rule, run, digest=digest, params=params, tags=tags, say=say) as mirror,
    ):
        output = str(Path(workflow.output["run"]).parent)
        yield {"run": RunFolders(output, str(folder), digest), "mirror": mirror}
        for name in ("run", "monitor", "training"):
            mirror.artifact(workflow.output[name])


@contextmanager
def plain_job(workflow, rule: str, run: str, params: Mapping | None = None) -> Iterator:
    """The MLflow run of a job that keeps no state, with some params; yields it."""
    _begin(workflow)
    digest = job_digest(dict(workflow.params.items()), sorted(set(map(str, workflow.input))))
    with job_run(workflow.config, rule, run, digest=digest, params=dict(params or {}), say=say) as mirror:
        yield mirror


def _begin(workflow) -> None:
    use_threads(workflow.threads)
    if solution := workflow.config.get("solution"):
        use_budget(solution["batch_seconds"])


class RunLock:
    """`with RunLock(state_dir, "grpo-lambda0.5-seed0"):` only one process at a time trains a run.

    A job whose Snakemake was killed may still be training when the next Snakemake starts the same job; both
    would write the same checkpoints. The kernel frees the lock (flock) when its holder ends, however it ends,
    so it is never stale; the file stays, holding the process id of its last holder while that runs.
    """

    def __init__(self, state_dir: str | Path, label: str, say: Callable[[str], object] = print):
        self.path = Path(state_dir) / "lock"
        self.label = label
        self.say = say

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Opened for appending: opening must not empty the file of the process that holds it.
        self._handle = open(self.path, "a+")
        try:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._handle.seek(0)
                holder = self._handle.read().strip() or "?"
                self.say(f"{self.label} is being trained by process {holder}; waiting for it")
                fcntl.flock(self._handle, fcntl.LOCK_EX)
            self._write(f"{os.getpid()}\n")
        except BaseException:
            self._handle.close()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self._write("")
        self._handle.close()

    def _write(self, text: str) -> None:
        self._handle.truncate(0)
        self._handle.write(text)
        self._handle.flush()
