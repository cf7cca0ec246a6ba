"""A small RL run through a workflow job's real lock, digest, state and MLflow store; for a process that is killed."""

from pathlib import Path
from types import SimpleNamespace

from gavel.common.log import script_log
from gavel.jobs.job import training_job
from gavel.tracking.store import experiment_id, store_lock
from helpers.small_run import small_run

RUN, STUDY = "grpo-lambda0.5-seed0", "killed"
SETTINGS = {"steps": 96, "save_every": 3}
VALIDATE_EVERY = 2


def nothing() -> None:
    """Whoever waits for this has waited for the imports."""


def train(folder: str, tiny: str, rows: list[dict], lam: float = 0.5) -> None:
    """What `train_rl.py` does, in `folder`."""
    folder = Path(folder)
    out = folder / "out"
    workflow = SimpleNamespace(
        threads=1,
        config={"results_dir": str(folder), "study": STUDY, "tracking": {"uri": None}},
        params={"cell": {"lam": lam}, "settings": SETTINGS},
        input=[tiny],
        output={"run": out / "run.json", "monitor": out / "monitor.csv", "training": out / "training.csv"},
    )
    with script_log(folder / "log", RUN):
        store = f"sqlite:///{folder / 'mlflow.db'}"
        experiment_id(store, STUDY, store_lock(store, folder))
        cell = {"algorithm": "grpo", "lam": lam, "seed": 0}
        with training_job(workflow, "rl", RUN, SETTINGS, cell) as job:
            small_run(folder, tiny, rows, **job, **cell, settings=SETTINGS, validation={"every": VALIDATE_EVERY})
