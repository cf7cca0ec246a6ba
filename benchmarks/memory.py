"""What SFT, GRPO and PPO take of memory, against the estimate that is made before the first job (`gavel cost`).

Each case trains in a process of its own, for a few steps of a real job: with validation, judge and saving. Its peak is
the kernel's (`VmHWM`) when it ends, less what the process took when everything was imported. `--smollm2 FILE.gguf
--gsm8k FILE.jsonl` measures SmolLM2-135M on GSM8K's questions instead of the tiny student.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from measuring import _resident_peak, machine

from gavel.common.paths import ROOT, is_gguf
from gavel.data.prepare import prepare
from gavel.jobs.launch import RunFolders, restore_dataclasses
from gavel.jobs.threads import use_threads
from gavel.models import gguf
from gavel.models.limits import limits
from gavel.models.task import Task
from gavel.study import layout, params, resolve
from gavel.study.cost.estimate import Assumptions
from gavel.study.cost.lengths import lengths_of
from gavel.study.cost.memory import MIB, jobs

TINY = {
    "sft, batch 16": ("sft", {"sft": {"epochs": 1, "batch_size": 16}}),
    "sft, batch 64": ("sft", {"sft": {"epochs": 1, "batch_size": 64}}),
    "grpo, 8 × 8": ("grpo", {"rl": {"prompts_per_step": 8, "micro_batch_size": None}}),
    "grpo, 32 × 8 in 64s": ("grpo", {"rl": {"prompts_per_step": 32, "micro_batch_size": 64}}),
    "ppo, 8 × 8": ("ppo", {"rl": {"prompts_per_step": 8, "micro_batch_size": None}}),
    "ppo, 32 × 8 in 64s": ("ppo", {"rl": {"prompts_per_step": 32, "micro_batch_size": 64}}),
}
SMOLLM2 = {
    "sft, batch 2": ("sft", {"sft": {"epochs": 1, "batch_size": 2}}),
    "sft, batch 6": ("sft", {"sft": {"epochs": 1, "batch_size": 6}}),
    "grpo, 2 × 2": ("grpo", {"rl": {"prompts_per_step": 2, "num_generations": 2}}),
    "grpo, 2 × 6": ("grpo", {"rl": {"prompts_per_step": 2, "num_generations": 6}}),
}


def study(case: dict, model: str, questions: str | None) -> dict:
    """The config of a case: the default study's, with few questions and steps."""
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["data"] |= {"labeled": 64, "unlabeled": 200, "validation": 100}
    raw["rl"] |= {"steps": 2, "algorithms": ["grpo", "ppo"], "validation": {"every": 2, "questions": 100}}
    if questions:  # a real model on real questions, as few as a busy machine can train on
        source = {"reader": "gsm8k", "path": questions, "split": "train", "limit": 300}
        raw["data"] |= {"train": source, "pretrain": None, "labeled": 12, "unlabeled": 40, "validation": 4}
        raw["rl"] |= {"steps": 1, "validation": {"every": 2, "questions": 4}}
    raw["student"] = {"model": model}
    for section, changes in case.items():
        raw[section] |= changes
    return resolve.resolve(raw, ROOT)


def estimated(config: dict, algorithm: str):
    a = Assumptions()
    found = jobs(config, lengths_of(config, prompt=a.prompt, judging=a.judging, length=a.length))
    return found["train_sft" if algorithm == "sft" else f"train_rl, {algorithm}"]


def measured(algorithm: str, config: dict, folder: str) -> float:
    """MiB that training took beyond the imports; runs in a process of its own."""
    from gavel.judge import load  # noqa: F401
    from gavel.training import sft
    from gavel.training.rl import train as rl
    from gavel.training.rl.settings import RLSettings

    base = _resident_peak()
    data = layout.Layout(folder).data
    run = RunFolders(f"{folder}/runs/x", f"{folder}/state/x", "digest")
    shared = {"run": run, "limits": limits(config["evaluation"]), "student": params.student(config)}
    shared |= {"task": Task.from_config(params.solution(config))}
    if algorithm == "sft":
        settings = {key: value for key, value in config["sft"].items() if key != "seed"}
        own = {"labeled": data.labeled, "validation": data.validation, "settings": settings, "seed": 0}
        sft.train(**restore_dataclasses(sft.train, shared | own))
    else:
        files = {name: getattr(data, name) for name in ("labeled", "unlabeled", "validation")}
        grid_run = {"name": "x", "algorithm": algorithm, "lam": 0.5, "seed": 0}
        own = {"grid_run": grid_run, "data": files, "start": config["student"]["model"], "judge": params.judge(config)}
        own |= {"settings": RLSettings.from_section(params.rl(config), None)}
        rl.train(**restore_dataclasses(rl.train, shared | own))
    return (_resident_peak() - base) / 1024


def one(spec: str) -> None:
    """Measure one case, given as JSON, in this process."""
    algorithm, case, model, questions = json.loads(spec)
    config = study(case, model, questions)
    with tempfile.TemporaryDirectory() as folder:
        prepare(
            **layout.data(config),
            solution_format=config["solution"]["format"],
            reasoning=config["solution"]["reasoning"],
            output=layout.Layout(folder).data.folder,
        )
        print(measured(algorithm, config, folder))


def table(name: str, cases: dict, model: str, questions: str | None, threads: int) -> None:
    print(f"\n| {name} | estimated MiB | measured | estimated / measured | largest phase |\n|---|---|---|---|---|")
    for case, (algorithm, changes) in cases.items():
        job = estimated(study(changes, model, questions), algorithm)
        spec = json.dumps([algorithm, changes, model, questions])
        command = [sys.executable, __file__, "--threads", str(threads), "--case", spec]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found, expected = float(done.stdout.split()[-1]), job.beyond_base / MIB
        print(f"| {case} | {expected:,.0f} | {found:,.0f} | {expected / found:.2f} | {job.largest} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="only cases that begin with this")
    parser.add_argument("--smollm2", metavar="FILE.gguf or FOLDER")
    parser.add_argument("--gsm8k", metavar="FILE.jsonl")
    parser.add_argument("--case", help="measure this case only, and print its MiB")
    options = parser.parse_args()
    use_threads(options.threads)
    if options.case:
        one(options.case)
        return
    print(machine())

    def chosen(cases: dict) -> dict:
        return {name: case for name, case in cases.items() if name.startswith(options.only or "")}

    if options.smollm2:
        with tempfile.TemporaryDirectory() as folder:
            model = options.smollm2
            if is_gguf(model):
                model = str(Path(folder, "smollm2"))
                gguf.convert(options.smollm2, model, key="--smollm2", dtype="float32")
            table("SmolLM2-135M", chosen(SMOLLM2), model, options.gsm8k, options.threads)
    else:
        table("tiny student", chosen(TINY), str(ROOT / "resources/models/student"), None, options.threads)


if __name__ == "__main__":
    main()
