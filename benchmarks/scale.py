"""A thousand runs, a hundred finished ones, a million questions: whether the workflow holds, each step by itself.

Run by `make bench`. Nothing is trained: the finished study's files are empty or synthetic
(tests/helpers/fake_results.py) and have Snakemake's own records (`--touch`). The bounds that the project holds itself
to stand in `BOUNDS`. On a machine that has more to do than cores, a step may take its time or its CPU time; one
that uses several processes has more of the latter.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

# Seconds, and MiB or (of the page) MB.
BOUNDS = {
    "dry-run of 1,000 cells": (60, 2048),
    "rerun of 100 finished cells": (30, 2048),
    "splits of a million questions": (120, 2048),
    "audit of a million questions": (120, 2048),
    "tables of 100 cells": (120, 2048),
    "report of 100 cells": (120, 2048),
    "MLflow, 100 cells of 80 steps": (120, 2048),
}
PAGE_MB = 5
QUESTIONS = 1_000_000


def study(folder: Path, seeds: int) -> Path:
    """The default study with two algorithms, two values of lambda and so many seeds."""
    raw = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    raw["rl"] |= {"lambda": [0.5, 1], "seeds": list(range(seeds))}
    path = folder / f"seeds{seeds}.yaml"
    path.write_text(yaml.safe_dump(raw | {"study": "scale", "results_dir": "results"}))
    return path


def snakemake(folder: Path, seeds: int, *options: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1", *options]
    done = subprocess.run(
        [*command, "--configfile", str(study(folder, seeds))], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout + done.stderr


def dry(folder: Path) -> None:
    assert re.search(r"train_rl +1000\n", snakemake(folder, 250, "-n", "--quiet", "host"))


def finish(folder: Path) -> None:
    """Every output of a study of 100 runs, empty, and Snakemake's records of them."""
    planned = snakemake(folder, 25, "-n", "--quiet", "host")
    outputs = {path for found in re.findall(r"^    output: (.*)$", planned, re.M) for path in found.split(", ")}
    assert len(outputs) > 1000, "the dry-run's output was not understood"
    for path in (folder / name for name in outputs):
        if path.suffix and not path.name.startswith("lambda"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True)
    snakemake(folder, 25, "--touch", "--quiet", "all")


def rerun(folder: Path) -> None:
    assert "Nothing to be done" in snakemake(folder, 25)


def questions(count: int) -> Iterator[dict]:
    """Distinct questions as long as GSM8K's (41 words), with annotated solutions."""
    for number in range(count):
        a, b = 2 + number % 997, 3 + number // 997
        text = (
            f"Anna packs {b} crates with {a} green marbles each and then buys {a + b} more crates of red marbles for "
            "her sister's shop. How many green marbles does Anna have in all of her crates at the end of the day?"
        )
        yield {"question": text, "answer": str(a * b), "solution": f"{b}*{a}=<<{b}*{a}={a * b}>>{a * b}\n#### {a * b}"}


def write(folder: Path) -> None:
    from gavel.common.files import write_jsonl

    write_jsonl(folder / "million.jsonl", questions(QUESTIONS))


def splits(folder: Path) -> None:
    from gavel.data.prepare import prepare
    from gavel.study.schema import study

    raw = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    pool = {"train": {"reader": "rows", "path": str(folder / "million.jsonl")}, "unlabeled": QUESTIONS - 500}
    settings = study.load(raw | {"data": raw["data"] | pool})["data"]
    del settings["ngram"]
    prepare(**settings, solution_format="program", output=folder / "data")


def overlaps(folder: Path) -> None:
    from gavel.common.files import read_jsonl
    from gavel.data.audit import audit

    names = ("pretrain", "labeled", "unlabeled", "validation")
    parts = {name: list(read_jsonl(folder / "data" / f"{name}.jsonl")) for name in names}
    tests = {path.stem: list(read_jsonl(path)) for path in sorted((folder / "data" / "test").glob("*.jsonl"))}
    assert audit(parts, tests)["clean"]


def build(folder: Path) -> None:
    from helpers import fake_results

    sizes = {"main": 200, "plus": 80, "svamp": 80}
    config = fake_results.build(folder / "fake", sizes, samples=4, lambdas=("0", "0.5"), seeds=tuple(range(25)))
    (folder / "fake.json").write_text(json.dumps(config))


def tables(folder: Path) -> None:
    from helpers import fake_results

    fake_results.tables(folder / "fake", json.loads((folder / "fake.json").read_text()))


def report(folder: Path) -> None:
    from gavel.report.page import render

    root, config = folder / "fake", json.loads((folder / "fake.json").read_text())
    render(root, config, root / "report.html", root / "figures", samples=root / "samples.parquet")


def mirrored(folder: Path) -> None:
    from gavel.study import layout
    from gavel.tracking.study import job_run

    config = json.loads((folder / "fake.json").read_text()) | {"results_dir": str(folder / "fake")}
    config |= {"tracking": {"uri": None}}
    for run, grid_run in layout.grid_runs(config).items():
        tags = {"algorithm": grid_run["algorithm"], "lambda": grid_run["lam"], "seed": grid_run["seed"]}
        with job_run(config, "rl", run, digest="0", params=grid_run, tags=tags, log=print) as mirror:
            mirror.mirror([{"step": step, "metrics": {"reward": 0.5, "kl": 0.1}} for step in range(80)])


STEPS = {
    "dry-run of 1,000 cells": (dry,),
    "rerun of 100 finished cells": (finish, rerun),
    "splits of a million questions": (write, splits),
    "audit of a million questions": (overlaps,),
    "tables of 100 cells": (build, tables),
    "report of 100 cells": (report,),
    "MLflow, 100 cells of 80 steps": (mirrored,),
}


def alone(step, folder: Path) -> tuple[float, float, float]:
    """(seconds, CPU seconds, peak memory in MiB) of a function here in a process of its own."""
    command = [sys.executable, __file__, "--step", step.__name__, "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return tuple(float(number) for number in done.stdout.split()[-3:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--step")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", help="the part whose name begins so")
    options = parser.parse_args()
    if options.step:
        started = time.perf_counter()
        globals()[options.step](options.folder)
        seconds = time.perf_counter() - started
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        busy = sum(used.ru_utime + used.ru_stime for used in both)
        print(seconds, busy, max(used.ru_maxrss for used in both) / 1024)
        sys.exit()
    above = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        for title, (*before, last) in STEPS.items():
            if options.only and not title.startswith(options.only):
                continue
            for step in before:
                alone(step, folder)
            seconds, busy, memory = alone(last, folder)
            load = os.getloadavg()[0]
            print(
                f"{title}: {seconds:.1f} s ({busy:.1f} s of processor), {memory:.0f} MiB; load {load:.1f}", flush=True
            )
            most = BOUNDS[title]
            counted = min(busy, seconds) if load > (os.cpu_count() or 1) else seconds
            above += [title] if counted > most[0] or memory > most[1] else []
        page = folder / "fake" / "report.html"
        if page.exists():
            size = page.stat().st_size / 1e6
            print(f"page: {size:.1f} MB")
            above += ["page"] if size > PAGE_MB else []
    if above:
        sys.exit(f"above the bounds: {', '.join(above)}")
