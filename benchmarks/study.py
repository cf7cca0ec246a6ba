"""CPU time of the default study, with one seed and with three, against that of an earlier commit with one seed.

Run by `make bench-study`, in about an hour and a half on two cores. Both sides use this environment and take turns,
part by part, each with one job at a time. CPU time is that of Snakemake and all its jobs. The three seeds are the one
seed's study, continued: its tables and its report are counted twice.

The commits are checked out in a folder that is kept: an interrupted measurement continues after the last finished part.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from measuring import machine

BEFORE = "ba1b464"
ROOT = Path(__file__).parents[1]
ALGORITHMS, LAMBDAS = ("grpo", "ppo"), ("0", "0.5", "1")


def parts(seeds: tuple[int, ...]) -> dict[str, list[str]]:
    """What is measured together -> the files that it makes, below the results folder."""
    runs = {a: [f"{a}-lambda{lam}-seed{seed}" for lam in LAMBDAS for seed in seeds] for a in ALGORITHMS}
    every = ["sft", *runs["grpo"], *runs["ppo"]]
    return {
        "data and SFT": ["data/audit.json", "runs/sft/run.json"],
        "judge calibration": ["judge/calibration.json"],
        "GRPO": [f"runs/{run}/run.json" for run in runs["grpo"]],
        "PPO": [f"runs/{run}/run.json" for run in runs["ppo"]],
        "responses and scores": [f"evaluation/{run}/main/samples.jsonl" for run in every],
        "rest": ["report.html"],
    }


def cpu_seconds(command: list[str], folder: Path, log: Path) -> float:
    """CPU seconds of a command with all processes that it waited for. Exits if it fails."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment["PYTHONPATH"] = str(folder / "workflow/scripts")
    with open(log, "ab") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, env=environment)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command[:6])} ... failed in {folder}; see {log}")
    return used.ru_utime + used.ru_stime


def check_out(commit: str, folder: Path) -> None:
    """Check a commit out into a clone of its own, unless it is there."""
    if folder.exists():
        return
    wanted = subprocess.run(["git", "rev-parse", commit], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    subprocess.run(["git", "clone", "-q", "--no-checkout", ROOT, folder], check=True)
    subprocess.run(["git", "checkout", "-q", wanted.strip()], cwd=folder, check=True)


def measure(work: Path) -> dict[str, dict[str, float]]:
    """Side -> part -> CPU seconds; sides are `before`, `one seed` and `three seeds`."""
    work.mkdir(parents=True, exist_ok=True)
    folders = {"before": work / "before", "one seed": work / "now", "three seeds": work / "now"}
    for commit, folder in ((BEFORE, folders["before"]), ("HEAD", folders["one seed"])):
        check_out(commit, folder)
    whole = yaml.safe_load((folders["one seed"] / "config/config.yaml").read_text(encoding="utf-8"))
    seeds = {"before": (0,), "one seed": (0,), "three seeds": tuple(whole["rl"]["seeds"])}
    one = whole | {"rl": whole["rl"] | {"seeds": [0]}}
    (folders["one seed"] / "config/one-seed.yaml").write_text(yaml.safe_dump(one), encoding="utf-8")
    configs = {"one seed": ["--configfile", "config/one-seed.yaml"]}
    kept = work / "seconds.json"
    found = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for sides in (("before", "one seed"), ("three seeds",)):
        for part in parts((0,)):
            for side in sides:
                if part in found.setdefault(side, {}):
                    continue
                files = [f"results/{path}" for path in parts(seeds[side])[part]]
                command = [sys.executable, "-m", "snakemake", "--cores", "1", *files, *configs.get(side, [])]
                found[side][part] = cpu_seconds(command, folders[side], work / "log")
                kept.write_text(json.dumps(found, indent=1), encoding="utf-8")
                print(f"{side}, {part}: {found[side][part]:.0f} CPU seconds", file=sys.stderr)
    for part, seconds in found["one seed"].items():
        found["three seeds"][part] += seconds
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """The CPU seconds as Markdown, with the ratios to the commit before."""
    before = found["before"] | {"all": sum(found["before"].values())}
    lines = ["| CPU seconds | " + " | ".join(f"{side} | ratio" for side in found) + " |"]
    lines[0] = lines[0].replace("before | ratio", f"{BEFORE}, one seed")
    lines.append("|---|" + "---|" * (lines[0].count("|") - 2))
    for part, seconds in before.items():
        cells = [f"{seconds:,.0f}"]
        for side in ("one seed", "three seeds"):
            own = sum(found[side].values()) if part == "all" else found[side][part]
            cells += [f"{own:,.0f}", f"{own / seconds:.2f}"]
        lines.append(f"| {part} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=ROOT / ".bench-study", help="folder that is kept (%(default)s)")
    options = parser.parse_args()
    print(json.dumps(machine()))
    print(table(measure(options.work.resolve())))
    print("goals: one seed 0.4 (aim 0.25), three seeds 1.0")
