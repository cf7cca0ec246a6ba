"""How a study's jobs appear in MLflow: names, keys, tags and params. It does not change their outputs."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from gavel.common.environment import git_commit
from gavel.common.errors import InputError, first_line
from gavel.common.nested import flatten
from gavel.common.redaction import redact_url
from gavel.tracking.exporter import Unavailable, export_unsent
from gavel.tracking.job_record import JobRecord, count_unsent, record_lock
from gavel.tracking.store import find_runs, mlflow_errors
from gavel.tracking.tracker import Tracker
from gavel.tracking.views import Page, find_experiment, study_pages

TRAINING = ("sft", "base", "rl")  # rules whose runs the report has; `base` is the student as it is


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
    name = run if rule in TRAINING else f"{rule} {run}"
    if rule in TRAINING:
        own = {tag: value for tag, value in (tags or {}).items() if value is not None}
        tags = {"algorithm": rule, "seed": params.get("seed")} | own
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


def add_results(
    config: dict[str, Any], results: Mapping[str, Mapping[str, float]], log: Callable[[str], object]
) -> None:
    """Add the results of training runs to their records, which `send_unsent` sends; errors are only logged.

    Args:
        results: run -> metric -> value.
    """
    paths = {
        records(config["results_dir"]) / f"{rule}-{run}.json": results[run] for rule in TRAINING for run in results
    }
    for path, values in paths.items():
        if not path.exists():  # another study made the run and shares it, or another rule did
            continue
        try:
            with record_lock(path).acquire(timeout=0):
                record = JobRecord.load(path)
                if record.add_results(values):
                    record.save()
        except (InputError, OSError) as error:  # also Timeout: its job runs again
            log(f"MLflow: the results of {path.stem} could not be added ({first_line(error)})")


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
    uri, rules = store_uri(config), tuple(f"{rule}/" for rule in TRAINING)
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


def used_server(results: Path) -> JobRecord | None:
    """The newest record of a study's or a sweep's jobs that were logged to a server; it names server and experiment."""
    paths = [path for place in (results, *results.glob("*")) for path in records(place).glob("*.json")]
    newest = max(paths, key=lambda path: path.stat().st_mtime, default=None)
    record = JobRecord.load(newest) if newest else None
    return record if record and record.uri.startswith("http") else None


def server_pages(config: dict[str, Any]) -> list[Page]:
    """The study's pages on its server; [] if the store has no server or it does not answer."""
    uri = store_uri(config)
    if not uri.startswith("http"):
        return []
    try:
        experiment = find_experiment(uri, config["study"]).chosen.experiment_id
        return study_pages(uri, experiment, redact_url(uri).rstrip("/"))
    except mlflow_errors() + (InputError,):
        return []
