"""Tables of choices among samples: majority vote against greedy, and what the judge adds to the vote."""

from gavel.report.load import Results
from gavel.report.words import Table, difference_cell, p_cell, share_cell, stands_out, text

JUDGED = {
    "weighted_maj": "each sample's vote counts as much as the judge's score of it",
    "best_of": "the answer of the sample that the judge likes best",
}


def majority(results: Results) -> Table:
    """maj@k minus greedy of the same run: rows are runs, columns the test sets."""
    rows = results.comparisons[results.comparisons.metric == "maj-greedy"]
    table = Table([("run", "")], [], [("", 1)])
    sets = [name for name in results.sets if name in set(rows.set)]
    for name in sets:
        k = rows[rows.set == name].k.max()
        table.groups.append((name, 2))
        table.columns += [(f"maj@{k} − greedy", "points, paired"), ("p, Holm", "corrected")]
    for run in [run for run in results.runs if run in set(rows.run)]:
        cells = [text(results.names[run])]
        for name in sets:
            row = next(rows[(rows.run == run) & (rows.set == name)].itertuples(), None)
            cells.append(difference_cell(row, bold=bool(row) and stands_out(row)))
            cells.append(p_cell(row and row.p_adjusted))
        table.rows.append(cells)
    return table


def judged(results: Results, name: str) -> Table:
    """One test set: rows are runs, columns maj@k and the judge's two choices with their paired difference from it."""
    rows = results.comparisons
    rows = rows[(rows.set == name) & rows.metric.isin([f"{metric}-maj" for metric in JUDGED])]
    if rows.empty:
        return Table([], [])
    k = int(rows.k.max())
    table = Table([("run", ""), (f"maj@{k}", "majority vote, in %")], [])
    for metric, meaning in JUDGED.items():
        title = {"weighted_maj": f"weighted maj@{k}", "best_of": f"best of {k}"}[metric]
        table.columns += [(title, meaning + ", in %"), ("− maj", "in points, paired"), ("p, Holm", "corrected")]
    for run in [run for run in results.runs if run in set(rows.run)]:
        cells = [text(results.names[run]), share_cell(results.metric(run, name, "maj", k))]
        for metric in JUDGED:
            row = next(rows[(rows.run == run) & (rows.metric == f"{metric}-maj")].itertuples(), None)
            cells.append(share_cell(results.metric(run, name, metric, k)))
            cells.append(difference_cell(row, bold=bool(row) and stands_out(row)))
            cells.append(p_cell(row and row.p_adjusted))
        table.rows.append(cells)
    return table
