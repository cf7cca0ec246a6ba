"""`gavel judge`: is a judge good enough to train on?"""

import argparse
import json
from collections.abc import Iterator

from gavel.commands.rows import add_options, located, parsed, shown
from gavel.errors import InputError
from gavel.skipped import Skipped


def add_judge(commands) -> None:
    parser = commands.add_parser(
        "judge",
        help="is a judge good enough to train on? its figures on solutions with known verdicts",
        description='Rows are {"question", "response": text, "correct": true or false}; a question may have many.',
    )
    parser.add_argument("file", metavar="FILE.jsonl")
    parser.add_argument("--judge", required=True, metavar="PATH_OR_CONFIG", help="model folder, hub name or study YAML")
    add_options(parser)
    parser.set_defaults(run=judge)


def judge(options: argparse.Namespace) -> None:
    """`gavel judge`: ask a judge about every response of a file and print its figures."""
    from gavel.judging import judge_file

    skipped = Skipped() if options.skip_bad else None
    try:
        figures = judge_file(_judged(options.file, skipped), options.file, options.judge)
    finally:
        if skipped:
            skipped.tell(options.file)
    if skipped:
        figures |= {"skipped": skipped.count}
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        if not name.endswith("_ci95"):
            print(f"{name:<21} {_with_interval(name, value, figures.get(f'{name}_ci95'))}")


def _with_interval(name: str, value: float | None, interval: list[float] | None) -> str:
    form = ".2%" if name == "accuracy" else ".4g"
    if value is None:
        return "undefined"
    if interval is None:
        return f"{value:{form}}"
    return f"{value:{form}} (95 % interval {interval[0]:{form}} to {interval[1]:{form}})"


def _judged(path: str, skipped: Skipped | None) -> Iterator[tuple[str, str, bool]]:
    for where, line in located(path):
        try:
            yield _judged_row(parsed(line, where), where)
        except InputError as problem:
            if skipped is None:
                raise
            skipped.add(problem)


def _judged_row(row: dict, where: str) -> tuple[str, str, bool]:
    for key in ("question", "response"):
        if not isinstance(row.get(key), str):
            raise InputError(f"{where}: '{key}' must be a text, found {shown(row, key)}")
    if not isinstance(row.get("correct"), bool):
        raise InputError(f"{where}: 'correct' must be true or false, found {shown(row, 'correct')}")
    return row["question"], row["response"], row["correct"]
