"""How a study's jobs appear in MLflow: names, keys, tags and params. It does not change their outputs."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from gavel.common.environment import git_commit
from gavel.common.errors import InputError, first_line
from gavel.common.nested import flatten
from gavel.common.redaction import redact_url
from gavel.tracking.exporter import Unavailable, export_unsent
from gavel.tracking.job_record import JobRecord, count_unsent
from gavel.tracking.store import find_runs, mlflow_errors
from gavel.tracking.tracker import Tracker


def store_uri(config: dict[str, Any]) -> str:
    """The tracking server of the config, or the SQLite store in the results folder."""
    return config["tracking"]["uri"] or f"sqlite:///{Path(config['results_dir'], 'mlflow.db').resolve()}"


def study_run(config: dict[str, Any], log: Callable[[str], object]) -> Tracker:
    """The parent run of the study."""
    return _tracker(config, "study", "study", log, key=config["study"], name=config["study"])


def job_run(
    config: dict[str, Any],
    rule: str,
    run: str,
    *,
    digest: str,
    params: dict[str, Any],
    log: Callable[[str], object],
    tags: dict[str, Any] | None = None,
) -> Tracker:
    """The run of one job, a child of the study's; the same job with the same digest continues its run."""
    key = f"{config['study']}/{rule}/{run}"
    name = run if rule in ("sft", "base", "rl") else f"{rule} {run}"
    more = {"params": flatten(params), "parent": config["study"], "digest": digest}
    return _tracker(config, rule, f"{rule}-{run}", log, tags, key=key, name=name, **more)


def _tracker(
    config: dict[str, Any],
    rule: str,
    job: str,
    log: Callable[[str], object],
    tags: dict[str, Any] | None = None,
    **more: Any,
) -> Tracker:
    uri, results = store_uri(config), Path(config["results_dir"])
    tags = {"study": config["study"], "rule": rule, "git_commit": git_commit(os.getcwd())["commit"]} | (tags or {})
    # A server stores artifacts in its own folder, because it may have no access to a job's folder.
    has_own_root = uri.startswith(("http", "sqlite:///"))
    artifacts = None if has_own_root else str(results.resolve() / "mlartifacts")
    path = records(results) / f"{job}.json"
    return Tracker(JobRecord.create(path, uri, config["study"], tags=tags, artifact_root=artifacts, **more), uri, log)


def records(results: str | Path) -> Path:
    """The folder of a study's records."""
    return Path(results, "state", "tracking")


def send_unsent(config: dict[str, Any], log: Callable[[str], object]) -> None:
    """Send unsent records of the study's earlier jobs, unless the store does not answer; errors are only logged."""
    try:
        for record in export_unsent(records(config["results_dir"]), log):
            log(f"MLflow: {record.path.stem} is complete now")
    except Unavailable as error:
        log(str(error))
    except mlflow_errors() + (InputError,) as error:
        log(f"MLflow: unsent records could not be sent ({first_line(error)})")


def unsent_message(config: dict[str, Any]) -> str | None:
    """A line with the number of runs that are not fully sent and the command that sends them; None for none."""
    results = config["results_dir"]
    if count := count_unsent(records(results)):
        return f"MLflow: {count} runs are incomplete; once it answers, run .venv/bin/gavel sync {results}"
    return None


class RunLink(TypedDict):
    """A run in MLflow; `url` is None if the store has no server."""

    id: str
    url: str | None


def run_links(config: dict[str, Any]) -> dict[str, RunLink]:
    """Training run -> its MLflow run; {} if the store cannot be read."""
    uri, rules = store_uri(config), ("sft/", "base/", "rl/")
    try:
        places = find_runs(uri, config["study"])
    except mlflow_errors():
        return {}
    runs: dict[str, RunLink] = {}
    for key, (experiment, run) in places.items():
        rule = key.removeprefix(f"{config['study']}/")
        if rule.startswith(rules):
            page = (
                f"{redact_url(uri).rstrip('/')}/#/experiments/{experiment}/runs/{run}"
                if uri.startswith("http")
                else None
            )
            runs[rule.partition("/")[2]] = {"id": run, "url": page}
    return runs
