"""Tables of a perturbed test set: accuracy and drop rate per perturbation kind, and by answerability."""

from gavel.report.cells import MISSING, Cell, Table, count, estimate_cell, percent, text
from gavel.report.results import Results


def kind_table(results: Results, name: str, unseen: set[str]) -> Table:
    """Greedy accuracy of every run per perturbation kind of one test set."""
    rows = results.main_metrics
    rows = rows[(rows.set == name) & rows.metric.str.startswith("greedy_kind:")]
    metrics = list(dict.fromkeys(rows.metric))
    runs = list(dict.fromkeys(rows.run))
    columns = [
        ("kind", ""),
        ("n", "questions"),
        *((results.names[run], "greedy accuracy, %") for run in runs),
    ]
    table = Table(columns, [])
    for metric in metrics:
        kind = metric.partition(":")[2]
        own = {row.run: row for row in rows[rows.metric == metric].itertuples()}
        shown = text(kind + (" †" if kind in unseen else ""))
        table.rows.append([shown, count(next(iter(own.values())).n), *(estimate_cell(own.get(run)) for run in runs)])
    return table


def drop_table(results: Results, name: str) -> Table:
    """Performance drop rate (PDR) in %, with intervals: rows are all kinds together, then each; columns are runs."""
    rows = results.main_metrics
    rows = rows[(rows.set == name) & ((rows.metric == "pdr") | rows.metric.str.startswith("pdr_kind:"))]
    runs = list(dict.fromkeys(rows.run))
    table = Table([("kind", ""), ("n", "questions"), *((results.names[run], "drop rate, %") for run in runs)], [])
    for metric in dict.fromkeys(rows.metric):
        own = {row.run: row for row in rows[rows.metric == metric].itertuples()}
        shown = [text(metric.partition(":")[2] or "all kinds"), count(next(iter(own.values())).n)]
        table.rows.append(shown + [_rate(own.get(run)) for run in runs])
    return table


def answerable_table(results: Results, name: str) -> Table:
    """Greedy accuracy on answerable and on unanswerable questions; rows are runs."""
    parts = {"greedy_answerable": "answerable", "greedy_unanswerable": "unanswerable"}
    rows = results.main_metrics
    rows = rows[(rows.set == name) & rows.metric.isin(list(parts))]
    table = Table([("run", "")], [])
    for metric, title in parts.items():
        sizes = rows[rows.metric == metric].n
        table.columns.append((title, f"{sizes.max():,.0f} questions, accuracy in %" if len(sizes) else ""))
    for run in dict.fromkeys(rows.run):
        own = {row.metric: row for row in rows[rows.run == run].itertuples()}
        table.rows.append([text(results.names[run]), *(estimate_cell(own.get(metric)) for metric in parts)])
    return table


def _rate(row) -> Cell:
    """A drop rate in %, which may be negative, with its interval below."""
    if row is None:
        return MISSING
    value, low, high = (percent(number).replace("-", "−") for number in (row.value, row.low, row.high))
    return Cell(value, f"{low} to {high}", sort=row.value)
