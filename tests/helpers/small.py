"""A small study run through Snakemake in a copy of the project, so that tests may edit its code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from gavel.common.paths import ROOT

PARTS = ("Snakefile", "workflow", "profiles", "envs", "resources", "config", "pyproject.toml")


def generator(name: str, size: int, seed: int, **more) -> dict:
    return {"reader": "generator", "set": name, "size": size, "seed": seed} | more


STUDY = {
    "study": "small",
    "question": "Does every part run?",
    "results_dir": "results/small",
    "data": {
        "pretrain": generator("pretrain", 30000, 0),
        "train": generator("main", 400, 1),
        "labeled": 48,
        "unlabeled": 200,
        "validation": 40,
        "tests": {
            "main": generator("main", 20, 2),
            "plus": generator("plus", 16, 3, perturbs="main"),
            "svamp": generator("svamp", 10, 4),
        },
    },
    "student": {"model": "resources/models/student"},
    "judge": {"model": "resources/models/judge", "calibration_samples": 4},
    "sft": {"epochs": 2},
    "rl": {
        "algorithms": ["grpo", "ppo"],
        "lambda": [0.5],
        "steps": 4,
        "prompts_per_step": 8,
        "num_generations": 4,
        "warmup": 1,
        "save_every": 2,
        "validation": {"every": 2, "questions": 20},
        "ppo": {"critic_warmup": 1},
    },
    "evaluation": {"samples": 4, "ks": [1, 2, 4]},
    "primary": {"algorithm": "grpo", "lambda": 0.5, "seed": 0, "test_set": "main", "metric": "greedy"},
}


class Project:
    """A copy of the project with a small study's config."""

    def __init__(self, folder: Path):
        self.folder, self.results = folder, folder / STUDY["results_dir"]
        self.environment: dict[str, str] = {}  # beside the usual one
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        self.configure()

    def configure(self, **sections) -> None:
        """Write the study's config, with some sections changed, or None."""
        changed = {key: value and STUDY.get(key, {}) | value for key, value in sections.items()}
        study = STUDY | changed
        (self.folder / "small.yaml").write_text(yaml.safe_dump(study))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--configfile", "small.yaml", "--cores", "2", *arguments]

    def run(self, *arguments: str, timeout: float = 280) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment() | self.environment,
        )

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start a run in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=environment() | self.environment,
        )

    def planned(self, *arguments: str) -> set[str]:
        """Rules that a dry-run would run."""
        return set(self.jobs(*arguments))

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Rule -> number of its jobs that a dry-run would run."""
        done = self.run("-n", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        text = done.stdout + done.stderr
        if "Nothing to be done" in text:
            return {}
        table = text.split("Job stats:")[1].split("total")[0].splitlines()[3:]
        found = dict(line.split() for line in table if line.strip())
        return {rule: int(count) for rule, count in found.items() if rule != "all"}

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} no longer has {old!r}"
        file.write_text(text.replace(old, new, 1))


def environment() -> dict[str, str]:
    return os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
