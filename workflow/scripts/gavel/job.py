"""What every workflow job does around its one library call: threads, state, digest and its MLflow run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gavel.compute import use_threads
from gavel.locking import RunLock
from gavel.programs import use_budget
from gavel.progress import say
from gavel.provenance import job_digest
from gavel.study_tracking import job_run


@contextmanager
def training_job(workflow, rule: str, run: str, settings: Mapping, cell: Mapping | None = None) -> Iterator[dict]:
    """Hold the run's lock and its MLflow run while it trains; yields `state`, `digest` and `mirror`.

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
        yield {"state": str(folder), "digest": digest, "mirror": mirror}
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
