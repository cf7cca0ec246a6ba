"""Figures of training and of the judge, in the same form as those of the results."""

import pandas as pd

from gavel import plots
from gavel.report.figures import Figure, seeds, settings
from gavel.report.load import Results
from gavel.report.words import listing


def training(results: Results) -> Figure:
    """Judge reward beside true accuracy, a panel per RL run."""
    figure = Figure("training-curves", missing="No RL run left a monitor, so there are no training curves.")
    kept = {run: table for run, table in results.monitors.items() if run != "sft"}
    for run, table in kept.items():
        svg = plots.training_curve(table, results.runs[run].get("best_step"))
        figure.panels.append((results.names[run], svg))
    if not kept:
        return figure
    figure.data = pd.concat([table.assign(run=run) for run, table in kept.items()])
    temperature = (results.study.get("rl") or {}).get("temperature")
    problems = {int(n) for table in kept.values() if "n" in table for n in table.n.dropna()}
    figure.caption = (
        f"Samples of {listing([f'{n:,}' for n in sorted(problems)])} validation problems during training, "
        f"{f'at temperature {temperature:g}' if temperature else 'sampled as in training'}. Blue: share "
        f"that is right, with its 95 % interval; vermillion: the judge's mean reward; "
        "dotted: share that the judge accepts (score above 0.5) although it is wrong. Dashed line: the "
        "best step by "
        "validation; a line marked ‘collapse’: the monitor's alarm. "
        "The judge sees these samples at every λ; it pays for them only below λ = 1. "
        f"Settings: {settings(results)}. {seeds(results)}"
    )
    return figure


def diagnostics(results: Results) -> Figure:
    """Reward, entropy, KL, length and gradient norm of all RL runs."""
    runs = [
        (run, about["algorithm"], about["lambda"]) for run, about in results.runs.items() if run in results.training
    ]
    runs = [run for run in runs if run[0] != "sft"]
    figure = Figure("training-diagnostics", missing="No RL run left a training log.")
    columns = {
        "reward": "mean reward",
        "judge_labeled": "judge reward, labelled",
        "judge_unlabeled": "judge reward, unlabelled",
        "verifiable_labeled": "verifiable reward",
        "entropy": "entropy, nats a token",
        "kl": "KL to SFT",
        "length": "tokens a completion",
        "clipped": "share clipped",
        "grad_norm": "gradient norm",
        "explained_variance": "explained variance of the critic",
    }
    for column, title in columns.items():
        curves = {run: rows for run, rows in results.training.items() if column in rows and rows[column].notna().any()}
        if any(run in curves for run, _, _ in runs):
            figure.panels.append((title, plots.diagnostic(curves, runs, column, title)))
    if figure.panels:
        figure.data = pd.concat([results.training[run].assign(run=run) for run, _, _ in runs])
        figure.caption = (
            "What the trainers logged, thin per step, thick as a moving mean. Vermillion: λ = 0; blue: λ = "
            "1; others: "
            f"between. {_dashes(runs)}"
        )
    return figure


def _dashes(runs: list[tuple]) -> str:
    words = ("solid", "dashed", "dotted", "dash-dotted")
    algorithms = list(dict.fromkeys(algorithm for _, algorithm, _ in runs))
    shown = [f"{words[place % 4]} for {name.upper()}" for place, name in enumerate(algorithms)]
    return f"Lines: {listing(shown)}." if len(shown) > 1 else ""


def calibration(results: Results) -> Figure:
    """The judge's reliability and the distribution of its scores."""
    found = results.calibration
    figure = Figure("judge-calibration", missing="This study has no judge, or its calibration is missing.")
    bins = pd.DataFrame((found or {}).get("reliability") or [])
    if {"judge", "correct", "ci95"} <= set(bins):
        spread = bins.ci95.map(lambda pair: pair if isinstance(pair, list) else [None, None])
        bins = bins.assign(low95=[pair[0] for pair in spread], high95=[pair[1] for pair in spread]).drop(columns="ci95")
        bins = bins.astype({column: float for column in ("judge", "correct", "low95", "high95")})
        figure.panels.append(("Reliability", plots.judge_reliability(bins)))
        figure.data = bins
    counts = (found or {}).get("histogram")
    if counts:
        svg = plots.judge_histogram(counts["edges"], counts["right"], counts["wrong"])
        figure.panels.append(("Scores of right and wrong solutions", svg))
        if len(figure.data) == len(counts["right"]):
            figure.data = figure.data.assign(right=counts["right"], wrong=counts["wrong"])
    if found:
        figure.caption = (
            f"{found.get('n', 0):,} solutions of {found.get('questions', 0):,} validation problems, "
            f"sampled from the SFT "
            "model before any reward was paid. Left: share that is right against the judge's mean score, "
            "by bin, with "
            "95 % intervals. Right: number of solutions by score; wrong ones hang below the line."
        )
    return figure


def sft(results: Results) -> Figure:
    """Validation accuracy of supervised fine-tuning."""
    figure = Figure("sft-curve", missing="SFT left no monitor.")
    table = results.monitors.get("sft")
    if table is None or "greedy" not in table:
        return figure
    about = results.runs["sft"]
    figure.panels.append(("SFT", plots.sft_curve(table, about.get("best_step"))))
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
