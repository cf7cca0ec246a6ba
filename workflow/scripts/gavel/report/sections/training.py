"""Training as figures, SFT and then the RL runs; and what the judge pays for that is wrong, before and after."""

from pathlib import Path
from typing import Any, cast

import pandas as pd

from gavel.common.files import read_jsonl
from gavel.judge_eval.records import VerdictRow
from gavel.report import crowd
from gavel.report.cells import Estimate, Table, count, listing, share_cell, text
from gavel.report.figure import Figure, rl_settings, seeds_sentence
from gavel.report.plots.training import diagnostic, sft_curve, training_curve
from gavel.report.results import Results
from gavel.report.sections.samples import short
from gavel.stats.intervals import clustered_mean

LOGGED = {
    "reward": "mean reward",
    "lambda": "λ",
    "judge_labeled": "judge reward, labelled",
    "judge_unlabeled": "judge reward, unlabelled",
    "verifiable_labeled": "verifiable reward",
    "entropy": "entropy, nats a token",
    "kl": "KL to SFT, nats a token",
    "completions/mean_length": "tokens a completion",
    "clip_ratio/region_mean": "share of tokens clipped",
    "grad_norm": "gradient norm",
    "explained_variance": "explained variance of the critic",
}
LOOKED_AT = {
    "gap": "judge reward minus accuracy",
    "kl": "KL to SFT, nats a token",
    "entropy": "entropy, nats a token",
    "length": "tokens a completion",
    "unparsable": "share without an answer",
}
COLOURS = "Vermillion: λ = 0; blue: λ = 1; others: between."
EACH = 2  # pairs shown for each run


def sft_figure(results: Results) -> Figure:
    """Validation accuracy of supervised fine-tuning."""
    figure = Figure("sft-curve", missing="SFT left no monitor.")
    table = results.monitors.get("sft")
    if table is None or "greedy" not in table:
        return figure
    about = results.runs["sft"]
    figure.panels.append(("SFT", sft_curve(table, about.get("best_step"))))
    figure.data = table
    problems = f"{table.n.max():,.0f} " if "n" in table else ""
    labels = f"{about['labels']:,} labelled problems" if about.get("labels") else "the labelled problems"
    figure.caption = (
        f"Greedy accuracy on {problems}validation problems while fine-tuning on {labels}, with Wilson's 95 "
        f"% interval. "
        f"The star is the checkpoint that is kept (step {about.get('best_step', '–')}): the SFT baseline, "
        f"and where "
        "every RL run starts."
    )
    return figure


def curves_figure(results: Results) -> Figure:
    """Judge reward beside true accuracy, a panel per RL run."""
    figure = Figure("training-curves", missing="No RL run left a monitor, so there are no training curves.")
    kept = {run: table for run, table in results.monitors.items() if run != "sft"}
    for run, table in ((run, kept[run]) for run in crowd.shown_runs(results) if run in kept):
        svg = training_curve(table, results.runs[run].get("best_step"))
        figure.panels.append((results.names[run], svg))
    if not kept:
        return figure
    figure.data = pd.concat([table.assign(run=run) for run, table in kept.items()])
    problems = {int(n) for table in kept.values() if "n" in table for n in table.n.dropna()}
    scored = any("judge" in table and table.judge.notna().any() for table in kept.values())
    watched = "the judge scored none of them. "
    if scored:
        watched = (
            "vermillion: the judge's mean reward; dotted: share that the judge accepts (score above 0.5) although it "
            "is wrong. "
        )
    if scored and any("true_win_rate" in table for table in kept.values()):
        watched = (
            "vermillion: how often the judge, which compares, prefers the sample to the SFT policy's of the same "
            "question, drawn by the same random numbers (equal ones tie, so it begins at 0.5); blue, dashed: how often "
            "that is right; dotted: share in which it prefers a wrong sample to a right one of SFT's. "
        )
    figure.caption = (
        f"Samples of {listing([f'{n:,}' for n in sorted(problems)])} validation problems during training, "
        f"at temperature {results.study['rl']['temperature']:g}. Blue: share "
        f"that is right, with its 95 % interval; {watched}Dashed line: the "
        "best step by "
        "validation; a line marked ‘collapse’: the monitor's alarm. "
        f"{'The judge sees these samples at every λ; it pays for them only below λ = 1. ' if scored else ''}"
        f"Settings: {rl_settings(results)}. {seeds_sentence(results)}{crowd.left_out(results)}"
    )
    return figure


def diagnostics_figure(results: Results) -> Figure:
    """Reward, entropy, KL, length and gradient norm of all RL runs, as the trainers logged them."""
    figure = Figure("training-diagnostics", missing="No RL run left a training log.")
    _panels(figure, results, results.training, LOGGED)
    if figure.panels:
        figure.caption = (
            "What the trainers logged of each rollout, thin per step (of long runs: per block of steps), thick as a "
            f"moving mean. {COLOURS} {_dashes(_grid(results))}{crowd.averaged(results)}"
        )
    return figure


