"""How far vLLM's log-probabilities are from the trainer's, and what the correction masked, in runs sampled by vLLM."""

from typing import Any

import pandas as pd

from gavel.report.cells import MISSING, Cell, Table, join_words, percent, text
from gavel.report.results import Results

# Columns of training.csv, named as TRL and `gavel.training.rl.vllm_rollouts` log them.
DIFFERENCE, LARGEST = "sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max"
CHANGED = {"masked": "sampling/masked", "truncated": "sampling/truncated"}


def mismatch_table(results: Results) -> Table:
    """A row per RL run whose rollouts vLLM sampled and TRL corrected."""
    columns = [
        ("run", ""),
        ("difference, nats a token", "absolute difference of log-probabilities, mean over all rollouts"),
        ("largest rollout mean", "largest mean difference of one rollout"),
        ("largest of a token", ""),
        ("masked", f"{_unit(results)} whose weight the correction set to 0"),
        ("truncated", f"{_unit(results)} whose weight the correction clamped"),
    ]
    table = Table(columns, [])
    for run, rows in _measured(results).items():
        numbers = [rows[DIFFERENCE].mean(), rows[DIFFERENCE].max(), rows[LARGEST].max() if LARGEST in rows else None]
        changed = [_changed(rows, column) for column in CHANGED.values()]
        table.rows.append([text(results.names[run]), *map(_nats, numbers), *changed])
    return table


def mismatch_warnings(results: Results) -> list[str]:
    """Sentences on what may bias the comparison of runs: a large difference, and completions that taught nothing."""
    vllm, measured, sentences = results.study["rl"]["vllm"], _measured(results), []
    if not vllm:
        return []
    limit = vllm["warn_logp_difference"]
    far = [results.names[run] for run, rows in measured.items() if rows[DIFFERENCE].max() > limit]
    if far:
        sentences.append(
            f"In {join_words(far)}, vLLM's log-probabilities differ from the trainer's by more than {limit:g} nats a "
            "token in at least one rollout (rl.vllm.warn_logp_difference): what was sampled is not quite the policy "
            "that was trained."
        )
    masked = {run: rows[CHANGED["masked"]].sum() for run, rows in measured.items() if CHANGED["masked"] in rows}
    if lost := [run for run, count in masked.items() if count]:
        counts = [f"{masked[run]:,.0f} in {results.names[run]}" for run in lost]
        sentences.append(
            f"The correction masked {_unit(results)}, which then taught nothing: {join_words(counts)}. Runs that lose "
            "different numbers of them are compared on unequal data."
        )
    return sentences


def _measured(results: Results) -> dict[str, pd.DataFrame]:
    return {
        run: rows for run, rows in results.training.items() if DIFFERENCE in rows and rows[DIFFERENCE].notna().any()
    }


def _unit(results: Results) -> str:
    mode = (results.study["rl"]["vllm"] or {}).get("importance_sampling_mode") or ""
    return "tokens" if mode.startswith("token") else "completions"


def _nats(value: Any) -> Cell:
    return MISSING if value is None or pd.isna(value) else Cell(f"{value:.2g}", sort=float(value))


def _changed(rows: pd.DataFrame, column: str) -> Cell:
    """How many were masked or truncated in all rollouts, and what percentage of them."""
    if column not in rows or rows[column].isna().all():
        return MISSING
    share = rows[f"{column}_fraction"].mean()
    return Cell(f"{rows[column].sum():,.0f}", f"{percent(share)} %", sort=float(rows[column].sum()))
