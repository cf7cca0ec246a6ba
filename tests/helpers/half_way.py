"""A results folder of a study that is half-way: logs and journals as its jobs write them. Paths are relative."""

import os
import time
from pathlib import Path

import yaml

from gavel.common.files import write_json, write_text
from gavel.common.journal import Journal
from helpers.small import STUDY

GONE = 4_000_000_000  # no process has this id
RUN = "grpo-lambda0.5-seed0"


def log(name: str, *lines: str, process: int = GONE, label: str = "a job", age: float = 0) -> None:
    """Write a job's log with one attempt; its last lines are `lines`."""
    path = Path("results/small/logs", f"{name}.log")
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    text = path.read_text() if path.exists() else ""
    write_text(path, text + "\n".join([f"{began} {label}: started, process {process}", *lines]) + "\n")
    os.utime(path, (time.time() - age, time.time() - age))


def at(text: str) -> str:
    return f"2026-11-30 01:00:00 {text}"


def write_half_way() -> None:
    """A study whose SFT has finished, one of whose RL runs trains, and another has failed; and its config."""
    log("data", at("a job: done"))
    log("sft", at("step 12/12: validation greedy 0.5"), at("a job: done"))
    write_json(Path("results/small/runs/sft/run.json"), {"steps": 12})
    write_text(Path("results/small/runs/sft/monitor.csv"), "step,greedy,accuracy\n0,0.1,\n12,0.5,\n")
    log(f"rl/{RUN}", at("step 2/4: validation greedy 0.25"), process=os.getpid())
    state = Path("results/small/state", RUN)
    for step in (1, 2, 3):
        Journal(state / "journal.jsonl").append(step, {"loss": 1.0})
    Journal(state / "monitor.jsonl").append(2, {"validation/greedy": 0.25, "validation/judge": 0.125})
    log("rl/ppo-lambda0.5-seed0", at("error: out of luck"))
    Path("small.yaml").write_text(yaml.safe_dump(STUDY))
