"""A study through `profiles/slurm` on a real Slurm cluster: it ends as on this machine, whatever befalls its jobs."""

import json
import os
import re
import signal

import pytest

from helpers.on_slurm import OnSlurm, until
from helpers.small import Project
from helpers.small_disk import SmallDisk

pytestmark = pytest.mark.timeout(1200)

RUN = "grpo-lambda0.5-seed0"
KILLED_FOR_MEMORY = "0:125"
METRICS = "results/small/metrics.csv"
# What one RL run has made, and what was made from it.
LOST = (f"runs/{RUN}", f"state/{RUN}", f"evaluation/{RUN}", f"logs/rl/{RUN}.log", "metrics.csv", "mlflow.db")


def accounted(cluster, project) -> list[dict]:
    """What sacct knows of a project's jobs, one row for each time that a job was started."""
    # The derived exit code is the worst of the job's steps, of which Snakemake's plugin makes one for the rule.
    names = ("JobIDRaw", "State", "DerivedExitCode", "ReqMem", "Comment", "WorkDir")
    text = cluster.ask("sacct", "-X", "-D", "-n", "-P", "--units=M", "-S", "now-1hour", "-o", ",".join(names))
    rows = [dict(zip(names, line.split("|"), strict=True)) for line in text.splitlines()]
    for row in rows:
        row["rule"] = row["Comment"].removeprefix("rule_").split("_wildcards_")[0]
        row["mem_mb"] = round(float(row["ReqMem"].removesuffix("M")))
    return [row for row in rows if row["WorkDir"] == str(project.folder)]


def of_rule(rows, rule) -> list[tuple[str, int]]:
    """State and memory of each of a rule's jobs, in the order of their submission."""
    return [(row["State"], row["mem_mb"]) for row in rows if row["rule"] == rule]


def outcome(project) -> tuple[bytes, bytes]:
    weights = project.results / "runs" / RUN / "final/model.safetensors"
    return (project.folder / METRICS).read_bytes(), weights.read_bytes()


def said(process) -> str:
    return process.communicate(timeout=400)[0]


def rl_job(cluster) -> str:
    """Slurm's number of the RL job that runs."""
    rows = [line.split("|") for line in cluster.ask("squeue", "-h", "-t", "R", "-o", "%i|%k").splitlines()]
    return next(job for job, comment in rows if comment.startswith("rule_train_rl"))


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory):
    """The study with one RL run, long enough to be hit in the middle, run on this machine without Slurm."""
    project = Project(tmp_path_factory.mktemp("undisturbed"))
    project.configure(rl={"algorithms": ["grpo"], "steps": 40, "validation": {"every": 20, "questions": 20}})
    done = project.run(METRICS)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return project


@pytest.fixture
def training(undisturbed, tmp_path):
    """That study with its RL run still to do; call it to start Snakemake and wait until the run has a checkpoint."""
    project = OnSlurm.after(undisturbed, tmp_path / "study", *LOST)
    marks = project.results / "state" / RUN / "checkpoints"
    started = []

    def start(*arguments):
        started.append(project.start(METRICS, *arguments))
        until(lambda: list(marks.glob("checkpoint-*/gavel-complete")), "a checkpoint", started[-1])
        return project, started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)


def resumed(project) -> bool:
    return "resuming from checkpoint-" in (project.results / f"logs/rl/{RUN}.log").read_text()


def test_a_study_ends_as_on_this_machine(cluster, finished, tmp_path):
    project = OnSlurm(tmp_path)
    rules = project.planned()
    done = project.run(timeout=900)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "</html>" in (project.results / "report.html").read_text()
    assert outcome(project) == outcome(finished)
    rows = accounted(cluster, project)
    assert {row["State"] for row in rows} == {"COMPLETED"}
    assert {row["rule"] for row in rows} == rules
    assert of_rule(rows, "train_rl") == [("COMPLETED", 3000)] * 2
    assert of_rule(rows, "audit_data") == [("COMPLETED", 1500)]
    (table,) = (project.folder / "results/slurm").glob("efficiency_report_*.csv")
    assert "rule_train_rl" in table.read_text()
    assert project.planned() == set()


