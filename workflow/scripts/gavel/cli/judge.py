"""`gavel judge`: measure whether a judge is good enough to train on."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gavel.cli.commands import Commands
from gavel.cli.layouts import JUDGE_LAYOUTS, JudgeLayout
from gavel.cli.rows import add_options, located_rows
from gavel.common.errors import InputError
from gavel.common.files import json_object as parsed
from gavel.data.sources import SkippedRows

PARTS = {"subsets": "subset", "models": "model"}


def add_judge(commands: Commands) -> None:
    parser = commands.add_parser(
        "judge",
        help="measure whether a judge is good enough to train on, on responses labelled correct or incorrect",
        description='Rows are {"question", "response": text, "correct": true or false}; a question may have many rows.',
    )
    parser.add_argument("file", metavar="FILE.jsonl")
    parser.add_argument("--judge", required=True, metavar="PATH_OR_CONFIG", help="model folder, hub name or study YAML")
    parser.add_argument(
        "--layout",
        choices=tuple(JUDGE_LAYOUTS),
        default="rows",
        help="'rewardbench' reads pairs (prompt, chosen, rejected, subset), such as a study's judge benchmark; "
        "'gsm8k-model-solutions' reads OpenAI's published file and gives metrics for each of its models",
    )
    add_options(parser)
    parser.set_defaults(run=judge)


def judge(options: argparse.Namespace) -> None:
    """`gavel judge`: let a judge score every response in a file, and print its metrics.

    The file is read once before judging, so that a bad row near the end does not waste the judge's work.
    """
    layout = JUDGE_LAYOUTS[options.layout]
    if not options.skip_bad and Path(options.file).is_file():
        for _ in _rows(options.file, layout, None):
            pass
    skipped = SkippedRows() if options.skip_bad else None
    try:
        metrics = layout.ask(_rows(options.file, layout, skipped), options.file, options.judge)
    finally:
        if skipped:
            skipped.log_summary(options.file)
    if layout.note:
        metrics |= {"note": layout.note}
    if skipped:
        metrics |= {"skipped": skipped.count}
    if options.json:
        print(json.dumps(metrics))
        return
    print("\n".join(_lines(metrics)))


def _lines(metrics: dict[str, Any]) -> Iterator[str]:
    """One line per metric; the metrics of a part, such as a subset or a model, are indented under its name."""
    for name, value in metrics.items():
        if isinstance(value, dict):
            for part, part_metrics in value.items():
                yield f"{PARTS.get(name, name)} {part}:"
                yield from (f"  {line}" for line in _lines(part_metrics))
        elif not name.endswith("_ci95"):
            yield f"{name:<21} {_with_interval(name, value, metrics.get(f'{name}_ci95'))}"


def _with_interval(name: str, value: float | str | None, interval: list[float] | None) -> str:
    form = "" if isinstance(value, str) or name.startswith("tokens") else ".2%" if name == "accuracy" else ".4g"
    if value is None:
        return "undefined"
    if interval is None:
        return f"{value:{form}}"
    return f"{value:{form}} (95 % interval {interval[0]:{form}} to {interval[1]:{form}})"


def _rows(path: str, layout: JudgeLayout, skipped: SkippedRows | None) -> Iterator[Any]:
    for where, line in located_rows(path):
        try:
            found = layout.read(parsed(line, where), where)
        except InputError as problem:
            if skipped is None:
                raise
            skipped.add(problem)
            continue
        yield from found
