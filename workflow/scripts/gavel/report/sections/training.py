"""Training curves of SFT and the RL runs, and wrong responses that the judge accepts before and after RL."""

from typing import Any

import pandas as pd

from gavel.judge_eval.records import VerdictRow
from gavel.report import run_selection
from gavel.report.cells import Table, count, estimate_cell, join_words, text
from gavel.report.figure import Figure, rl_settings
from gavel.report.plots.style import run_styles
from gavel.report.plots.training import curve_limits, diagnostic, sft_curve, training_curve, watcher_names
from gavel.report.results import Results, judged_rows
from gavel.report.sections.samples import short
from gavel.stats.intervals import Estimate, clustered_mean

LOGGED = {
    "reward": "mean reward",
    "lambda": "λ",
    "judge_labeled": "judge reward, labelled",
    "judge_unlabeled": "judge reward, unlabelled",
    "verifiable_labeled": "verifiable reward",
    "reward_group_std": "spread of a question's rewards",
    "groups_redrawn": "questions replaced",
    "groups_left_out": "share of groups left out",
    "entropy": "entropy, nats a token",
    "kl": "KL to {baseline}, nats a token",
    "completions/mean_length": "tokens a completion",
    "completions/clipped_ratio": "share of truncated completions",
    "clip_ratio/region_mean": "share of tokens clipped",
    "grad_norm": "gradient norm",
    "explained_variance": "explained variance of the critic",
    "sampling/sampling_logp_difference/mean": "vLLM against trainer, nats a token",
    "sampling/importance_sampling_ratio/mean": "mean importance-sampling ratio",
    "sampling/masked_fraction": "share masked by the correction",
    "sampling/truncated_fraction": "share truncated by the correction",
}
MONITORED = {
    "judge_wrong": "share that the judge accepts though wrong",
    "gap": "judge reward minus accuracy",
    "kl": "KL to {baseline}, nats a token",
    "entropy": "entropy, nats a token",
    "length": "tokens a completion",
    "unparsable": "share without an answer",
}
TRUTH = {
    "correct": "share of correct completions",
    "mixed": "share of groups with correct and incorrect completions",
    "youden_j": "Youden's J of the judge",
    "auc": "reward's AUC within questions",
    "correlation": "correlation with the truth",
}
WATCHING = "Grey: the mean scores of the judges that watch; line marked ‘alarm’: their first alarm. "
PAIRS = 2  # pairs of responses shown for each run


def sft_figure(results: Results) -> Figure:
    """Validation accuracy of supervised fine-tuning."""
    figure = Figure("sft-curve", missing="SFT has no monitor.csv.")
    table = results.monitors.get("sft")
    if table is None or "greedy" not in table:
        return figure
    about = results.runs["sft"]
    figure.panels.append(("SFT", sft_curve(table, about.get("best_step"))))
    figure.data = table
    questions = f"{table.n.max():,.0f} " if "n" in table else ""
    labels = f"{about['labels']:,} labelled questions" if about.get("labels") else "the labelled questions"
    figure.caption = (
        f"Greedy accuracy on {questions}validation questions during fine-tuning on {labels}, with 95 % Wilson "
        f"intervals. Star: the selected checkpoint (step {about.get('best_step', '–')}), which is the SFT baseline and "
        "the start of every RL run."
    )
    return figure


