"""The judge: its calibration as a figure and in tables, in parts and over training, and what fools it."""

import math
from typing import Any

import pandas as pd

from gavel.report.cells import Cell, Table, text
from gavel.report.figure import Figure
from gavel.report.plots.judges import judge_histogram, judge_reliability
from gavel.report.results import Results

REWARDED, SOMETIMES = 0.5, 0.1  # a trick that the judge calls right at least so often is rewarded


def calibration_figure(results: Results) -> Figure:
    """The judge's reliability and the distribution of its scores."""
    found = results.calibration
    figure = Figure("judge-calibration", missing="This study has no judge, or its calibration is missing.")
    bins = pd.DataFrame((found or {}).get("reliability") or [])
    if {"judge", "correct", "ci95"} <= set(bins):
        spread = bins.ci95.map(lambda pair: pair if isinstance(pair, list) else [None, None])
        bins = bins.assign(low95=[pair[0] for pair in spread], high95=[pair[1] for pair in spread]).drop(columns="ci95")
        bins = bins.astype(dict.fromkeys(("judge", "correct", "low95", "high95"), float))
        figure.panels.append(("Reliability", judge_reliability(bins)))
        figure.data = bins
    counts = (found or {}).get("histogram")
    if counts:
        svg = judge_histogram(counts["edges"], counts["right"], counts["wrong"])
        figure.panels.append(("Scores of right and wrong solutions", svg))
        if len(figure.data) == len(counts["right"]):
            figure.data = figure.data.assign(right=counts["right"], wrong=counts["wrong"])
    if found:
        figure.caption = (
            f"{found.get('n', 0):,} solutions of {found.get('questions', 0):,} validation problems, "
            f"sampled from the SFT "
            "model before any reward was given. "
        )
        figure.caption += (
            "Scores say how a solution stands among those of its question, so they are not held against the share that "
            "is right; wrong ones hang below the line."
            if found.get("comparisons")
            else "Left: share that is right against the judge's mean score, by bin, with "
            "95 % intervals. Right: number of solutions by score; wrong ones hang below the line."
        )
    return figure


def calibration_table(found: dict[str, Any]) -> Table:
    """The judge's figures with what each means; those that are missing are left out."""
    low, high = found.get("accuracy_ci95") or (math.nan, math.nan)
    questions = found.get("auc_within_questions", "the")
    within = "95 % interval {:.3f}–{:.3f}; ".format(*found["auc_within_ci95"]) if found.get("auc_within_ci95") else ""
    spread = found.get("margin_within_ci95")
    margin = "95 % interval {:.3f} to {:.3f}; ".format(*spread) if spread else ""
    threshold = found.get("threshold_best")
    meanings = {
        "auc_within": (
            "AUC within questions",
            f"{within}how often the right one of two solutions of ONE question scores higher ({questions} have both)",
        ),
        "margin_within": (
            "margin within questions",
            f"{margin}mean score of a question's right solutions less its wrong ones': what it pays them more",
        ),
        "auc": ("AUC, all pairs", "the same over pairs of all questions; easy against hard ones flatter it"),
        "accuracy": ("accuracy at 0.5", f"95 % interval {low:.3f}–{high:.3f}"),
        "accuracy_best": (
            "accuracy at the best threshold",
            "" if threshold is None else f"threshold {threshold:.3f}",
        ),
        "missing": ("missing", "solutions that the judge gave no answer on; they are left out of all figures"),
        "base_rate": ("share of right solutions", "what always saying yes would score"),
        "ece": (
            "expected calibration error",
            "mean distance of score and share of right solutions, over bins",
        ),
        "off_label_mass": ("off-label mass", "probability of any token but the two labels, mean"),
        "same_side": (
            "phrasings agree",
            "share of solutions that all phrasings of the prompt put on the same side of 0.5",
        ),
        "opponents": (
            "compared with",
            "other solutions of the question, mean; scores are relative to those: only figures within questions count",
        ),
        "first_bias": (
            "position bias",
            "mean probability that the solution shown first wins, less 0.5; both orders are asked and averaged",
        ),
        "flipped": ("winner changes with the order", "share of the pairs"),
        "truncated": ("truncated", "solutions that did not fit the judge's context"),
    }
    table = Table([("figure", ""), ("value", ""), ("meaning", "")], [])
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


def part_tables(found: dict[str, Any]) -> list[tuple[str, Table]]:
    """(title, table) of the breakdowns that there are: by kind of problem, by length, by number of steps."""
    titles = {
        "by_kind": "By kind of problem (validation problems perturbed as GSM-Plus does)",
        "by_length": "By length of the solution, in tokens",
        "by_steps": "By number of steps",
    }
    columns = [("part", ""), ("solutions", ""), ("right", "share"), ("accuracy at 0.5", "95 % interval")]
    scored = not found.get("comparisons")  # by one that compares the mean is 0.5 in every part
    columns += [("AUC within", "questions"), *([("judge", "mean score")] if scored else [])]
    made = []
    for key, title in titles.items():
        if rows := found.get(key):
            cells = [
                [text(r["part"]), _number(r["n"], 0), _number(r["base_rate"]), _accuracy(r)]
                + [_number(r["auc_within"]), *([_number(r["judge"])] if scored else [])]
                for r in rows
            ]
            made.append((title, Table(columns, cells)))
    return made


def probe_table(found: dict[str, Any]) -> Table:
    """The known tricks: what the judge makes of each, and whether it rewards it."""
    columns = [("solution", ""), ("n", ""), ("right", "by the verifier"), ("judge", "mean score")]
    columns += [("called right", "by the judge"), ("", "")]
    rows = []
    for probe in found.get("probes") or []:
        control = probe["probe"] in ("reference", "spoilt")
        verdict = "control" if control else _rewarded(probe["rewarded"])
        rows.append(
            [text(probe["description"]), _number(probe["n"], 0), _number(probe["correct"]), _number(probe["judge"])]
            + [_number(probe["rewarded"]), text(verdict)]
        )
    return Table(columns, rows)


def _rewarded(share: float | None) -> str:
    if share is None:
        return "–"  # a judge that compares calls nothing right
    return "PAYS" if share >= REWARDED else "sometimes" if share >= SOMETIMES else "does not pay"


def policy_table(results: Results) -> Table:
    """The judge on samples of the SFT model and of every trained policy: does it still tell right from wrong?"""
    columns = [("policy", ""), ("right", "share"), ("judge", "mean score"), ("AUC within", "questions")]
    columns += [("accuracy at 0.5", "95 % interval"), ("calibration", "error")]
    found = {"sft": results.calibration} | (results.policies or {})
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
