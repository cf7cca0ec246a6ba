"""From 250,000 scored samples to tables and report: seconds and memory of each step, in a process of its own.

Run by `make bench`. The samples are synthetic (tests/helpers/fake_results.py), as many as the default study's: 7 runs
on three test sets of 1,000, 600 and 600 questions, 16 samples and a greedy solution each. The bounds that the project
holds itself to are 120 s for both steps and 2 GiB for either.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

SIZES = {"main": 1000, "plus": 600, "svamp": 600}


def build(folder: Path) -> None:
    from helpers import fake_results

    config = fake_results.build(folder, SIZES, samples=16)
    (folder / "study.json").write_text(json.dumps(config))


def metrics(folder: Path) -> None:
    from helpers import fake_results

    fake_results.tables(folder, json.loads((folder / "study.json").read_text()))


def report(folder: Path) -> None:
    from gavel.report.page import render

    config = json.loads((folder / "study.json").read_text())
    render(folder, config, folder / "report.html", folder / "figures", samples=folder / "samples.parquet")


STEPS = {"build": build, "metrics": metrics, "report": report}


def alone(step: str, folder: Path) -> tuple[float, float]:
    """(seconds, peak memory in MiB) of a step in a process of its own, imports included."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(printed[-2]), float(printed[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.step:
        started = time.perf_counter()
        STEPS[options.step](options.folder)
        print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        sys.exit()
    with TemporaryDirectory() as name:
        folder = Path(name)
        alone("build", folder)
        files = list(folder.glob("evaluation/*/*/samples.jsonl"))
        count = sum(1 for path in files for _ in path.open())
        print(f"{count:,} samples in {len(files)} files")
        found = {step: alone(step, folder) for step in ("metrics", "report")}
        for step, (seconds, memory) in found.items():
            print(f"{step}: {seconds:.1f} s, {memory:.0f} MiB")
        print(f"page: {(folder / 'report.html').stat().st_size / 1e6:.1f} MB")
        total = sum(seconds for seconds, _ in found.values())
        if total > 120 or max(memory for _, memory in found.values()) > 2048:
            sys.exit(f"above the bounds: {total:.0f} s for both steps (120), or 2,048 MiB for one")
