"""How a study's jobs appear in MLflow: names, keys, tags and params. Watches runs, changes none of their outputs."""

import os
from collections.abc import Callable
from pathlib import Path

from gavel.dotted import dotted
from gavel.provenance import git_commit
from gavel.tracking import Tracker, find_runs
from gavel.tracking_store import failures


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
        say=say,
    )


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
            page = f"{uri.rstrip('/')}/#/experiments/{experiment}/runs/{run}" if uri.startswith("http") else None
            runs[rule.partition("/")[2]] = {"id": run, "url": page}
    return runs


def _tags(config: dict, rule: str) -> dict:
    return {"study": config["study"], "rule": rule, "git_commit": git_commit(os.getcwd())["commit"]}


def _artifacts(config: dict) -> str:
    return str(_beside_store(config) / "mlartifacts")


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