def monitor_figure(results: Results) -> Figure:
    """What the monitor saw beside accuracy and judge reward: the gap between them, KL, entropy, length."""
    figure = Figure("monitor-diagnostics", missing="No RL run left a monitor with a judge.")
    compares = any("true_win_rate" in table for table in results.monitors.values())
    gap = {"gap": "judge's win rate minus the true"} if compares else {}
    _panels(figure, results, results.monitors, LOOKED_AT | gap)
    if figure.panels:
        figure.caption = (
            "The same samples of validation problems as above, of the first hundred for KL and entropy. KL is between "
            "the policy and the SFT policy that it started from, over the whole vocabulary. Thick: moving mean. "
            f"{COLOURS} {_dashes(_grid(results))}{crowd.averaged(results)}"
        )
    return figure


def _panels(figure: Figure, results: Results, tables: dict[str, pd.DataFrame], columns: dict[str, str]) -> None:
    """A panel for each column that some RL run has."""
    runs = [run for run in _grid(results) if run[0] in tables]
    tables = {run: tables[run] for run, _, _ in runs}
    figure.data = pd.concat([rows.assign(run=run) for run, rows in tables.items()]) if tables else figure.data
    if groups := crowd.kinds_of_run(results):
        tables = crowd.mean_by_step(tables, groups)
        abouts = {name: results.runs[members[0]] for name, members in groups.items() if name in tables}
        runs = [(name, about["algorithm"], about["lambda"]) for name, about in abouts.items()]
    for column, title in columns.items():
        curves = {run: rows for run, rows in tables.items() if column in rows and rows[column].notna().any()}
        if curves:
            figure.panels.append((title, diagnostic(curves, runs, column, title)))


def _grid(results: Results) -> list[tuple[Any, ...]]:
    """(run, algorithm, λ) of the RL runs, in drawing order."""
    return [(run, about["algorithm"], about["lambda"]) for run, about in results.runs.items() if run != "sft"]


def _dashes(runs: list[tuple[Any, ...]]) -> str:
    words = ("solid", "dashed", "dotted", "dash-dotted")
    algorithms = list(dict.fromkeys(algorithm for _, algorithm, _ in runs))
    shown = [f"{words[place % 4]} for {name.upper()}" for place, name in enumerate(algorithms)]
    return f"Lines: {listing(shown)}." if len(shown) > 1 else ""


def hacked_pairs(results: Results) -> list[dict[str, Any]]:
    """For each RL run (of many seeds: of those that are drawn) wrong solutions of the last step that the judge calls
    right, one a question, each beside the solution of SFT's for the same question that the judge likes best.

    Solutions that SFT gave too are left out. Those stand first of which SFT's counterpart was right, then those that
    the judge scores highest.

    Returns:
        `{"run", "question", "before", "after"}`, both `{"response", "judge", "correct"}`.
    """
    start = _by_question(results.files.judge.verdicts)
    liked = {name: max(rows, key=lambda row: (row["probability"], row["response"])) for name, rows in start.items()}
    known = {(name, row["response"]) for name, rows in start.items() for row in rows}
    found = []
    for run in crowd.shown_runs(results):
        rows = _rows(results.files.judge.run_verdicts(run))
        fooled = [r for r in rows if _fooled(r) and r["id"] in liked and (r["id"], r["response"]) not in known]
        best: dict[str, dict[str, Any]] = {}
        for row in sorted(fooled, key=lambda r: (not liked[r["id"]]["correct"], -r["probability"], r["id"])):
            best.setdefault(row["id"], row)
        for name, row in list(best.items())[:EACH]:
            found.append(
                {"run": results.names[run], "question": short(row["question"])}
                | {"before": _side(liked[name]), "after": _side(row)}
            )
    return found


def wrongly_paid_table(results: Results) -> Table:
    """Of the solutions that the judge calls right, the share that is wrong: at the start, and at each run's end."""
    columns = [("policy", ""), ("called right", "solutions"), ("wrong among them, %", "95 % interval over questions")]
    table = Table(columns, [])
    for run in results.runs:
        judge = results.files.judge
        path = judge.verdicts if run == "sft" else judge.run_verdicts(run)
        rows = [row for row in _rows(path) if row["kind"] is None and row["says_right"]]
        if rows:
            wrong = [float(not row["correct"]) for row in rows]
            low, high = clustered_mean([row["id"] for row in rows], wrong)
            share = Estimate(sum(wrong) / len(wrong), low, high)
            table.rows.append([text(results.names[run]), count(len(rows)), share_cell(share)])
    return table


def _rows(path: str) -> list[VerdictRow]:
    """The judged solutions of a file; none where it is missing or was written without the judge's probability."""
    rows = read_jsonl(path) if Path(path).exists() else ()
    return [cast(VerdictRow, row) for row in rows if row.get("probability") is not None]


def _fooled(row: VerdictRow) -> bool:
    return row["kind"] is None and bool(row["says_right"]) and not row["correct"]


def _by_question(path: str) -> dict[str, list[VerdictRow]]:
    found: dict[str, list[VerdictRow]] = {}
    for row in _rows(path):
        if row["kind"] is None:
            found.setdefault(row["id"], []).append(row)
    return found


def _side(row: VerdictRow) -> dict[str, Any]:
    return {"response": short(row["response"]), "judge": row["probability"], "correct": row["correct"]}
