"""`gavel resources`: compare the resources that a finished study's jobs used and requested; suggest new requests."""

import argparse
import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gavel.cli.commands import Commands, add_command
from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import config_files
from gavel.study.layout import Layout
from gavel.study.results_version import check_version
from gavel.study.rules import RULES, rule_of_benchmark
from gavel.study.schema.study import Compute

USAGE_COLUMNS = ("s", "max_rss", "cpu_time")  # columns of Snakemake's benchmark files
MIB = 2**20 / 1e6  # Snakemake measures MiB and asks for MB
ROUND_MB, ROUND_MINUTES = 500, 10


@dataclass
class RuleUsage:
    """Maxima over a rule's jobs: peak memory (MiB), time (s) and cores in use; and the number of jobs."""

    jobs: int = 0
    memory: float = 0.0
    seconds: float = 0.0
    cores: float = 0.0


def add_resources(commands: Commands) -> None:
    parser = add_command(
        commands,
        "resources",
        help="compare requested and used memory, time and cores of a finished study; suggest new requests",
        description="Reads Snakemake's benchmark files and config.yaml in the study's results folder.",
        examples=["resources results/mine", "resources results/mine --margin 2"],
    )
    parser.add_argument("results", metavar="RESULTS", help="a study's results folder")
    parser.add_argument(
        "--margin", type=float, default=1.5, metavar="X", help="factor on the used resources (%(default)s)"
    )
    parser.set_defaults(run=resources)


def resources(options: argparse.Namespace) -> None:
    """`gavel resources`: print the comparison."""
    if not 1 <= options.margin < math.inf:
        raise InputError(f"--margin {options.margin:g}: give a number of 1 or more")
    check_version(options.results)
    files = Layout(options.results)
    print(page(used_resources(Path(files.benchmarks)), requested_resources(Path(files.config)), options.margin), end="")


def used_resources(folder: Path) -> dict[str, RuleUsage]:
    """Rule -> what its jobs used, from Snakemake's benchmark files; the workflow's rules come first, in their order.

    Files that belong to no rule, such as another version's, are listed by the name of the file or its folder.

    Raises:
        InputError: there are no such files, or one lacks a column.
    """
    rules: dict[str, RuleUsage] = defaultdict(RuleUsage)
    for path in sorted(folder.rglob("*.tsv")):
        file = path.relative_to(folder).with_suffix("").as_posix()
        name = rule_of_benchmark(file) or file.partition("/")[0]
        with open(path, newline="", encoding="utf-8") as handle:
            try:
                rows = [[_number(row[key]) for key in USAGE_COLUMNS] for row in csv.DictReader(handle, delimiter="\t")]
            except (KeyError, TypeError, ValueError, csv.Error):
                raise InputError(f"{path}: not a benchmark file of Snakemake's; delete it") from None
            for seconds, memory, busy in rows:
                rule = rules[name]
                rule.jobs += 1
                rule.memory, rule.seconds = max(rule.memory, memory), max(rule.seconds, seconds)
                rule.cores = max(rule.cores, busy / seconds if seconds else 0.0)
    if not rules:
        raise InputError(f"{folder}: no benchmark files; name the results folder of a study that has run")
    return {name: rules[name] for name in [*RULES, *rules] if name in rules}


def _number(text: str) -> float:
    """A number in a benchmark file; jobs too short to be measured have `NA` or `-`, which count as 0."""
    return 0.0 if text in ("NA", "-", "") else float(text)


def requested_resources(path: Path) -> dict[str, dict[str, Any]]:
    """What jobs request: `compute`, from the study's config.yaml, or the defaults if it is missing; and `light`, from
    the Slurm profile's defaults."""
    compute = (config_files.read(path) if path.exists() else {}).get("compute") or {}
    if not isinstance(compute, dict):
        raise InputError(f"{path}: compute: expected a section of keys, found {compute!r}")
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text(encoding="utf-8"))
    light = {key: int(str(profile["default-resources"][key]).split()[0]) for key in ("mem_mb", "runtime")}
    return {"compute": Compute().model_dump() | compute, "light": light | {"threads": 1}}


def page(rules: dict[str, RuleUsage], requested: dict[str, dict[str, Any]], margin: float) -> str:
    """A table, the rules that requested too little, and YAML that requests the used resources times `margin`."""
    compute, light = requested["compute"], requested["light"]
    head = "rule | jobs | largest MB | asked | longest, min | asked | cores in use | threads"
    lines = [f"| {head} |", "|---|" + "---:|" * head.count(" | ")]
    short = []
    for name, rule in rules.items():
        request = light if _is_light(name) else compute | _threads(name)
        memory, minutes = rule.memory * MIB, rule.seconds / 60
        lines.append(
            f"| {name} | {rule.jobs:,} | {memory:,.0f} | {request['mem_mb']:,} | {minutes:,.1f} | "
            f"{request['runtime']:,} | {rule.cores:.2f} | {request['threads']} |"
        )
        if memory > request["mem_mb"] or minutes > request["runtime"]:
            short.append(f"{name} used more than it requested.")
        if rule.cores > request["threads"] + 0.5:
            short.append(f"{name} used {rule.cores:.1f} cores, but requested {request['threads']}.")
    heavy = [rule for name, rule in rules.items() if not _is_light(name)]
    lines += ["", *short, *([""] if short else []), f"For {margin:g} times what was used, in the study's YAML:", ""]
    if heavy:
        lines.append(f"    compute: {{threads: {compute['threads']}, {_wanted(heavy, margin)}}}")
    lines += ["", "and in a Slurm profile, for rules that need less or more:", "", "    set-resources:"]
    for name, rule in rules.items():
        memory, minutes = _sizes([rule], margin)
        lines += [f"      {name}:", f"        mem_mb: {memory} * attempt", f"        runtime: {minutes} * attempt"]
    return "\n".join(lines) + "\n"


def _is_light(rule: str) -> bool:
    return rule in RULES and RULES[rule].light


def _threads(rule: str) -> dict[str, int]:
    """The threads of a rule's jobs, where they are not those of `compute`."""
    threads = RULES[rule].threads if rule in RULES else None
    return {"threads": threads} if threads else {}


def _wanted(jobs: list[RuleUsage], margin: float) -> str:
    memory, minutes = _sizes(jobs, margin)
    return f"mem_mb: {memory}, runtime: {minutes}"


def _sizes(jobs: list[RuleUsage], margin: float) -> tuple[int, int]:
    """MB and minutes for the largest and the longest of some jobs, rounded up."""
    memory = max(own.memory for own in jobs) * MIB * margin
    minutes = max(own.seconds for own in jobs) / 60 * margin
    return _rounded_up(memory, ROUND_MB), _rounded_up(minutes, ROUND_MINUTES)


def _rounded_up(number: float, step: int) -> int:
    return max(1, math.ceil(number / step)) * step
