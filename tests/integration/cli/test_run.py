"""`gavel run` as a process: it becomes Snakemake, from any folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from gavel.common.paths import ROOT

DEMO = str(ROOT / "config" / "demo.yaml")


def start(*arguments: str, folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "gavel.cli.main", "run", DEMO, "--cores", "1", *arguments]
    options = {"cwd": folder, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, **options, start_new_session=True, preexec_fn=hear_interrupts)


def hear_interrupts() -> None:
    """Where the tests run in the background of a script, they and their children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_from_another_folder_results_go_there(tmp_path):
    run = start("--dry-run", "--smoke", "data", folder=tmp_path)
    text, _ = run.communicate(timeout=120)
    assert run.returncode == 0, text
    assert "prepare_data" in text and "train_sft" not in text
    assert (tmp_path / "results/demo-smoke/smoke.yaml").exists()


def test_the_exit_status_is_snakemake_s(tmp_path):
    run = start("results/demo/none", folder=tmp_path)
    text, _ = run.communicate(timeout=120)
    assert run.returncode == 1 and "MissingRuleException" in text


def test_an_interrupt_reaches_snakemake_and_its_jobs(tmp_path):
    run = start("data", folder=tmp_path)
    log, until = tmp_path / "results/demo/logs/data.log", time.monotonic() + 120
    while not log.exists() and run.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert "snakemake" in psutil.Process(run.pid).cmdline()
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    text, _ = run.communicate(timeout=120)
    assert run.returncode != 0, text
    assert not (tmp_path / "results/demo/data/audit.json").exists()
