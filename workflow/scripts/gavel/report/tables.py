"""Tables of the test results."""

from types import SimpleNamespace

import pandas as pd

from gavel.metrics import main_checkpoint
from gavel.plots.style import label
from gavel.report.load import Results
from gavel.report.words import (
    MISSING,
    Cell,
    Table,
    count,
    difference_cell,
    interval,
    p_cell,
    percent,
    points,
    share_cell,
    stands_out,
    text,
)

GREEDY = "share of questions whose single greedy solution is right, in %"
DIFFERENCE = "greedy accuracy minus SFT's on the same questions, in points"


def headline(results: Results, *, other: bool = False) -> Table:
    """Rows: runs. Columns: for each test set greedy, maj@k and the difference from SFT, with 95 % intervals.

    The best of a column is bold only where its own difference from SFT has an interval above zero. With
    `other` the rows are the checkpoints that do not count (RL: best by validation, SFT: last step), which
    have greedy solutions only.
    """
    k = None if other else results.top_k
    places = {run: main_checkpoint(run) for run in results.runs}
    if other:
        flipped = {run: "best" if place == "last" else "last" for run, place in places.items()}
        known = set(zip(results.metrics.run, results.metrics.checkpoint, strict=True))
        places = {run: place for run, place in flipped.items() if (run, place) in known}
    measures = [("greedy", 1)] + ([("maj", k)] if k else [])
    columns, groups, filled = [("run", "")], [("", 1)], []
    for name in results.sets:
        for metric, number in measures:
            rows = {run: results.metric(run, name, metric, number, place) for run, place in places.items()}
            top = max((row.value for row in rows.values() if row), default=None)
            cells = []
            for run, row in rows.items():
                gain = results.comparison(run, "sft", name, metric, number, places[run])
                cells.append(share_cell(row, bold=bool(row and gain and row.value == top and gain.low > 0)))
            filled.append(cells)
        gains = [results.comparison(run, "sft", name, "greedy", 1, place) for run, place in places.items()]
        filled.append([difference_cell(row) for row in gains])
        columns += [("greedy", GREEDY)]
        columns += [(f"maj@{k}", f"share of questions that the majority of {k} samples answers correctly")] if k else []
        columns += [("Δ SFT", DIFFERENCE)]
        groups.append((f"{name} ({results.size(name):,} questions)", len(measures) + 1))
    table = Table(columns, [], groups)
    for place, run in enumerate(places):
        state = results.runs[run]["status"]
        note = f"{places[run]} step" if other else "" if state == "finished" else state
        table.rows.append([text(results.names[run], note), *(column[place] for column in filled)])
    return table


def comparisons(results: Results, rows: pd.DataFrame, *, matched: bool = False) -> Table:
    """Rows of comparisons.csv; `matched` adds whether steps, completions and learning rate agree."""
    columns = [
        ("set", "test set"),
        ("run", ""),
        ("against", ""),
        ("difference", "points, with the paired 95 % interval"),
        ("p", "two-sided, paired bootstrap"),
        ("p, Holm", "corrected for the number of comparisons; the primary one is not corrected"),
        ("gained / lost", "questions that only the run, only the other answers rightly"),
    ]
    table = Table(columns + ([("budget", "steps, completions and learning rate")] if matched else []), [])
    for row in rows.itertuples():
        measure = row.metric if row.metric == "greedy" else f"{row.metric}@{row.k}"
        if row.checkpoint == "best":
            measure += ", best checkpoint"
        discordant = MISSING
        if not pd.isna(row.gained):
            discordant = Cell(f"+{row.gained:.0f} / −{row.lost:.0f}", sort=row.gained - row.lost)
        cells = [
            text(row.set),
            text(results.names.get(row.run, row.run), measure + (", primary ★" if row.primary else "")),
            text(results.names.get(row.baseline, row.baseline)),
            difference_cell(row, bold=stands_out(row)),
            p_cell(row.p),
            p_cell(row.p_adjusted),
            discordant,
        ]
        table.rows.append(cells + ([_budget(results, row.run, row.baseline)] if matched else []))
    return table


def _budget(results: Results, first: str, second: str) -> Cell:
    def of(run: str) -> dict:
        about = results.runs[run]
        rate = (about.get("settings") or {}).get("learning_rate")
        return {"steps": about.get("steps"), "completions": about.get("completions"), "learning rate": rate}

    a, b = of(first), of(second)
    odd = [f"{key} {a[key]} against {b[key]}" for key in a if a[key] != b[key]]
    return text("; ".join(odd)) if odd else text("the same")


def difference_text(row) -> str:
    """+7.1 points (95 % interval +4.6 to +9.6)."""
    return f"{points(row.difference)} points (95 % interval {interval(row)})"


def across_seeds(results: Results) -> Table:
    """Runs of several seeds taken together: mean accuracy and difference from SFT per test set; empty for one seed."""
    columns = [("run", ""), ("set", "test set"), ("metric", ""), ("seeds", ""), ("mean", "over seeds, in %")]
    columns += [("single seeds", "lowest and highest, in %"), ("Δ SFT", "in points, seeds and questions resampled")]
    table = Table([*columns, ("p, Holm", "corrected over this table")], [])
    for row in results.seeds.to_dict("records"):
        name = label("", row["algorithm"], row["lambda"])
        own = SimpleNamespace(**row)
        gain = SimpleNamespace(difference=own.difference, low=own.difference_low, high=own.difference_high)
        table.rows.append(
            [text(name), text(own.set), text(own.metric if own.metric == "greedy" else f"{own.metric}@{own.k}")]
            + [
                count(own.seeds),
                share_cell(own),
                Cell(f"{percent(own.lowest)}–{percent(own.highest)}", sort=own.lowest),
            ]
            + [difference_cell(gain, bold=own.p_adjusted < 0.05), p_cell(own.p_adjusted)]
        )
    return table
