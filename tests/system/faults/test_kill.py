"""kill -9 of a training job and of the whole Snakemake group: the same command finishes and tells no step twice."""

import os
import signal
import subprocess
import time

import mlflow
import pytest

from helpers.small import Project

RUN = "grpo-lambda0.5-seed0"
CELL = {"algorithms": ["grpo"], "steps": 12, "save_every": 2, "validation": {"every": 4, "questions": 20}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Curve and weights of a run that nobody touched."""
    project = Project(tmp_path_factory.mktemp("undisturbed"))
    project.configure(rl=CELL)
    done = project.run(f"results/small/runs/{RUN}/final")
    assert done.returncode == 0, done.stdout + done.stderr
    return outcome(project)


def outcome(project) -> tuple[str, bytes]:
    run = project.results / "runs" / RUN
    kept = ("step", "reward", "loss", "grad_norm", "entropy")
    lines = [line.split(",") for line in (run / "training.csv").read_text().splitlines()]
    columns = [lines[0].index(name) for name in kept]
    curve = "\n".join(",".join(line[i] for i in columns) for line in lines)
    return curve, (run / "final/model.safetensors").read_bytes()


def wait_for_checkpoint(project, process, step: int) -> None:
    deadline = time.monotonic() + 240
    folder = project.results / "state" / RUN / "checkpoints"
    while time.monotonic() < deadline:
        found = [
            int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*") if (path / "gavel-complete").exists()
        ]
        if max(found, default=0) >= step:
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    raise AssertionError(f"no checkpoint at step {step} in four minutes")


def trainer_pid(project) -> int:
    return int((project.results / "state" / RUN / "lock").read_text())


def curves(project, run=RUN) -> dict[str, list[int]]:
    """Steps of every metric of the one active MLflow run of the job."""
    client = mlflow.MlflowClient(f"sqlite:///{project.results}/mlflow.db")
    experiment = client.get_experiment_by_name("small")
    runs = client.search_runs([experiment.experiment_id], f"tags.`gavel.key` = 'small/rl/{run}'")
    assert len(runs) == 1
    return {
        name: [p.step for p in client.get_metric_history(runs[0].info.run_id, name)] for name in runs[0].data.metrics
    }


@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["job", "group"])
def test_a_killed_study_goes_on_from_its_last_checkpoint(tmp_path, undisturbed, victim):
    project = Project(tmp_path)
    project.configure(rl=CELL)
    target = f"results/small/runs/{RUN}/final"
    process = project.start(target)
    wait_for_checkpoint(project, process, 4)
    if victim == "job":
        os.kill(trainer_pid(project), signal.SIGKILL)
        assert process.wait(timeout=60) != 0
    else:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        subprocess.run(["pkill", "-9", "-f", str(project.folder)], check=False)
    done = project.run(target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resuming from checkpoint-" in done.stdout + done.stderr
    assert outcome(project) == undisturbed
    steps = curves(project)
    assert steps["reward"] == list(range(1, 13))
    assert all(len(set(values)) == len(values) for values in steps.values())


@pytest.mark.timeout(600)
def test_a_config_changed_after_a_kill_starts_afresh(tmp_path):
    """The state of another config is set aside, never resumed; another lambda is another run beside it."""
    project = Project(tmp_path)
    project.configure(rl=CELL)
    process = project.start(f"results/small/runs/{RUN}/final")
    wait_for_checkpoint(project, process, 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    project.configure(rl=CELL | {"learning_rate": 3e-4, "lambda": [0.5, 0.75]})
    other = RUN.replace("0.5", "0.75")
    done = project.run(*(f"results/small/runs/{run}/final" for run in (RUN, other)))
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert text.count("earlier state set aside") == 1
    assert "resuming from" not in text
    assert [path.name for path in (project.results / "state").glob("*.stale")] == [f"{RUN}.stale"]
    assert curves(project)["reward"] == curves(project, other)["reward"] == list(range(1, 13))
