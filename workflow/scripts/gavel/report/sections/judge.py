"""The judge: its calibration overall, in parts and on every policy, and adversarial probes."""

import math
from typing import Any, cast

import pandas as pd

from gavel.judge_eval.measured_judges import measured_judges
from gavel.report.cells import MISSING, Cell, Table, text
from gavel.report.figure import Figure
from gavel.report.plots.judges import gain_under_judges, judge_histogram, judge_reliability, judge_roc
from gavel.report.results import Results, judged_rows

# Metrics that are also shown for the judge with the gold answer in its prompt.
BOUNDED = {
    "auc_within": "AUC within questions",
    "margin_within": "margin within questions",
    "auc": "AUC, all pairs",
    "youden_j": "Youden's J",
    "accuracy": "accuracy at 0.5",
    "off_label_mass": "off-label mass",
}
REWARDED, SOMETIMES = 0.5, 0.1  # lowest fractions of accepted probes for "rewarded" and "sometimes"


def panel_members(study: dict[str, Any]) -> list[str]:
    """The judges of a panel, as the config names them; none without a panel."""
    return list((study["judge"].get("panel") or {"judges": {}})["judges"].values())


def calibration_figure(results: Results) -> Figure:
    """The judge's scores of right and wrong solutions, its ROC curve, and what judges of its quality did elsewhere."""
    found = results.calibration
    figure = Figure("judge-calibration", missing="This study has no judge, or its calibration is missing.")
    if counts := (found or {}).get("histogram"):
        svg = judge_histogram(counts["edges"], counts["right"], counts["wrong"])
        figure.panels.append(("Scores of right and wrong solutions", svg))
        bins = {"low": counts["edges"][:-1], "high": counts["edges"][1:]}
        figure.data = pd.DataFrame(bins | {"right": counts["right"], "wrong": counts["wrong"]})
    rows = [row for row in judged_rows(results.files.judge.verdicts) if row["kind"] is None]
    if rows and not (found or {}).get("comparisons"):
        svg = judge_roc([cast(float, row["probability"]) for row in rows], [row["correct"] for row in rows])
        figure.panels.append(("ROC, all solutions", svg))
    if found and found.get("auc_within") is not None and found.get("auc_within_ci95"):
        svg = gain_under_judges(pd.DataFrame(measured_judges()), found["auc_within"], *found["auc_within_ci95"])
        figure.panels.append(("Gain under simulated judges", svg))
    if found:
        figure.caption = (
            f"{found.get('n', 0):,} solutions to {found.get('questions', 0):,} validation questions, sampled from "
            f"{results.baseline.policy} before RL. Number of solutions by score; wrong ones are below the axis. "
        )
        if found.get("comparisons"):
            figure.caption += (
                "A pairwise judge's scores are relative to the other solutions of the question, so there is no ROC "
                "curve. "
            )
        figure.caption += (
            "Gain: what GRPO without labels gained under simulated judges of several qualities, in a study of "
            "a tiny student (docs/studies/dial.md); for orientation only."
        )
    return figure


def reliability_figure(results: Results) -> Figure:
    """The judge's reliability diagram; without panels for a pairwise judge."""
    figure = Figure("judge-reliability")
    bins = pd.DataFrame((results.calibration or {}).get("reliability") or [])
    if {"judge", "correct", "ci95"} <= set(bins):
        spread = bins.ci95.map(lambda pair: pair if isinstance(pair, list) else [None, None])
        bins = bins.assign(low95=[pair[0] for pair in spread], high95=[pair[1] for pair in spread]).drop(columns="ci95")
        bins = bins.astype(dict.fromkeys(("judge", "correct", "low95", "high95"), float))
        figure.panels.append(("Reliability", judge_reliability(bins)))
        figure.data = bins
        figure.caption = "Fraction correct against the judge's mean score, by bin, with 95 % intervals."
    return figure


def _bounds(found: dict[str, Any], name: str) -> str:
    interval = found.get(f"{name}_ci95")
    return "95 % interval {:.3f} to {:.3f}; ".format(*interval) if interval else ""


def _rate(found: dict[str, Any], name: str) -> str:
    return "unknown" if found.get(name) is None else f"{found[name]:.3f}"


