"""`gavel check`: show what a study reads, asks and needs, and what is wrong with it, before it runs."""

import argparse
import shlex
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gavel.cli.commands import Commands, add_changes, add_command, changes, program
from gavel.cli.cost import studies_in
from gavel.common.errors import InputError
from gavel.common.paths import ROOT, is_shipped
from gavel.study import checks, layout, memory_check, preview
from gavel.study.cost.estimate import Assumptions
from gavel.study.cost.lengths import lengths_of
from gavel.study.cost.memory import jobs
from gavel.study.named_judge import check_other_judges, model_folders, other_judges
from gavel.study.preview import Row, Splits
from gavel.study.results_folder import check_writable

GIB = 2**30
LATER = "not here yet: `gavel check --fetch` downloads it"


def add_check(commands: Commands) -> None:
    parser = add_command(
        commands,
        "check",
        help="check a study's config, models and data in seconds, and show its prompts and rows",
        description="Reads the config, models' tokenizers and data as the study will, without training. If something "
        "is wrong, exits with 2, and the last line says what. A judge's server is not contacted.",
        examples=["check config/minimal.yaml", "check mine.yaml --fetch"],
    )
    parser.add_argument("config", metavar="STUDY.yaml", help="a study's config, or a sweep's")
    add_changes(parser)
    parser.add_argument("--fetch", action="store_true", help="download what is on the hub, to check that too")
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="the jobs run on a cluster's nodes: do not check this machine's GPUs and memory",
    )
    parser.set_defaults(run=check)


def check(options: argparse.Namespace) -> None:
    """`gavel check`: print each part as soon as it is known, so that an error is printed below what is known."""
    studies = studies_in(options.config, options.overlays, options.settings)
    with tempfile.TemporaryDirectory(prefix="gavel-check-") as folder:
        for title, study in studies.items():
            print(f"# {title}, results in `{study['results_dir']}`\n")
            for part in parts(study, Path(folder), fetch=options.fetch, here=not options.cluster):
                print(part + "\n")
    command = [program(), "run", options.config, *changes(options.overlays, options.settings)]
    print(f"No problem found. Run it: {shlex.join(command)}")


def parts(study: dict[str, Any], folder: Path, *, fetch: bool, here: bool) -> Iterator[str]:
    """The sections of the page for one study.

    Args:
        study: the resolved config.
        folder: for the splits, which studies with the same data share.
        fetch: download what is on the hub.
        here: the jobs run on this machine.

    Raises:
        InputError: something is wrong.
    """
    check_writable(study["results_dir"])
    yield _downloads(study, fetch)
    if fetch:
        study = preview.fetched(study)
    checks.check_models(study)
    checks.check_reward_terms(study["rl"])
    training = {key: study[key] for key in ("sft", "rl", "compute", "evaluation")}
    checks.check_training(**training, here=here)
    check_other_judges(study, ROOT)
    yield _models(study, other_judges(study, ROOT))
    found = None
    if missing := preview.missing_data(study):
        yield f"## Data\n\n{', '.join(missing)}: {LATER}."
    else:
        found = preview.splits(study, folder)
        yield _data(found, study)
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


def _models(study: dict[str, Any], others: dict[str, dict[str, Any]]) -> str:
    """Student and judge, and the other judges that the config names: key -> settings."""
    lines = ["## Models\n"]
    for which in ("student", "judge"):
        named = study[which]["model"]
        if named is None:
            lines.append(f"- {which}: no model, {study[which]['kind']}")
            continue
        if (found := preview.model(study, which)) is None:
            lines.append(f"- {which}: {named}, made, downloaded or served later")
            continue
        limit = "no limit of length" if found.context is None else f"{found.context:,} tokens of context"
        lines.append(
            f"- {which}: {named}, {_millions(found.parameters)} million parameters, {limit}, end token {found.end!r}, "
            f"padding token {found.pad!r}"
        )
    for key, settings in others.items():
        kind = settings.get("kind", "single-token")
        lines.append(f"- {key}: {', '.join(model_folders(settings)) or settings['model'] or 'no model'}, {kind}")
    judge = study["judge"]["model"]
    if study["solution"]["format"] == "text" and judge and is_shipped(judge):
        lines.append("\nWARNING: the shipped judge has read programs only; its scores of texts mean nothing.")
    return "\n".join(lines)


def _millions(count: float) -> str:
    return f"{count / 1e6:.1f}" if count < 1e7 else f"{count / 1e6:,.0f}"


def _data(splits: Splits, study: dict[str, Any]) -> str:
    from gavel.report.cells import flatten  # imports pandas, which other commands do not wait for

    sft, notes = bool(study["sft"]), splits.notes
    removed = "; ".join(leaf for leaf in flatten(notes["removed"]) if not leaf.endswith(": 0"))
    lines = [
        f"## Data\n\nOf {notes['train']:,} training questions, {notes['usable']:,} are usable"
        f"{f' (removed: {removed})' if removed else ''}; the splits leave out {notes['unused']:,} of them."
    ]
    limit = study["solution"]["max_new_tokens"]
    if splits.too_long:
        lines.append(
            f"\nWARNING: {splits.too_long:,} of the {splits.solved:,} solutions that SFT trains on are longer than "
            f"solution.max_new_tokens ({limit}), up to {splits.longest:,} tokens. Responses as long as these are cut."
        )
    for name, rows in splits.rows.items():
        note = f", {splits.solved:,} with a solution that SFT trains on" if sft and name == "labeled" else ""
        lines += [f"\n### {name}: {splits.counts[name]:,} questions{note}", *map(_row, rows)]
    for kind, reason in notes["solutions"]["not_converted"].items():
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
        none = "reads no prompt" if not study["judge"]["panel"] else "reads the prompts of its members' own studies"
        return "\n".join([*lines, f"\nThis kind of judge {none}."])
    stands = " (`(solution)` stands for a response)" if "(solution)" in solutions else ""
    lines += [f"\nThe judge reads{stands}:\n", _text(judging.text, "judge")]
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