def curves_figure(results: Results) -> Figure:
    """Judge reward and true accuracy, a panel for each algorithm and λ, all on the same axis."""
    figure = Figure("training-curves", missing="No RL run has a monitor.csv, so there are no training curves.")
    first = results.baseline
    kept = {run: table for run, table in results.monitors.items() if run != first.run}
    if not kept:
        return figure
    styles = run_styles(_grid(results))
    limits = curve_limits(kept.values())
    for kind, runs in run_selection.kinds_of_run(results).items():
        tables = {results.names[run]: kept[run] for run in runs if run in kept}
        if tables:
            best = results.runs[runs[0]].get("best_step") if len(tables) == 1 else None
            figure.panels.append((kind, training_curve(tables, styles[runs[0]]["color"], limits, best)))
    figure.data = pd.concat([table.assign(run=run) for run, table in kept.items()])
    questions = {int(n) for table in kept.values() if "n" in table for n in table.n.dropna()}
    scored = any("judge" in table and table.judge.notna().any() for table in kept.values())
    lines = "dashed: the judge's mean reward. " if scored else "the judge scored none of them. "
    if scored and any("true_win_rate" in table for table in kept.values()):
        lines = (
            f"dashed: how often the pairwise judge prefers the sample to {first.policy}'s sample for the same "
            "question with the same random numbers (equal ones tie, so the win rate starts at 0.5); dotted: the true "
            "win rate, by the verifier. "
        )
    several = run_selection.has_seeds(results)
    figure.caption = (
        f"Samples for {join_words([f'{n:,}' for n in sorted(questions)])} validation questions during training, at "
        f"temperature {results.study['rl']['temperature']:g}; one axis for all panels. Solid: true accuracy"
        f"{'' if several else ' with its 95 % interval'}; {lines}"
        + ("Thin: seeds; thick: their mean. " if several else "Dashed vertical line: the best validation step. ")
        + "Line marked ‘collapse’: where the monitor flags a collapse. "
        f"{WATCHING if watcher_names(kept.values()) else ''}"
        f"{'At λ = 1 the judge still scores these samples but contributes no reward. ' if scored else ''}"
        f"Settings: {rl_settings(results)}."
    )
    return figure


def diagnostics_figure(results: Results) -> Figure:
    """Reward, entropy, KL, length and gradient norm of all RL runs, as logged by the trainers."""
    figure = Figure("training-diagnostics", missing="No RL run has a training.csv.")
    terms = {
        f"term_{name}_{pool}": f"reward term {name}, {text}"
        for name in (term["file"].rpartition(":")[2] for term in results.study["rl"]["reward_terms"])
        for pool, text in (("labeled", "labelled"), ("unlabeled", "unlabelled"))
    }
    _panels(figure, results, results.training, LOGGED | terms)
    if figure.panels:
        figure.caption = "Metrics that the trainers logged for each rollout, as moving means. " + (
            run_selection.averaging_note(results).lstrip() or "Thin: each step (long runs: mean of a block of steps)."
        )
    return figure


def truth_figure(results: Results) -> Figure:
    """The rewards of every step against the truth, from the rollouts that the runs kept."""
    figure = Figure("rollouts-against-truth", missing="No run has kept its rollouts (`rl.keep_rollouts`).")
    _panels(figure, results, results.rollouts, TRUTH)
    if figure.panels:
        figure.caption = (
            "All completions of every kept step, with the gold answers of unlabelled questions, which training did not "
            "read. The judge accepts a score above 0.5; Youden's J is the fraction of correct completions that it "
            "accepts minus that of incorrect ones. The advantages are rewards minus their mean over a question's "
            "completions; 'correlation with the truth' is theirs with those of a reward for correctness alone. "
            f"Moving means.{run_selection.averaging_note(results)}"
        )
    return figure


def monitor_figure(results: Results) -> Figure:
    """The monitor's other metrics: the gap between judge reward and accuracy, KL, entropy, length."""
    figure = Figure("monitor-diagnostics", missing="No RL run has a monitor.csv with these metrics.")
    pairwise = any("true_win_rate" in table for table in results.monitors.values())
    gap = {"gap": "judge's win rate minus the true"} if pairwise else {}
    _panels(figure, results, results.monitors, MONITORED | gap)
    if figure.panels:
        figure.caption = (
            "Metrics of the validation samples of the training curves; KL and entropy use those for the first 100 "
            "questions. KL "
            f"is between the policy and {results.baseline.policy} that it started from, over the full vocabulary. "
            f"Moving means.{run_selection.averaging_note(results)}"
        )
    return figure


