"""A study whose jobs start llama.cpp's server for their judge themselves: server and job are killed in mid-run."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: make test-all compiles it")
pytest.importorskip("gguf", reason="gguf is not installed: make test-all brings it")

from gavel.common.files import read_json
from helpers import llama
from helpers.small import Project

RUN = "grpo-lambda0.5-seed0"
FINAL = f"results/small/runs/{RUN}/final"
CELL = {"algorithms": ["grpo"], "steps": 16, "prompts_per_step": 4, "save_every": 1}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project").mkdir()
    llama.write(llama.model(), tmp_path / "tiny.gguf")
    project = Project(tmp_path / "project")
    serve(project, tmp_path, serve="job", command=llama.COMMAND, startup_timeout_s=60)
    return project


def serve(project, folder, **server):
    asked = {"concurrency": 4, "timeout_s": 20} | server
    project.configure(rl=CELL, judge={"model": str(folder / "tiny.gguf"), "calibration_samples": 1, "server": asked})


def servers(project) -> list[int]:
    """The processes that the training job started as its server, the last one last."""
    log = project.results / "logs" / "rl" / f"{RUN}.log"
    found = re.findall(r"judge server: starting on port \d+, process (\d+)", log.read_text()) if log.exists() else []
    return [int(pid) for pid in found]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what, process, seconds=400):
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def step(project) -> int:
    folder = project.results / "state" / RUN / "checkpoints"
    return max((int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*")), default=0)


@pytest.mark.timeout(1200)
def test_a_study_survives_its_server_and_leaves_none_behind(project, tmp_path):
    log = project.results / "logs" / "rl" / f"{RUN}.log"
    process = project.start(FINAL)
    wait_for(lambda: step(project) >= 2, process)
    (first,) = servers(project)
    assert runs(first)
    os.kill(int((project.results / "state" / RUN / "lock").read_text()), signal.SIGKILL)
    assert process.wait(60) != 0
    deadline = time.monotonic() + 20
    while runs(first):
        assert time.monotonic() < deadline, "the server has outlived its job by 20 s"
        time.sleep(0.05)

    process = project.start(FINAL)
    reached = step(project) + 2
    wait_for(lambda: step(project) >= reached, process)
    (second,) = servers(project)  # Snakemake has emptied the log
    os.kill(second, signal.SIGKILL)
    shown, _ = process.communicate(timeout=200)
    assert process.returncode == 0, shown
    assert "resuming from checkpoint-" in shown
    assert read_json(project.results / "runs" / RUN / "run.json")["status"] == "finished"
    assert "judge server: it was killed by signal 9; restarting it (1 of 2)" in log.read_text()
    assert len(servers(project)) == 2
    assert not any(map(runs, servers(project)))
    assert "Uvicorn running" in log.with_name(f"{RUN}.judge-server.log").read_text()

    # Who starts the server, and how, reruns nothing; another model does.
    serve(project, tmp_path, base_url="http://127.0.0.1:9/v1")
    assert project.planned(FINAL) == set()
    serve(project, tmp_path, serve="job", command=[*llama.COMMAND, "--n_batch", "64"], restarts=5)
    assert project.planned(FINAL) == set()
    project.configure(rl=CELL, judge={"model": "other", "server": {"base_url": "http://127.0.0.1:9/v1"}})
    assert "train_rl" in project.planned(FINAL)
