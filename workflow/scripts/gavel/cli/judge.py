"""`gavel judge`: measure whether a judge is good enough to train on, or score responses with it."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gavel.cli import output_file
from gavel.cli.commands import Commands, add_command, fraction
from gavel.cli.layouts import JUDGE_LAYOUTS, JudgeLayout
from gavel.cli.rows import add_options, located_rows
from gavel.common.errors import InputError
from gavel.common.files import json_object as parsed
from gavel.common.files import jsonl_lines
from gavel.common.paths import ROOT
from gavel.data.sources import SkippedRows
from gavel.judge_eval.decision import MIN_AUC, Decision, decide
from gavel.judge_eval.measured_judges import neighbours
from gavel.study import resolve

MAX_OFF_LABEL = 0.5
STATUS = {"yes": 0, "no": 3, "unclear": 4}
PARTS = {"subsets": "subset", "models": "model"}


def add_judge(commands: Commands) -> None:
    parser = add_command(
        commands,
        "judge",
        help="measure whether a judge is good enough to train on, on responses labelled correct or incorrect",
        description='Rows are {"question", "response": text, "correct": true or false}; a question may have many rows. '
        "With `--layout unlabeled`, rows have no `correct`, and the judge only scores them.",
        examples=[
            "judge solutions.jsonl --judge resources/models/judge",
            "judge solutions.jsonl --judge mine.yaml --min-auc 0.9 --exit-code",
            "judge outputs.jsonl --judge mine.yaml --layout unlabeled --details scores.jsonl",
        ],
    )
    parser.add_argument("file", metavar="FILE.jsonl", help="the responses to judge, one row per line")
    parser.add_argument("--judge", required=True, metavar="PATH_OR_CONFIG", help="model folder, hub name or study YAML")
    parser.add_argument(
        "--layout",
        choices=tuple(JUDGE_LAYOUTS),
        default="rows",
        help="'unlabeled' reads rows without `correct`; 'rewardbench' reads pairs (prompt, chosen, rejected, subset), "
        "such as a study's judge benchmark; "
        "'gsm8k-model-solutions' reads OpenAI's published file and gives metrics for each of its models",
    )
    parser.add_argument(
        "--min-auc",
        type=fraction,
        metavar="X",
        help="answer whether the judge's AUC within questions is at least X; the default is the study's "
        f"judge.min_within_auc, or {MIN_AUC:g}",
    )
    parser.add_argument(
        "--exit-code", action="store_true", help="exit with 0 for yes, 3 for no and 4 for unclear (2: bad input)"
    )
    parser.add_argument(
        "--details",
        metavar="OUT.jsonl",
        help="also write the judge's score of each row, with rows numbered from 0, without skipped ones; "
        f"{output_file.HELP}",
    )
    add_options(parser)
    parser.set_defaults(run=judge)


def judge(options: argparse.Namespace) -> int:
    """`gavel judge`: let a judge score every response in a file, print its metrics, and say whether it is good enough.

    The file is read once before judging, so that a bad row near the end does not waste the judge's work.
    """
    layout = JUDGE_LAYOUTS[options.layout]
    if options.layout in ("rewardbench", "unlabeled") and (options.min_auc is not None or options.exit_code):
        raise InputError(
            "--min-auc and --exit-code need several labelled responses to a question, which this layout does not have; "
            "use `rows`"
        )
    if options.details:
        if options.layout not in ("rows", "unlabeled"):
            raise InputError("--details: has no effect with this layout; use `rows` or `unlabeled`")
        output_file.check_new("--details", options.details, [options.file])
    if not options.skip_bad and Path(options.file).is_file():
        for _ in _rows(options.file, layout, None):
            pass
    skipped = SkippedRows() if options.skip_bad else None
    try:
        metrics, details = layout.ask(_rows(options.file, layout, skipped), options.file, options.judge)
    finally:
        if skipped:
            skipped.log_summary(options.file)
    if options.details:
        output_file.write("--details", options.details, jsonl_lines(details))
    if layout.note:
        metrics |= {"note": layout.note}
    if skipped:
        metrics |= {"skipped": skipped.count}
    decision = _decision(metrics, options)
    if options.json:
        asked = decision and (options.min_auc is not None or options.exit_code)  # else the keys are as they always were
        print(json.dumps(metrics | ({"decision": decision._asdict()} if decision and asked else {})))
    else:
        print("\n".join(_lines(metrics)))
        if decision:
            print("\n" + "\n".join(_answer(decision, metrics)))
    return STATUS[decision.answer] if decision and options.exit_code else 0


def _decision(metrics: Mapping[str, Any], options: argparse.Namespace) -> Decision | None:
    """The answer; None for a layout of pairs of single responses, which has no groups of responses."""
    if "auc_within_questions" not in metrics:
        return None
    judge = resolve.read(options.judge, ROOT)["judge"] if Path(options.judge).suffix in (".yaml", ".yml") else {}
    given = (options.min_auc, judge.get("min_within_auc"), MIN_AUC)
    limit = judge.get("max_off_label", MAX_OFF_LABEL)
    return decide(metrics, next(value for value in given if value is not None), limit)


def _answer(decision: Decision, metrics: Mapping[str, Any]) -> Iterator[str]:
    yield f"Good enough to train on: {decision.answer}. {decision.why[0].upper()}{decision.why[1:]}."
    yield f"Next: {decision.advice}."
    if (auc := metrics["auc_within"]) is None:
        return
    from gavel.report.cells import points  # imported when used: it imports pandas

    found = [
        f"by {points(near.difference)} ({points(near.low)} to {points(near.high)}) under a simulated judge with an AUC "
        f"within questions of {near.auc_within:.2f}"
        for near in neighbours(auc)
    ]
    yield (
        "For orientation only: GRPO without labels changed the accuracy of a tiny student, in percentage points, "
        f"{' and '.join(found)} (docs/studies/dial.md)."
    )


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
