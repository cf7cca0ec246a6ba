"""`gavel check`: show what a study reads, asks and needs, and what is wrong with it, before it runs."""

import argparse
import shlex
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gavel.cli.commands import Commands
from gavel.cli.cost import studies_in
from gavel.common.errors import InputError
from gavel.study import checks, layout, memory_check, preview
from gavel.study.cost.estimate import Assumptions
from gavel.study.cost.lengths import lengths_of
from gavel.study.cost.memory import jobs
from gavel.study.preview import Row, Splits

GIB = 2**30
LATER = "not here yet: `gavel check --fetch` downloads it"


def add_check(commands: Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="check a study's config, models and data in seconds, and show its prompts and rows",
        description="Reads the config, models' tokenizers and data as the study will, without training. Exits with 2 "
        "and one line if something is wrong. A judge's server is not contacted.",
    )
    parser.add_argument("config", metavar="STUDY.yaml")
    parser.add_argument("--fetch", action="store_true", help="download what is on the hub, to check that too")
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="the jobs run on a cluster's nodes: do not check this machine's GPUs and memory",
    )
    parser.set_defaults(run=check)


def check(options: argparse.Namespace) -> None:
    """`gavel check`: print each part as soon as it is known, so that all of it stands above an error."""
    studies = studies_in(options.config)
    for title, study in studies.items():
        print(f"# {title}, results in `{study['results_dir']}`\n")
        for part in parts(study, fetch=options.fetch, here=not options.cluster):
            print(part + "\n")
    targets = [f"{study['results_dir']}/report.html" for study in studies.values()]
    command = ["snakemake", "--cores", "all", *(targets if len(targets) == 1 else []), "--configfile", options.config]
    print(f"No problem found. Run it: {shlex.join(command)}")


def parts(study: dict[str, Any], *, fetch: bool, here: bool) -> Iterator[str]:
    """The sections of the page for one study.

    Args:
        study: the resolved config.
        fetch: download what is on the hub.
        here: the jobs run on this machine.

    Raises:
        InputError: something is wrong.
    """
    yield _downloads(study, fetch)
    if fetch:
        study = preview.fetched(study)
    checks.check_models(study)
    training = {key: study[key] for key in ("sft", "rl", "compute", "evaluation")}
    checks.check_training(**training, here=here)
    found = None
    if missing := preview.missing_data(study):
        yield f"## Data\n\n{', '.join(missing)}: {LATER}."
    else:
        with tempfile.TemporaryDirectory(prefix="gavel-check-") as folder:
            found = preview.splits(study, Path(folder))
        yield _data(found, bool(study["sft"]))
    yield _prompts(study, found)
    yield _memory(study, here)
    memory_check.check_memory(study, here=here)


def _downloads(study: dict[str, Any], fetch: bool) -> str:
    wanted = layout.hub(study)
    if not wanted:
        return "## Downloads\n\nNone: models and data are on this machine or made by the study."
    rows = [
        f"- {what.replace('data/', 'data.')}: {one['kind']} {one['name']}"
        + (f", file {one['file']}" if "file" in one else "")
        + (f", revision {one['revision']}" if one["revision"] else "")
        for what, one in wanted.items()
    ]
    when = "Downloaded now" if fetch else "Before the first job, the study downloads from the Hugging Face Hub"
    return "\n".join([f"## Downloads\n\n{when}:\n", *rows])


def _data(splits: Splits, sft: bool) -> str:
    lines = ["## Data"]
    for name, rows in splits.rows.items():
        note = f", {splits.solved:,} with a solution that SFT trains on" if sft and name == "labeled" else ""
        lines += [f"\n### {name}: {splits.counts[name]:,} questions{note}", *map(_row, rows)]
    for kind, reason in splits.not_converted.items():
        lines.append(f"\n{reason['count']:,} solutions do not convert to programs ({kind}): {reason['first'][0]}")
    return "\n".join(lines)


def _row(row: Row) -> str:
    gold = "withheld" if row.gold is None else row.gold
    target = [] if row.target is None else ["", row.target]
    return "\n" + textwrap.indent("\n".join([row.question, *target, "", f"gold answer: {gold}"]), "    ")


def _prompts(study: dict[str, Any], splits: Splits | None) -> str:
    shown = [row for rows in splits.rows.values() for row in rows] if splits else []
    labeled = (splits.rows["labeled"] if splits else []) or [Row("(question)", None, None)]
    question, solutions = labeled[0].question, [row.target or "(solution)" for row in (labeled * 2)[:2]]
    asked = shown[0].question if shown else "(question)"
    lines = ["## Prompts\n\nThe student reads:\n"]
    lines.append(_text(preview.solving_prompt(study, asked).text, "student"))
    judging = preview.judging_prompt(study, question, solutions)
    if judging is None:
        return "\n".join([*lines, "\nThis kind of judge reads no prompt."])
    lines += ["\nThe judge reads:\n", _text(judging.text, "judge")]
    words = ", ".join(f"{label!r} is token {token}" for label, token in judging.labels.items())
    whose = "the judge's server has the tokenizer" if study["judge"]["server"] else "the judge is not here yet"
    return "\n".join([*lines, f"\nIts label words: {words or whose}."])


def _text(text: str | None, which: str) -> str:
    return textwrap.indent(text, "    ", lambda line: True) if text is not None else f"The {which} is {LATER}."


def _memory(study: dict[str, Any], here: bool) -> str:
    assumed = Assumptions()
    lengths = lengths_of(study, prompt=assumed.prompt, judging=assumed.judging, length=assumed.length)
    try:
        estimated = jobs(study, lengths)
    except InputError as error:
        return f"## Memory\n\nNot estimated: {error}"
    lines = ["## Memory\n\nEstimated, for each process of a job:\n"]
    lines += [f"- {name}: {job.peak / GIB:.1f} GiB" for name, job in estimated.items()]
    if memory := memory_check.available(study["compute"], here, attempts=1):
        lines.append(f"\n{memory.owner[0].upper()}{memory.owner[1:]} {memory.size / GIB:.1f} GiB.")
    return "\n".join(lines)
