"""A finished study's answer and main results on the console."""

import sys
from collections.abc import Iterable
from pathlib import Path
from textwrap import fill
from typing import Any

from gavel.common.errors import first_line
from gavel.report.cells import interval, percent, points
from gavel.report.plots.style import label
from gavel.report.results import Results, load
from gavel.report.sections.controls import kinds
from gavel.report.sections.summary_sentences import headline_sentence
from gavel.study.layout import Layout

WIDTH = 110


def print_results(studies: Iterable[dict[str, Any]], since: float) -> None:
    """Print the results of the studies whose report was written after a time, in seconds since 1970.

    An error is printed and not raised: the study has succeeded.
    """
    for study in studies:
        page = Path(Layout(study["results_dir"]).report)
        if not page.exists() or page.stat().st_mtime < since:
            continue
        try:
            text = summary(load(study["results_dir"], study))
        except Exception as error:
            text = f"could not print the results: {first_line(error)}"
        print(f"\n{text}\n\nopen {page}", file=sys.stderr)


def summary(results: Results) -> str:
    """The answer, and greedy accuracy on every test set with the difference from the baseline on the first one.

    Runs that differ only in their seed are one row, their mean.
    """
    outcome, sentence = headline_sentence(results)
    first = results.baseline
    sets = results.sets
    head = ["greedy accuracy", *(f"{name}, %" for name in sets), f"{sets[0]}: minus {first.label}, points (95 %)"]
    rows = [head, [first.label, *(_percent(results.metric(first.run, name, "greedy")) for name in sets), ""]]
    means = {
        (row["algorithm"], row["lambda"], row["set"]): row
        for row in results.seeds.to_dict("records")
        if row["metric"] == "greedy"
    }
    trained = dict.fromkeys(
        (about["algorithm"], about["lambda"]) for run, about in results.runs.items() if run != first.run
    )
    for kind in trained:
        if (*kind, sets[0]) in means:
            each = [means.get((*kind, name)) for name in sets]
            gain = f"{points(each[0]['difference'])} ({points(each[0]['difference_low'])} to "
            gain += f"{points(each[0]['difference_high'])}), {each[0]['seeds']} seeds"
            rows.append([label("", *kind), *(percent(row["value"]) if row else "–" for row in each), gain])
            continue
        for run, about in results.runs.items():
            if (about["algorithm"], about["lambda"]) == kind:
                row = results.comparison(run, first.run, sets[0], "greedy")
                gain = f"{points(row.difference)} ({interval(row)})" if row else about["status"]
                cells = [_percent(results.metric(run, name, "greedy")) for name in sets]
                rows.append([results.names[run], *cells, gain])
    for one in kinds(results) if results.controls.runs else []:
        if one.is_control:
            change = one.gains.get(sets[0])
            shown = f"{points(change.difference)} ({interval(change)})" if change else one.note
            shown += f", {one.seeds} seeds" if change and one.seeds > 1 else ""
            rows.append([one.label, *(_percent(one.values.get(name)) for name in sets), shown])
    text = fill(f"{results.study['study']}: {outcome}. {sentence}", WIDTH)
    return f"{text}\n\n{_aligned(rows)}"


def _percent(row: Any) -> str:
    return "–" if row is None else percent(row.value)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
