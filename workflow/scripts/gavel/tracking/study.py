"""How a study's jobs appear in MLflow: names, keys, tags and params. Watches runs, changes none of their outputs."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from gavel.common.environment import git_commit
from gavel.common.errors import InputError, first_line
from gavel.common.nested import dotted
from gavel.common.redaction import redacted_url
from gavel.tracking.exporter import Unavailable, export_unsent
from gavel.tracking.record import Record, count_unsent
from gavel.tracking.store import failures, find_runs
from gavel.tracking.tracker import Tracker


def store_uri(config: dict[str, Any]) -> str:
    """The tracking server of the config, or the SQLite store in the results folder."""
    return config["tracking"]["uri"] or f"sqlite:///{Path(config['results_dir'], 'mlflow.db').resolve()}"


def study_run(config: dict[str, Any], say: Callable[[str], object]) -> Tracker:
    """The parent run of the study."""
    return _tracker(config, "study", "study", say, key=config["study"], name=config["study"])


def job_run(
    config: dict[str, Any],
    rule: str,
    run: str,
    *,
    digest: str,
    params: dict[str, Any],
    say: Callable[[str], object],
    tags: dict[str, Any] | None = None,
) -> Tracker:
    """The run of one job, a child of the study's; the same job with the same digest continues its run."""
    key = f"{config['study']}/{rule}/{run}"
    name = run if rule in ("sft", "rl") else f"{rule} {run}"
    more = {"params": dotted(params), "parent": config["study"], "digest": digest}
    return _tracker(config, rule, f"{rule}-{run}", say, tags, key=key, name=name, **more)


def _tracker(
    config: dict[str, Any],
    rule: str,
    job: str,
    say: Callable[[str], object],
    tags: dict[str, Any] | None = None,
    **more: Any,
) -> Tracker:
    uri, results = store_uri(config), Path(config["results_dir"])
    tags = {"study": config["study"], "rule": rule, "git_commit": git_commit(os.getcwd())["commit"]} | (tags or {})
    # A server keeps artifacts in a folder of its own, which it may reach where a job's folder is out of its reach.
    own = uri.startswith(("http", "sqlite:///"))
    artifacts = None if own else str(results.resolve() / "mlartifacts")
    path = records(results) / f"{job}.json"
    return Tracker(Record.create(path, uri, config["study"], tags=tags, artifact_root=artifacts, **more), uri, say)


def records(results: str | Path) -> Path:
    """Where a study's jobs say what MLflow should have of them."""
    return Path(results, "state", "tracking")


def send_unsent(config: dict[str, Any], say: Callable[[str], object]) -> None:
    """Send what MLflow lacks of the study's earlier jobs, until the store does not answer; nothing here is fatal."""
    try:
        for record in export_unsent(records(config["results_dir"]), say):
            say(f"MLflow has all of {record.path.stem} now")
    except Unavailable as error:
        say(str(error))
    except failures() + (InputError,) as error:
        say(f"what MLflow lacks was not sent ({first_line(error)})")


def tell_unsent(config: dict[str, Any]) -> str | None:
    """A line that says of how many runs MLflow lacks something and which command sends it; None if of none."""
    results = config["results_dir"]
    if count := count_unsent(records(results)):
        return f"MLflow lacks something of {count} runs; once it answers: .venv/bin/gavel track {results}"
    return None


class RunLink(TypedDict):
    """A run in MLflow; `url` is None for a store without a server."""

    id: str
    url: str | None


def run_links(config: dict[str, Any]) -> dict[str, RunLink]:
    """Training run -> its place in MLflow; {} if that cannot be asked."""
    uri, rules = store_uri(config), ("sft/", "rl/")
    try:
        found = find_runs(uri, config["study"])
    except failures():
        return {}
    runs: dict[str, RunLink] = {}
    for key, (experiment, run) in found.items():
        rule = key.removeprefix(f"{config['study']}/")
        if rule.startswith(rules):
            page = (
                f"{redacted_url(uri).rstrip('/')}/#/experiments/{experiment}/runs/{run}"
                if uri.startswith("http")
                else None
            )
            runs[rule.partition("/")[2]] = {"id": run, "url": page}
    return runs
