"""An MLflow store looked into, and a job's run in it, for tests of the mirror."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import ViewType

from gavel.tracking.job_record import JobRecord
from gavel.tracking.tracker import Tracker


def runs(uri: str, key: str, view=ViewType.ACTIVE_ONLY) -> list:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("gavel").experiment_id
    return client.search_runs([experiment], f"tags.`gavel.key` = '{key}'", run_view_type=view)


def steps(uri: str, run_id: str, metric: str) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in MlflowClient(uri).get_metric_history(run_id, metric))


def child(store, folder, run="rl/grpo", log=print, **more) -> Tracker:
    """The run of a job whose record lies in `folder`."""
    uri, study = store
    options = {"tags": {"rule": "rl", "lambda": 0.5, "none": None}, "params": {"lr": 1e-4}} | more
    path = Path(folder, f"{run.replace('/', '-')}.json")
    return Tracker(JobRecord.create(path, uri, "gavel", f"{study}/{run}", "grpo", parent=study, **options), uri, log)


def killed(tracker: Tracker) -> None:
    """What the kernel does when a job's process ends: its lock is free."""
    tracker._lock.release(force=True)
