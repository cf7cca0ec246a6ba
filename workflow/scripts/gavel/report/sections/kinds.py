"""Tables of a perturbed test set: accuracy and drop rate per perturbation kind, and the answerable split."""

from gavel.report.cells import MISSING, Cell, Table, count, percent, share_cell, text
from gavel.report.results import Results


def kind_table(results: Results, name: str, unseen: set[str]) -> Table:
    """Greedy accuracy of every run per perturbation kind of one test set."""
    rows = results.headline
    rows = rows[(rows.set == name) & rows.metric.str.startswith("greedy_kind:")]
    found = list(dict.fromkeys(rows.metric))
    runs = list(dict.fromkeys(rows.run))
    columns = [
        ("kind", ""),
        ("n", "questions"),
        *((results.names[run], "greedy accuracy, %") for run in runs),
    ]
    table = Table(columns, [])
    for metric in found:
        kind = metric.partition(":")[2]
        own = {row.run: row for row in rows[rows.metric == metric].itertuples()}
        shown = text(kind + (" †" if kind in unseen else ""))
        table.rows.append([shown, count(next(iter(own.values())).n), *(share_cell(own.get(run)) for run in runs)])
    return table


def drop_table(results: Results, name: str) -> Table:
    """Rows: all kinds together, then each. Columns: the drop rate (PDR) of each run in %, with its interval."""
    rows = results.headline
    rows = rows[(rows.set == name) & ((rows.metric == "pdr") | rows.metric.str.startswith("pdr_kind:"))]
    runs = list(dict.fromkeys(rows.run))
    table = Table([("kind", ""), ("n", "questions"), *((results.names[run], "drop rate, %") for run in runs)], [])
    for metric in dict.fromkeys(rows.metric):
        own = {row.run: row for row in rows[rows.metric == metric].itertuples()}
        shown = [text(metric.partition(":")[2] or "all kinds"), count(next(iter(own.values())).n)]
        table.rows.append(shown + [_rate(own.get(run)) for run in runs])
    return table


def answerable_table(results: Results, name: str) -> Table:
    """Rows: runs. Columns: greedy accuracy on questions that can be answered, and on those that cannot."""
    parts = {"greedy_answerable": "answerable", "greedy_unanswerable": "cannot be answered"}
    rows = results.headline
    rows = rows[(rows.set == name) & rows.metric.isin(list(parts))]
    table = Table([("run", "")], [])
    for metric, title in parts.items():
        sizes = rows[rows.metric == metric].n
        table.columns.append((title, f"{sizes.max():,.0f} questions, accuracy in %" if len(sizes) else ""))
    for run in dict.fromkeys(rows.run):
        own = {row.metric: row for row in rows[rows.run == run].itertuples()}
        table.rows.append([text(results.names[run]), *(share_cell(own.get(metric)) for metric in parts)])
    return table


def _rate(row) -> Cell:
    """A drop rate in %, with its interval below; it may be negative."""
    if row is None:
        return MISSING
    value, low, high = (percent(number).replace("-", "−") for number in (row.value, row.low, row.high))
    return Cell(value, f"{low} to {high}", sort=row.value)
