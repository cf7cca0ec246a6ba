"""How a study's jobs appear in MLflow: names, keys, tags and params. Watches runs, changes none of their outputs."""

import os
from collections.abc import Callable
from pathlib import Path

from gavel.common.environment import git_commit
from gavel.common.errors import InputError, first_line
from gavel.common.nested import dotted
from gavel.common.redaction import redacted_url
from gavel.tracking.mlflow import Tracker
from gavel.tracking.store import failures, find_runs
from gavel.tracking.unsent import kept, send


def store_uri(config: dict) -> str:
    """The tracking server of the config, or the SQLite store in the results folder."""
    return config["tracking"]["uri"] or f"sqlite:///{Path(config['results_dir'], 'mlflow.db').resolve()}"


def study_run(config: dict, say: Callable[[str], object]) -> Tracker:
    """The parent run of the study."""
    return Tracker(
        store_uri(config),
        config["study"],
        config["study"],
        config["study"],
        tags=_tags(config, "study"),
        artifact_root=_artifacts(config),
        lock=_lock(config),
        unsent=unsent_folder(config["results_dir"]) / "study.json",
        say=say,
    )


def job_run(
    config: dict,
    rule: str,
    run: str,
    *,
    digest: str,
    params: dict,
    say: Callable[[str], object],
    tags: dict | None = None,
) -> Tracker:
    """The run of one job, a child of the study's; the same job with the same digest continues its run."""
    return Tracker(
        store_uri(config),
        config["study"],
        f"{config['study']}/{rule}/{run}",
        run if rule in ("sft", "rl") else f"{rule} {run}",
        tags=_tags(config, rule) | (tags or {}),
        params=dotted(params),
        parent_key=config["study"],
        digest=digest,
        artifact_root=_artifacts(config),
        lock=_lock(config),
        unsent=unsent_folder(config["results_dir"]) / f"{rule}-{run}.json",
        say=say,
    )


def unsent_folder(results: str | Path) -> Path:
    """Where a study's jobs keep what MLflow did not take."""
    return Path(results, "mlflow-unsent")


def send_unsent(config: dict, say: Callable[[str], object]) -> None:
    """Send what earlier jobs of the study had to keep, until the store does not answer; nothing here is fatal."""
    try:
        for path, sent in send(unsent_folder(config["results_dir"]), say):
            if not sent:
                break
            say(f"MLflow has all of {path.stem} now")
    except (*failures(), InputError) as error:
        say(f"what is kept for MLflow was not sent ({first_line(error)})")


def tell_unsent(config: dict) -> str | None:
    """A line that says of how many runs MLflow lacks something and which command sends it; None if of none."""
    results = config["results_dir"]
    if count := len(kept(unsent_folder(results))):
        return f"MLflow lacks something of {count} runs; once it answers: .venv/bin/gavel track {results}"
    return None


def run_links(config: dict) -> dict[str, dict]:
    """Training run -> `{"id", "url"}` in MLflow, `url` None for a store without a server; {} if it cannot be asked."""
    uri, rules = store_uri(config), ("sft/", "rl/")
    try:
        found = find_runs(uri, config["study"])
    except failures():
        return {}
    runs = {}
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


def _tags(config: dict, rule: str) -> dict:
    return {"study": config["study"], "rule": rule, "git_commit": git_commit(os.getcwd())["commit"]}


def _artifacts(config: dict) -> str | None:
    """A server keeps them in a folder of its own, which it may reach where a job's folder is out of its reach."""
    return None if store_uri(config).startswith("http") else str(_beside_store(config) / "mlartifacts")


def _lock(config: dict) -> str:
    return str(_beside_store(config) / ".mlflow-lock")


def _beside_store(config: dict) -> Path:
    """The folder of an SQLite store, which several studies may share; for a server the study's own."""
    uri = store_uri(config)
    return (
        Path(uri.removeprefix("sqlite:///")).parent
        if uri.startswith("sqlite:")
        else Path(config["results_dir"]).resolve()
    )
