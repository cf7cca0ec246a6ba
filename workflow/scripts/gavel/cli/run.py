"""`gavel run`: run a study with Snakemake, from any working directory."""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml

from gavel.cli.commands import Commands, add_changes, add_command, changes
from gavel.cli.cost import studies_in
from gavel.common.errors import InputError
from gavel.common.files import write_text
from gavel.common.paths import ROOT
from gavel.study import config_files
from gavel.study.smoke import SMOKE_CONFIG, smoke

SLURM = "profiles/slurm"  # below the working directory, or else the project's


def add_run(commands: Commands) -> None:
    parser = add_command(
        commands,
        "run",
        help="train and evaluate: run a study, or continue it where it stopped",
        description="Runs Snakemake, which runs every job whose results are missing or outdated, up to the report. "
        "Paths in the config are relative to the working directory or the project's folder, results_dir to the "
        "working directory. STUDY.yaml may also be a study that ships with Gavel, such as config/demo.yaml. The exit "
        "status is Snakemake's; 2 if the config is invalid.",
        examples=[
            "run mine.yaml --smoke",
            "run mine.yaml --set rl.steps=20 --set student.model=models/mine",
            "run mine.yaml --slurm judge -- --keep-going",
        ],
    )
    parser.add_argument("config", metavar="STUDY.yaml", help="a study's config, or a sweep's")
    parser.add_argument(
        "targets",
        metavar="TARGET",
        nargs="*",
        help="what to make instead of the report: a stage (data, sft, judge, rl, evaluate) or a file; after `--`, "
        "options of Snakemake",
    )
    add_changes(parser)
    parser.add_argument("--slurm", action="store_true", help=f"submit the jobs to Slurm, with {SLURM}/config.yaml")
    parser.add_argument("--cores", type=_cores, metavar="N", help="CPU cores to use on this machine (default: all)")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="run the study made tiny, in a results folder of its own, to see in a few minutes whether every part runs",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the jobs that would run")
    parser.set_defaults(run=run, snakemake=[])


def run(options: argparse.Namespace) -> None:
    """`gavel run`: check the config, then become Snakemake, which so gets signals and gives its exit status itself."""
    if options.slurm and options.cores:
        raise InputError("--cores: has no effect with --slurm, where each job requests its own; leave it out")
    studies_in(options.config, options.overlays, options.settings)
    if options.smoke:
        options.config, options.overlays, options.settings = _smoke_config(options), [], []
    command = snakemake_command(options)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)


def snakemake_command(options: argparse.Namespace) -> list[str]:
    """The command line. `--configfile` comes last, because it would take targets for further files."""
    where = ["--cores", options.cores or "all"]
    if options.slurm:
        where = ["--workflow-profile", str(Path(SLURM) if Path(SLURM).is_dir() else ROOT / SLURM)]
    more = [*(["--dry-run"] if options.dry_run else []), *options.snakemake]
    command = [sys.executable, "-m", "snakemake", *options.targets, "--snakefile", str(ROOT / "Snakefile")]
    changed = [f"{key}={json.dumps(value)}" for key, value in config_files.nested(options.settings).items()]
    more += ["--config", *changed] if changed else []
    return [*command, *where, *more, "--configfile", *map(config_files.find, [options.config, *options.overlays])]


def _smoke_config(options: argparse.Namespace) -> str:
    """Write the config of a study's smoke run into its results folder; returns the file's path."""
    name, changed = options.config, changes(options.overlays, options.settings)
    tiny: dict[str, Any] = smoke(config_files.read_changed(name, options.overlays, options.settings))
    path = Path(tiny["results_dir"], SMOKE_CONFIG)
    command = shlex.join(["gavel", "run", name, *changed, "--smoke"])
    head = f"# Written by `{command}`: the study made tiny. Its results mean nothing.\n"
    try:
        write_text(path, head + yaml.safe_dump(tiny, sort_keys=False, allow_unicode=True))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); check results_dir") from None
    print(f"Smoke run of {name}: results in {path.parent}, which are no results of the study", file=sys.stderr)
    return str(path)


def _cores(text: str) -> str:
    if text != "all" and not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more, nor `all`")
    return text