def calibration_table(found: dict[str, Any]) -> Table:
    """The judge's metrics and their meaning; missing metrics are left out."""
    low, high = found.get("accuracy_ci95") or (math.nan, math.nan)
    questions = found.get("auc_within_questions", "the")
    within = "95 % interval {:.3f}–{:.3f}; ".format(*found["auc_within_ci95"]) if found.get("auc_within_ci95") else ""
    spread = found.get("margin_within_ci95")
    margin = "95 % interval {:.3f} to {:.3f}; ".format(*spread) if spread else ""
    threshold = found.get("threshold_best")
    meanings = {
        "auc_within": (
            "AUC within questions",
            f"{within}how often a correct solution scores higher than a wrong one of the SAME question ({questions} "
            "questions have both)",
        ),
        "margin_within": (
            "margin within questions",
            f"{margin}mean score of the correct minus the wrong solutions of the same question; near 0, RL gets almost "
            "no signal",
        ),
        "auc": (
            "AUC, all pairs",
            "the same over pairs across questions; separating easy from hard questions inflates it",
        ),
        "youden_j": (
            "Youden's J",
            f"{_bounds(found, 'youden_j')}fraction of correct solutions that it accepts (score above 0.5: "
            f"{_rate(found, 'tpr')}) minus that of wrong ones ({_rate(found, 'fpr')}); at 0 its verdict says nothing",
        ),
        "accuracy": ("accuracy at 0.5", f"95 % interval {low:.3f}–{high:.3f}"),
        "accuracy_best": (
            "accuracy at the best threshold",
            "" if threshold is None else f"threshold {threshold:.3f}",
        ),
        "missing": ("missing", "solutions without an answer from the judge; all metrics leave them out"),
        "base_rate": ("fraction of correct solutions", "the accuracy of a judge that accepts everything"),
        "ece": (
            "expected calibration error",
            "mean distance between score and fraction correct, over bins",
        ),
        "off_label_mass": ("off-label mass", "mean probability of all tokens other than the two verdict labels"),
        "same_side": (
            "phrasings or judges agree",
            "fraction of solutions that all phrasings of the prompt, or all judges of a panel, score on the same side "
            "of 0.5",
        ),
        "opponents": (
            "compared with",
            "mean number of other solutions of the question; scores are relative to these, so only metrics within "
            "questions are meaningful",
        ),
        "first_bias": (
            "position bias",
            "mean probability that the solution shown first wins, minus 0.5; scores average both orders",
        ),
        "flipped": ("order-inconsistency rate", "fraction of pairs whose winner flips with the order"),
        "truncated": ("truncated", "solutions that did not fit into the judge's context"),
    }
    table = Table([("metric", ""), ("value", ""), ("meaning", "")], [])
    flat = found | (found.get("phrasings") or {}) | (found.get("comparisons") or {})
    for key, (title, meaning) in meanings.items():
        value = flat.get(key)
        if value is not None:
            shown = (
                f"{value:.5f}"
                if key == "off_label_mass"
                else f"{value:.3f}"
                if key not in ("truncated", "missing")
                else f"{value}"
            )
            table.rows.append([text(title), Cell(shown, sort=value), text(meaning)])
    return table


def reference_table(found: dict[str, Any]) -> Table:
    """The judge's metrics beside those of the same judge with the gold answer in its prompt; empty without these."""
    columns = [("metric", ""), ("judge", "reads the question and the response")]
    table = Table([*columns, ("with the gold answer", "the same judge and responses: an upper bound")], [])
    bound = found.get("reference")
    for key, title in BOUNDED.items() if bound else ():
        if found.get(key) is not None or bound.get(key) is not None:
            table.rows.append([text(title), _with_interval(found, key), _with_interval(bound, key)])
    return table


def _with_interval(found: dict[str, Any], key: str) -> Cell:
    value, interval = found.get(key), found.get(f"{key}_ci95")
    if value is None:
        return MISSING
    return Cell(f"{value:.3f}", "{:.3f} to {:.3f}".format(*interval) if interval else "", sort=value)


def part_tables(found: dict[str, Any]) -> list[tuple[str, Table]]:
    """(title, table) of each breakdown that exists: by kind of question, by length, by number of steps."""
    titles = {
        "by_kind": "By kind of question (validation questions, and their perturbations as in GSM-Plus)",
        "by_length": "By length of the solution, in tokens",
        "by_steps": "By number of steps",
    }
    columns = [("part", ""), ("solutions", ""), ("correct", "fraction"), ("accuracy at 0.5", "95 % interval")]
    scored = not found.get("comparisons")  # a pairwise judge's mean score is 0.5 in every part
    columns += [("AUC within questions", ""), *([("judge", "mean score")] if scored else [])]
    tables = []
    for key, title in titles.items():
        if rows := found.get(key):
            cells = [
                [text(r["part"]), _number(r["n"], 0), _number(r["base_rate"]), _accuracy(r)]
                + [_number(r["auc_within"]), *([_number(r["judge"])] if scored else [])]
                for r in rows
            ]
            tables.append((title, Table(columns, cells)))
    return tables


def probe_table(found: dict[str, Any]) -> Table:
    """Adversarial probes: how the judge scores each, and whether it would reward it."""
    columns = [("probe", ""), ("n", ""), ("correct", "fraction, by the verifier"), ("judge", "mean score")]
    columns += [("accepted", "fraction, by the judge"), ("", "")]
    rows = []
    for probe in found.get("probes") or []:
        control = probe["probe"] in ("reference", "spoilt")
        verdict = "control" if control else _rewarded(probe["rewarded"])
        rows.append(
            [text(probe["description"]), _number(probe["n"], 0), _number(probe["correct"]), _number(probe["judge"])]
            + [_number(probe["rewarded"]), text(verdict)]
        )
    return Table(columns, rows)


def _rewarded(fraction: float | None) -> str:
    if fraction is None:
        return "–"  # a pairwise judge accepts no solution by itself
    return "REWARDED" if fraction >= REWARDED else "sometimes" if fraction >= SOMETIMES else "not rewarded"


def policy_table(results: Results) -> Table:
    """The judge's metrics on samples of the baseline and of every trained policy."""
    columns = [("policy", ""), ("correct", "fraction"), ("judge", "mean score"), ("AUC within questions", "")]
    columns += [("accuracy at 0.5", "95 % interval"), ("calibration error", "expected")]
    found = {results.baseline.run: results.calibration} | (results.policies or {})
    rows = []
    for run, figures in found.items():
        if figures and run in results.names:
            rows.append(
                [text(results.names[run]), _number(figures["base_rate"]), _number(figures["mean_score"])]
                + [_number(figures["auc_within"]), _accuracy(figures), _number(figures["ece"])]
            )
    return Table(columns, rows)


def _accuracy(row: dict[str, Any]) -> Cell:
    if row["accuracy"] is None:
        return Cell("–")
    low, high = row["accuracy_ci95"]
    return Cell(f"{row['accuracy']:.3f}", f"{low:.3f}–{high:.3f}", sort=row["accuracy"])


def _number(value: float | None, digits: int = 3) -> Cell:
    return Cell("–") if value is None else Cell(f"{value:,.{digits}f}", sort=value)
