"""The judge benchmark: accuracy of judges on pairs of solutions, overall and in parts, and their cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pandas as pd

from gavel.common.files import read_jsonl
from gavel.judge_eval.records import WrittenJudgment
from gavel.report.baseline import Baseline
from gavel.report.cells import MISSING, Cell, Table, count, estimate_cell, join_words, points, text
from gavel.report.figure import Figure
from gavel.report.plots.judges import accuracy_against_cost
from gavel.report.results import Results
from gavel.report.sections.samples import ending, short
from gavel.stats.intervals import Estimate

TITLES = {
    "error": "By kind of error in the wrong solution",
    "steps": "By difficulty: number of steps in the reference solution",
    "wrong by": "By source of the wrong solution",
}


def combine_tables(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Join the tables of one or more studies, with a column `label` that distinguishes their judges.

    Args:
        tables: study -> its benchmark.csv; those without rows are left out. '' is the name of the only study of a page.
    """
    kept = []
    for study, rows in tables.items():
        several = not study or rows.judge.nunique() > 1
        if len(rows):
            kept.append(
                rows.assign(label=[": ".join(filter(None, (study, one if several else ""))) for one in rows.judge])
            )
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()


def judge_table(rows: pd.DataFrame) -> Table:
    """Accuracy and AUC with 95 % intervals, position bias and cost; rows are judges."""
    every = all_pairs(rows)
    pairwise = every.flipped.notna().any()
    columns = [
        ("judge", ""),
        ("pairs", "that the judge answered"),
        ("accuracy", "correct solution preferred, in %; ties count half"),
    ]
    columns += [("AUC", "of individual solutions, across questions"), ("AUC within questions", "")]
    if pairwise:
        columns += [
            ("position bias", "percentage points: mean probability that the solution shown first wins, minus 50 %")
        ]
        columns += [("flips", "pairs whose winner flips with the order, in %")]
    columns += [("tokens read", "per pair"), ("tokens written", "per pair"), ("seconds", "per pair")]
    table = Table(columns, [])
    for row in every.itertuples():
        within = MISSING
        if not pd.isna(row.auc_within):
            within = Cell(
                f"{row.auc_within:.3f}", f"{row.auc_within_low:.3f}–{row.auc_within_high:.3f}", row.auc_within
            )
        bias = [_shown(row.first_bias, points), _shown(row.flipped, lambda value: f"{100 * value:.1f}")]
        cost = [_shown(row.tokens_read, "{:,.1f}".format), _shown(row.tokens_written, "{:,.1f}".format)]
        cells = [
            text(row.label, f"{row.missing:,} without answer" if row.missing else ""),
            count(row.n),
            estimate_cell(accuracy_of(row)),
        ]
        cells += [_shown(row.auc, "{:.3f}".format), within, *(bias if pairwise else []), *cost]
        table.rows.append([*cells, _shown(row.seconds, "{:.2g}".format)])
    return table


def part_tables(rows: pd.DataFrame) -> list[tuple[str, Table]]:
    """(title, table) for each breakdown of the pairs: a row per part, a column with the accuracy of each judge."""
    names = list(dict.fromkeys(rows.label)) if len(rows) else []
    tables = []
    for by, title in TITLES.items():
        own = rows[rows.by == by] if len(rows) else rows
        table = Table([("part", ""), ("pairs", ""), *((name, "accuracy in %") for name in names)], [])
        for part in dict.fromkeys(own.part if len(own) else ()):
            of = {row.label: row for row in own[own.part == part].itertuples()}
            pairs = max(row.n + row.missing for row in of.values())
            cells = [estimate_cell(accuracy_of(of[name])) if name in of else MISSING for name in names]
            table.rows.append([text(part), count(pairs), *cells])
        if table.rows:
            tables.append((title, table))
    return tables


def cost_figure(rows: pd.DataFrame, baseline: Baseline) -> Figure:
    """Accuracy of every judge against its tokens per pair; without panels for fewer than two judges."""
    figure = Figure("judge-accuracy-against-cost", missing="There is no judge benchmark with at least two judges.")
    if not len(rows):
        return figure
    every = all_pairs(rows)
    every = every.assign(tokens=every.tokens_read.fillna(0) + every.tokens_written.fillna(0))
    drawn = every[(every.tokens > 0) & every.accuracy.notna()]
    if len(drawn) < 2:
        return figure
    figure.data = drawn.drop(columns=["by", "part"])
    figure.panels.append(("Judge benchmark", accuracy_against_cost(drawn)))
    uncounted = [name for name in every.label if name not in set(drawn.label)]
    figure.caption = (
        "Fraction of pairs in which the judge prefers the correct solution, against the tokens that its model reads "
        "and writes per pair, on a logarithmic axis. Intervals are 95 % intervals (bootstrap over questions; if all "
        "pairs are won, Wilson's, which is wider). Judges are shifted sideways slightly, so that equal costs do not "
        "overlap. "
        + (f"Not shown, for lack of token counts or answers: {join_words(uncounted)}. " if uncounted else "")
        + about_pairs(rows, baseline)
    )
    return figure


def judgment_cards(results: Results) -> list[dict[str, Any]]:
    """Written judgments of the same few pairs by a study's first and last judge
    (`gavel.judge_eval.benchmark.written_judgments`).

    Returns:
        `{"id", "prompt" (its end), "label" (the correct one), "sides"}`; a side has `judge`, `judgment`, `right`,
        `probability` (of the correct label). Without direct judges, which write nothing.
    """
    names = list(dict.fromkeys(all_pairs(results.judge_benchmark).judge))
    cards: dict[tuple[str, str], dict[str, Any]] = {}
    for name in dict.fromkeys([*names[:1], *names[-1:]]):
        path = results.files.judge.benchmark.written(name)
        rows = (cast(WrittenJudgment, row) for row in (read_jsonl(path) if Path(path).exists() else ()))
        for row in rows:
            about = {"id": row["id"], "prompt": ending(row["prompt"]), "label": row["label"], "sides": []}
            side = {"judge": name, "judgment": short(row["judgment"].strip("\n")), "right": row["said"] == row["label"]}
            card = cards.setdefault((row["id"], row["prompt"]), about)
            card["sides"].append(side | {"probability": row["probability"]})
    return list(cards.values())


def about_pairs(rows: pd.DataFrame, baseline: Baseline) -> str:
    """A description of the benchmark's pairs."""
    every = all_pairs(rows)
    pairs = join_words([f"{number:,}" for number in dict.fromkeys(every.n + every.missing)])
    same = every["items"].nunique() == 1
    return (
        f"{pairs} pairs of a correct and a wrong solution of one validation question. Solutions come from "
        f"{baseline.sources}, the reference, and references with an injected error; validation labels decide which are "
        "correct. "
        + ("" if same else "The studies have different pairs, so differences between their judges are not paired. ")
    )


def all_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of benchmark.csv for all pairs, one per judge."""
    return rows[rows.by == "all"]


def accuracy_of(row: Any) -> Estimate | None:
    """A judge's accuracy from a row of benchmark.csv; None if it answered no pair."""
    return None if pd.isna(row.accuracy) else Estimate(row.accuracy, row.low, row.high)


def _shown(value, form) -> Cell:
    return MISSING if pd.isna(value) else Cell(form(value), sort=float(value))