def test_a_job_over_its_memory_runs_again_with_more(cluster, tmp_path):
    project = OnSlurm(tmp_path)
    project.configure(compute={"mem_mb": 600})
    done = project.run("sft", timeout=600)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    tries = [row for row in accounted(cluster, project) if row["rule"] == "train_sft"]
    assert len(tries) > 1
    assert [row["mem_mb"] for row in tries] == [600 * attempt for attempt in range(1, len(tries) + 1)]
    assert [row["DerivedExitCode"] for row in tries] == [KILLED_FOR_MEMORY] * (len(tries) - 1) + ["0:0"]


def test_a_cancelled_job_is_seen_and_goes_on_from_its_checkpoint(cluster, undisturbed, training):
    project, process = training("--retries", "0")
    cluster.ask("scancel", rl_job(cluster))
    text = said(process)
    assert process.returncode != 0
    assert "CANCELLED" in text
    done = project.run(METRICS, timeout=600)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert resumed(project)
    assert outcome(project) == outcome(undisturbed)


def test_a_cancelled_job_is_retried(cluster, undisturbed, training):
    project, process = training()
    cluster.ask("scancel", rl_job(cluster))
    text = said(process)
    assert process.returncode == 0, text[-6000:]
    states = [state for state, _ in of_rule(accounted(cluster, project), "train_rl")]
    assert [state.split()[0] for state in states] == ["CANCELLED", "COMPLETED"]
    assert resumed(project)
    assert outcome(project) == outcome(undisturbed)


def test_a_killed_process_is_a_failed_job_that_is_retried(cluster, undisturbed, training):
    project, process = training()
    started = re.findall(r"started, process (\d+)", (project.results / f"logs/rl/{RUN}.log").read_text())
    os.kill(int(started[-1]), signal.SIGKILL)
    text = said(process)
    assert process.returncode == 0, text[-6000:]
    assert [state for state, _ in of_rule(accounted(cluster, project), "train_rl")] == ["FAILED", "COMPLETED"]
    assert resumed(project)
    assert outcome(project) == outcome(undisturbed)


def test_a_full_disk_ends_the_run_and_harms_nothing(cluster, undisturbed, tmp_path):
    project = OnSlurm.after(undisturbed, tmp_path / "study", *LOST)
    with SmallDisk(project.results, mb=200) as disk:
        process = project.start(METRICS)
        marks = project.results / "state" / RUN / "checkpoints"
        until(lambda: list(marks.glob("checkpoint-*/gavel-complete")), "a checkpoint", process)
        disk.fill()
        text = said(process)
        assert process.returncode != 0
        assert "No space left on device" in text
        assert not (project.results / "runs" / RUN / "final").exists()
        for path in project.results.rglob("*.json"):
            json.loads(path.read_text())
        disk.empty()
        done = project.run(METRICS, timeout=600)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        assert resumed(project)
        assert outcome(project) == outcome(undisturbed)


def test_a_requeued_job_goes_on_from_its_checkpoint(cluster, undisturbed, training):
    """What Slurm does with the jobs of a node that failed, and with preempted ones."""
    project, process = training()
    job = rl_job(cluster)
    cluster.ask("scontrol", "requeue", job)
    text = said(process)
    assert process.returncode == 0, text[-6000:]
    again = [row["State"] for row in accounted(cluster, project) if row["JobIDRaw"] == job]
    assert again == ["REQUEUED", "COMPLETED"]
    assert resumed(project)
    assert outcome(project) == outcome(undisturbed)


def test_snakemake_killed_while_its_jobs_run_on(cluster, undisturbed, training):
    project, process = training()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert rl_job(cluster)
    done = project.run(METRICS, timeout=600)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert outcome(project) == outcome(undisturbed)


def test_the_controller_restarts(cluster, undisturbed, training):
    project, process = training()
    cluster.end("slurmctld")
    cluster.start_controller()
    text = said(process)
    assert process.returncode == 0, text[-6000:]
    assert outcome(project) == outcome(undisturbed)


def test_a_drained_node_only_delays(cluster, undisturbed, training):
    project, process = training()
    cluster.ask("scontrol", "update", f"NodeName={cluster.node}", "State=DRAIN", "Reason=test")
    until(lambda: "generate" in cluster.ask("squeue", "-h", "-t", "PD", "-o", "%k"), "a job that waits", process)
    cluster.ask("scontrol", "update", f"NodeName={cluster.node}", "State=RESUME")
    text = said(process)
    assert process.returncode == 0, text[-6000:]
    assert outcome(project) == outcome(undisturbed)
