"""The judge benchmark: how good judges are on pairs of solutions, as a whole and in parts, beside what they cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pandas as pd

from gavel.common.files import read_jsonl
from gavel.judge_eval.records import WrittenJudgment
from gavel.report.cells import MISSING, Cell, Estimate, Table, count, listing, points, share_cell, text
from gavel.report.figure import Figure
from gavel.report.plots.judges import accuracy_against_cost
from gavel.report.results import Results
from gavel.report.sections.samples import ending, short

TITLES = {
    "error": "By kind of error of the wrong solution",
    "steps": "By difficulty: steps of the reference solution",
    "wrong by": "By whose solution is wrong",
}


def labelled(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The tables of one or more studies as one, with the column `label` that tells their judges apart.

    Args:
        tables: study -> its benchmark.csv; those without rows are left out. The name '' stands for the one study that a
            page is about.
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
    """Rows: judges. Columns: accuracy and AUC with 95 % intervals, how far the order of the two counts, and cost."""
    every = all_pairs(rows)
    compares = every.flipped.notna().any()
    columns = [
        ("judge", ""),
        ("pairs", "that it answered on"),
        ("accuracy", "right solution preferred, in %; ties half"),
    ]
    columns += [("AUC", "of single solutions"), ("AUC within", "questions")]
    if compares:
        columns += [("position bias", "points; mean probability that the first shown wins, less 50")]
        columns += [("flips", "share of pairs whose winner changes with the order, in %")]
    columns += [("tokens read", "a pair"), ("written", "tokens a pair"), ("seconds", "a pair")]
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
            text(row.label, f"{row.missing:,} not answered" if row.missing else ""),
            count(row.n),
            share_cell(accuracy_of(row)),
        ]
        cells += [_shown(row.auc, "{:.3f}".format), within, *(bias if compares else []), *cost]
        table.rows.append([*cells, _shown(row.seconds, "{:.2g}".format)])
    return table


def part_tables(rows: pd.DataFrame) -> list[tuple[str, Table]]:
    """(title, table) for each way to tell pairs apart: a row a part, a column a judge with its accuracy."""
    names = list(dict.fromkeys(rows.label)) if len(rows) else []
    made = []
    for by, title in TITLES.items():
        own = rows[rows.by == by] if len(rows) else rows
        table = Table([("part", ""), ("pairs", ""), *((name, "accuracy in %") for name in names)], [])
        for part in dict.fromkeys(own.part if len(own) else ()):
            of = {row.label: row for row in own[own.part == part].itertuples()}
            pairs = max(row.n + row.missing for row in of.values())
            cells = [share_cell(accuracy_of(of[name])) if name in of else MISSING for name in names]
            table.rows.append([text(part), count(pairs), *cells])
        if table.rows:
            made.append((title, table))
    return made


def cost_figure(rows: pd.DataFrame) -> Figure:
    """Accuracy of every judge against the tokens that a pair costs; without panels for less than two judges."""
    figure = Figure("judge-accuracy-against-cost", missing="There is no judge benchmark with two judges to compare.")
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
        "Share of pairs whose right solution the judge prefers, with 95 % intervals (a bootstrap over questions, or "
        "Wilson's, which is wider, where all pairs are won), "
        "against the tokens that its model reads and writes for a pair, on a logarithmic axis; "
        "judges are moved sideways a little, so that those that cost the same can be told apart. "
        + (f"Not drawn, because it counts no tokens or answered nothing: {listing(uncounted)}. " if uncounted else "")
        + asked_about(rows)
    )
    return figure


def written_cards(results: Results) -> list[dict[str, Any]]:
    """What the first and the last of a study's judges write about the same few pairs
    (`gavel.judge_eval.benchmark.written`); none of judges that answer at once.

    Returns:
        `{"id", "prompt" (its end), "label" (the right one), "sides"}`; a side has `judge`, `judgment`, `right`,
        `probability` (of the right label).
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


def asked_about(rows: pd.DataFrame) -> str:
    """What the judges were asked about, in words."""
    every = all_pairs(rows)
    pairs = listing([f"{number:,}" for number in dict.fromkeys(every.n + every.missing)])
    same = every["items"].nunique() == 1
    return (
        f"{pairs} pairs of a right and a wrong solution of one validation problem, by the untuned student, SFT, the "
        "reference and references with an injected error; validation labels say which is right. "
        + ("" if same else "The studies have different pairs, so differences between their judges are not paired. ")
    )


def all_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of benchmark.csv about all pairs, one for each judge."""
    return rows[rows.by == "all"]


def accuracy_of(row: Any) -> Estimate | None:
    """A judge's accuracy by a row of benchmark.csv; None where it answered on no pair."""
    return None if pd.isna(row.accuracy) else Estimate(row.accuracy, row.low, row.high)


def _shown(value, form) -> Cell:
    return MISSING if pd.isna(value) else Cell(form(value), sort=float(value))
