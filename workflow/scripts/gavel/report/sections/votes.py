"""Tables of answers chosen from several samples, with their cost: by majority vote, by the judge's score, and best of n
by a pairwise judge."""

from typing import Any

from gavel.evaluation.metrics import main_checkpoint
from gavel.evaluation.question_values import PICKS
from gavel.report.cells import (
    MISSING,
    Cell,
    Table,
    difference_cell,
    estimate_cell,
    is_significant,
    join_words,
    p_cell,
    text,
)
from gavel.report.results import Results

# Metric -> (column title, tooltip).
COLUMNS = {
    "maj": ("maj@{n}", "majority vote"),
    "best_of": ("by score", "the sample that the judge scores highest"),
    "best_of_elo": ("by Elo", "the sample rated highest in the judge's round robin"),
    "best_of_knockout": ("by knockout", "the sample that wins the judge's knockout"),
    "pass": ("pass@{n}", "any of the samples is correct: an upper bound for every choice"),
}
NAMES = {metric: title.partition("@")[0].removeprefix("by ") for metric, (title, _) in COLUMNS.items()}
DIFFERENCES = [(metric, "maj") for metric in PICKS] + [("best_of_knockout", "best_of")]
CONTESTS = {"round-robin": "round robin", "knockout": "knockout"}
CHOICES = {
    "weighted_maj": "votes weighted by the judge's score",
    "best_of": "the answer of the sample that the judge scores highest",
}


def majority_table(results: Results) -> Table:
    """maj@k minus greedy accuracy of the same run; rows are runs, columns are test sets."""
    rows = results.comparisons[results.comparisons.metric == "maj-greedy"]
    table = Table([("run", "")], [], [("", 1)])
    sets = [name for name in results.sets if name in set(rows.set)]
    for name in sets:
        k = rows[rows.set == name].k.max()
        table.groups.append((name, 2))
        table.columns += [(f"maj@{k} − greedy", "percentage points, paired"), ("p, Holm", "corrected")]
    for run in [run for run in results.runs if run in set(rows.run)]:
        cells = [text(results.names[run])]
        for name in sets:
            row = next(rows[(rows.run == run) & (rows.set == name)].itertuples(), None)
            cells.append(difference_cell(row, bold=bool(row) and is_significant(row)))
            cells.append(p_cell(row and row.p_adjusted, row and row.p))
        table.rows.append(cells)
    return table


def judged_table(results: Results, name: str) -> Table:
    """maj@k and the two choices by the judge's score on one test set, with paired differences; rows are runs."""
    rows = results.comparisons
    rows = rows[(rows.set == name) & rows.metric.isin([f"{metric}-maj" for metric in CHOICES])]
    if rows.empty:
        return Table([], [])
    k = int(rows.k.max())
    table = Table([("run", ""), (f"maj@{k}", "majority vote, in %")], [])
    for metric, meaning in CHOICES.items():
        title = {"weighted_maj": f"weighted maj@{k}", "best_of": f"best of {k}"}[metric]
        table.columns += [
            (title, meaning + ", in %"),
            ("− maj", "in percentage points, paired"),
            ("p, Holm", "corrected"),
        ]
    for run in [run for run in results.runs if run in set(rows.run)]:
        cells = [text(results.names[run]), estimate_cell(results.metric(run, name, "maj", k))]
        for metric in CHOICES:
            row = next(rows[(rows.run == run) & (rows.metric == f"{metric}-maj")].itertuples(), None)
            cells.append(estimate_cell(results.metric(run, name, metric, k)))
            cells.append(difference_cell(row, bold=bool(row) and is_significant(row)))
            cells.append(p_cell(row and row.p_adjusted, row and row.p))
        table.rows.append(cells)
    return table


def best_of_n_table(results: Results, name: str) -> Table:
    """Votes and choices on one test set, their paired differences, and judging prompts per question; rows are runs.

    Without rows if the judge chooses by its score alone.
    """
    n = best_of_size(results, name)
    if n is None:
        return Table([], [])
    rows = results.comparisons[(results.comparisons.set == name) & (results.comparisons.k == n)]
    known = set(results.metrics[(results.metrics.set == name) & (results.metrics.k == n)].metric)
    shown = [metric for metric in COLUMNS if metric in known]
    pairs = [pair for pair in DIFFERENCES if "-".join(pair) in set(rows.metric)]
    ways = [way for way in CONTESTS if any(way in of_run.get(name, {}) for of_run in results.contests.values())]
    table = Table([("run", "")], [], [("", 1), (f"all {n} samples", len(shown))])
    table.columns += [(COLUMNS[metric][0].format(n=n), COLUMNS[metric][1] + ", in %") for metric in shown]
    table.columns += [(f"{NAMES[a]} − {NAMES[b]}", "in percentage points, paired") for a, b in pairs]
    table.columns += [(CONTESTS[way], "mean, used on its own; below: compared pairs") for way in ways]
    spans = (("differences, in percentage points", len(pairs)), ("judging prompts per question", len(ways)))
    table.groups += [(title, span) for title, span in spans if span]
    for run in [run for run in results.runs if any(results.metric(run, name, metric, n) for metric in PICKS)]:
        cells = [text(results.names[run]), *(estimate_cell(results.metric(run, name, metric, n)) for metric in shown)]
        for pair in pairs:
            row = results.comparison(run, run, name, "-".join(pair), n, main_checkpoint(run))
            cells.append(difference_cell(row, bold=bool(row) and is_significant(row)))
        table.rows.append(cells + [_taken(results.contests.get(run, {}).get(name, {}).get(way)) for way in ways])
    return table


def best_of_size(results: Results, name: str) -> int | None:
    """How many samples per question the judge chose from by comparing them; None if it did not."""
    rows = results.metrics[(results.metrics.set == name) & results.metrics.metric.isin(PICKS)]
    return None if rows.empty else int(rows.k.max())


def _taken(cost: dict[str, Any] | None) -> Cell:
    if not cost or not cost["questions"]:
        return MISSING
    prompts, comparisons = (cost[key] / cost["questions"] for key in ("prompts", "comparisons"))
    return Cell(f"{prompts:,.1f}", f"{comparisons:,.1f} pairs", sort=prompts)


def contest_cost_sentence(results: Results) -> str | None:
    """A sentence on the mean cost per question over all runs and test sets; None if no samples were compared."""
    costs_by_way = []
    for way, name in CONTESTS.items():
        costs = [sets[way] for of_run in results.contests.values() for sets in of_run.values() if way in sets]
        if questions := sum(cost["questions"] for cost in costs):
            prompts, read, written = (
                sum(cost[key] for cost in costs) / questions for key in ("prompts", "read", "written")
            )
            spent = f"{read:,.0f} tokens" if not written else f"{read:,.0f} tokens read and {written:,.0f} written"
            costs_by_way.append(f"a {name} took {prompts:,.1f} prompts with {spent}")
    means = f"Per question, on average over all runs and test sets, {join_words(costs_by_way)}."
    return means if costs_by_way else None