def _panels(figure: Figure, results: Results, tables: dict[str, pd.DataFrame], columns: dict[str, str]) -> None:
    """Add a panel for each column that some RL run has."""
    runs = [run for run in _grid(results) if run[0] in tables]
    tables = {run: tables[run] for run, _, _ in runs}
    figure.data = pd.concat([rows.assign(run=run) for run, rows in tables.items()]) if tables else figure.data
    for column, title in columns.items():
        title = title.format(baseline=results.baseline.label)
        curves = {run: rows for run, rows in tables.items() if column in rows and rows[column].notna().any()}
        if curves:
            figure.panels.append((title, diagnostic(curves, runs, column)))


def _grid(results: Results) -> list[tuple[Any, ...]]:
    """(run, algorithm, λ) of the RL runs, in drawing order."""
    return [
        (run, about["algorithm"], about["lambda"]) for run, about in results.runs.items() if run != results.baseline.run
    ]


def hacked_pairs(results: Results) -> list[dict[str, Any]]:
    """Examples of reward hacking for each RL run (with many seeds, for those that are drawn).

    An example is a wrong response of the final checkpoint that the judge accepts, at most one per question, with the
    baseline's response to the same question that the judge scores highest. Responses that the baseline also gave are
    left out. Examples in which the baseline's response is correct come first, then those that the judge scores highest.

    Returns:
        `{"run", "question", "before", "after"}`; the latter two are `{"response", "judge", "correct"}`.
    """
    start = _by_question(results.files.judge.verdicts)
    favourites = {
        name: max(rows, key=lambda row: (row["probability"], row["response"])) for name, rows in start.items()
    }
    known = {(name, row["response"]) for name, rows in start.items() for row in rows}
    pairs = []
    for run in run_selection.selected_runs(results):
        rows = judged_rows(results.files.judge.run_verdicts(run))
        hacked = [
            r for r in rows if _wrongly_accepted(r) and r["id"] in favourites and (r["id"], r["response"]) not in known
        ]
        best: dict[str, dict[str, Any]] = {}
        for row in sorted(hacked, key=lambda r: (not favourites[r["id"]]["correct"], -r["probability"], r["id"])):
            best.setdefault(row["id"], row)
        for name, row in list(best.items())[:PAIRS]:
            pairs.append(
                {"run": results.names[run], "question": short(row["question"])}
                | {"before": _side(favourites[name]), "after": _side(row)}
            )
    return pairs


def wrongly_accepted_table(results: Results) -> Table:
    """The fraction of wrong responses among those that the judge accepts: baseline and final checkpoints."""
    columns = [("policy", ""), ("accepted", "responses with a score above 0.5")]
    columns += [("wrong among them, %", "95 % interval over questions")]
    table = Table(columns, [])
    for run in results.runs:
        judge = results.files.judge
        path = judge.verdicts if run == results.baseline.run else judge.run_verdicts(run)
        rows = [row for row in judged_rows(path) if row["kind"] is None and row["says_right"]]
        if rows:
            wrong = [float(not row["correct"]) for row in rows]
            low, high = clustered_mean([row["id"] for row in rows], wrong)
            fraction = Estimate(sum(wrong) / len(wrong), low, high)
            table.rows.append([text(results.names[run]), count(len(rows)), estimate_cell(fraction)])
    return table


def _wrongly_accepted(row: VerdictRow) -> bool:
    """Whether the judge accepts a wrong response."""
    return row["kind"] is None and bool(row["says_right"]) and not row["correct"]


def _by_question(path: str) -> dict[str, list[VerdictRow]]:
    questions: dict[str, list[VerdictRow]] = {}
    for row in judged_rows(path):
        if row["kind"] is None:
            questions.setdefault(row["id"], []).append(row)
    return questions


def _side(row: VerdictRow) -> dict[str, Any]:
    return {"response": short(row["response"]), "judge": row["probability"], "correct": row["correct"]}
