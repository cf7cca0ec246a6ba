"""`gavel resources`: what a finished study's jobs used beside what they had asked for, and the lines to ask for it."""

import argparse
import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gavel.cli.commands import Commands
from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import config_files
from gavel.study.layout import Layout
from gavel.study.rules import RULES, timed
from gavel.study.schema.study import Compute

USED = ("s", "max_rss", "cpu_time")  # columns of Snakemake's benchmark files
MIB = 2**20 / 1e6  # Snakemake measures MiB and asks for MB
ROUND_MB, ROUND_MINUTES = 500, 10


@dataclass
class Used:
    """One rule's jobs: their number, the largest peak memory (MiB), the longest (s), and the most cores in use."""

    jobs: int = 0
    memory: float = 0.0
    seconds: float = 0.0
    cores: float = 0.0


def add_resources(commands: Commands) -> None:
    parser = commands.add_parser(
        "resources",
        help="what a finished study's jobs used of what they asked for, and the lines that ask for it",
        description="Reads the workflow's own benchmark files and the study's config.yaml.",
    )
    parser.add_argument("results", metavar="RESULTS", help="a study's results folder")
    parser.add_argument("--margin", type=float, default=1.5, help="times what was used (%(default)s)")
    parser.set_defaults(run=resources)


def resources(options: argparse.Namespace) -> None:
    """`gavel resources`: measure and print."""
    if not 1 <= options.margin < math.inf:
        raise InputError(f"--margin {options.margin:g}: give a number of 1 or more")
    files = Layout(options.results)
    print(page(used(Path(files.benchmarks)), asked(Path(files.config)), options.margin), end="")


def used(folder: Path) -> dict[str, Used]:
    """Rule -> what its jobs used, from Snakemake's benchmark files; the workflow's rules first, in their order.

    Files of no rule, such as another version's, go by the name of the file or its folder.

    Raises:
        InputError: there are none, or one lacks a column.
    """
    found: dict[str, Used] = defaultdict(Used)
    for path in sorted(folder.rglob("*.tsv")):
        file = path.relative_to(folder).with_suffix("").as_posix()
        name = timed(file) or file.partition("/")[0]
        with open(path, newline="", encoding="utf-8") as handle:
            try:
                rows = [[_number(row[key]) for key in USED] for row in csv.DictReader(handle, delimiter="\t")]
            except (KeyError, TypeError, ValueError, csv.Error):
                raise InputError(f"{path}: not a benchmark file of Snakemake's; delete it") from None
            for seconds, memory, busy in rows:
                own = found[name]
                own.jobs += 1
                own.memory, own.seconds = max(own.memory, memory), max(own.seconds, seconds)
                own.cores = max(own.cores, busy / seconds if seconds else 0.0)
    if not found:
        raise InputError(f"{folder}: no benchmark files; name the results folder of a study that has run")
    return {name: found[name] for name in [*RULES, *found] if name in found}


def _number(text: str) -> float:
    """A figure of a benchmark file; jobs too short to be looked at have `NA` or `-`, which count as nothing."""
    return 0.0 if text in ("NA", "-", "") else float(text)


def asked(path: Path) -> dict[str, dict[str, Any]]:
    """What jobs ask for: `compute` (the study's, or its defaults where its config.yaml is missing) and the `light`
    ones' default of the Slurm profile."""
    compute = (config_files.read(path) if path.exists() else {}).get("compute") or {}
    if not isinstance(compute, dict):
        raise InputError(f"{path}: compute: is a section of keys, found {compute!r}")
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text(encoding="utf-8"))
    light = {key: int(str(profile["default-resources"][key]).split()[0]) for key in ("mem_mb", "runtime")}
    return {"compute": Compute().model_dump() | compute, "light": light | {"threads": 1}}


def page(found: dict[str, Used], given: dict[str, dict[str, Any]], margin: float) -> str:
    """The table, what is too little, and lines of YAML for what was measured times `margin`."""
    compute, light = given["compute"], given["light"]
    head = "rule | jobs | largest MB | asked | longest, min | asked | cores in use | threads"
    lines = [f"| {head} |", "|---|" + "---:|" * head.count(" | ")]
    short = []
    for rule, own in found.items():
        ask = light if _is_light(rule) else compute | _threads(rule)
        memory, minutes = own.memory * MIB, own.seconds / 60
        lines.append(
            f"| {rule} | {own.jobs:,} | {memory:,.0f} | {ask['mem_mb']:,} | {minutes:,.1f} | {ask['runtime']:,} | "
            f"{own.cores:.2f} | {ask['threads']} |"
        )
        if memory > ask["mem_mb"] or minutes > ask["runtime"]:
            short.append(f"{rule} used more than it asked for.")
        if own.cores > ask["threads"] + 0.5:
            short.append(f"{rule} used {own.cores:.1f} cores, but asked for {ask['threads']}.")
    heavy = [own for rule, own in found.items() if not _is_light(rule)]
    lines += ["", *short, *([""] if short else []), f"With {margin:g} times what was used, in the study's YAML:", ""]
    if heavy:
        lines.append(f"    compute: {{threads: {compute['threads']}, {_wanted(heavy, margin)}}}")
    lines += ["", "and in a Slurm profile, for rules that need less or more:", "", "    set-resources:"]
    for rule, own in found.items():
        memory, minutes = _sizes([own], margin)
        lines += [f"      {rule}:", f"        mem_mb: {memory} * attempt", f"        runtime: {minutes} * attempt"]
    return "\n".join(lines) + "\n"


def _is_light(rule: str) -> bool:
    return rule in RULES and RULES[rule].light


def _threads(rule: str) -> dict[str, int]:
    """The threads of a rule's jobs, where they are not those of `compute`."""
    threads = RULES[rule].threads if rule in RULES else None
    return {"threads": threads} if threads else {}


def _wanted(jobs: list[Used], margin: float) -> str:
    memory, minutes = _sizes(jobs, margin)
    return f"mem_mb: {memory}, runtime: {minutes}"


def _sizes(jobs: list[Used], margin: float) -> tuple[int, int]:
    """MB and minutes for the largest and the longest of some jobs, rounded up."""
    memory = max(own.memory for own in jobs) * MIB * margin
    minutes = max(own.seconds for own in jobs) / 60 * margin
    return _rounded_up(memory, ROUND_MB), _rounded_up(minutes, ROUND_MINUTES)


def _rounded_up(number: float, step: int) -> int:
    return max(1, math.ceil(number / step)) * step
