"""Jobs that log to a tracking server, as functions: for tests that run them in processes of their own."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

from gavel.common.journal import Journal
from gavel.common.log import script_log
from gavel.jobs.job import training_job
from gavel.tracking.study import job_run
from helpers.small_run import small_run

STUDY = "tracked"
CELL = {"algorithm": "grpo", "lam": 0.5, "seed": 0}
RUN = "grpo-lambda0.5-seed0"
METRICS, STEPS, SHOWN_EVERY = 15, 120, 10
PARAMS = {f"group.p{number}": number for number in range(30)}


def config(folder: Path, uri: str, study: str = STUDY) -> dict:
    return {"results_dir": str(folder), "study": study, "tracking": {"uri": uri}}


def value(number: int, step: int, metric: int) -> float:
    """What job `number` logs."""
    return number + step / 1000 + metric / 100_000


def log(folder: Path, uri: str, number: int, together=None, study: str = STUDY) -> None:
    """A job's journal, mirrored every few steps; `together` is a barrier for all that are to begin at once."""
    run = f"grpo-lambda0.5-seed{number}"
    if together is not None:
        together.wait()
    with job_run(config(folder, uri, study), "rl", run, digest=str(number), params=PARAMS, log=print) as mirror:
        journal = Journal(folder / "state" / run / "journal.jsonl")
        for step in range(1, STEPS + 1):
            journal.append(step, {f"m{metric}": value(number, step, metric) for metric in range(METRICS)})
            if step % SHOWN_EVERY == 0:
                mirror.mirror(journal, step)
        (folder / f"{run}.txt").write_text(run)
        mirror.artifact(folder / f"{run}.txt", "notes")


class Held:
    """A mirror that holds the run at its second half until a file is there: the run cannot end before the test acts."""

    def __init__(self, mirror, gate: Path, step: int):
        self.within, self.gate, self.step = mirror, gate, step

    def mirror(self, journal: Journal, up_to_step: int | None = None) -> None:
        self.within.mirror(journal, up_to_step)
        while (up_to_step or 0) >= self.step and not self.gate.exists():
            time.sleep(0.05)

    def __getattr__(self, name: str):
        return getattr(self.within, name)


def waits(folder: Path, uri: str, number: int, together) -> None:
    """A job that tells one metric, once `together` lets it; it waits three seconds for an answer."""
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "3"
    together.wait()
    with job_run(config(folder, uri, "queue"), "rl", str(number), digest="a", params={}, log=print) as mirror:
        mirror.mirror([{"step": 0, "metrics": {"x": 1.0}}])


def train(folder: Path, uri: str, tiny: str, rows: list[dict], steps: int, gate: Path | None = None) -> None:
    """What `train_rl.py` does, in `folder`; with a `gate` the second half of the steps waits for that file."""
    out, settings = folder / "out", {"steps": steps, "save_every": 3}
    workflow = SimpleNamespace(
        threads=1,
        config=config(folder, uri),
        params={"cell": CELL, "settings": settings},
        input=[tiny],
        output={"run": out / "run.json", "monitor": out / "monitor.csv", "training": out / "training.csv"},
    )
    with script_log(folder / "log", RUN), training_job(workflow, "rl", RUN, settings, CELL) as job:
        if gate:
            job["mirror"] = Held(job["mirror"], gate, steps // 2)
        small_run(folder, tiny, rows, **job, **CELL, settings=settings, validation={"every": 4})
