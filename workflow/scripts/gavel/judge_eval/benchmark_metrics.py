"""A judge's metrics on pairs of solutions, overall and for parts of them, and their cost.

Intervals are clustered by question, because pairs of one question are not independent.
"""

import csv
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gavel.common.files import open_atomically
from gavel.judge.records import Pair
from gavel.judge_eval.records import PairAnswer, PairItem
from gavel.stats.auc import auc, auc_within
from gavel.stats.intervals import clustered_mean, mean_interval

COLUMNS = (
    "judge by part n missing questions accuracy low high auc auc_within auc_within_low auc_within_high first_bias "
    "flipped prompts tokens_read tokens_written seconds items"
).split()
# How the pairs are broken down: name -> the item's column. A column that items lack makes no rows.
PARTS = {"error": "subset", "steps": "steps", "wrong by": "rejected_model"}


def compute_metrics(
    items: Sequence[Pair], rows: Sequence[PairAnswer], cost: Mapping[str, float]
) -> list[dict[str, Any]]:
    """A judge's metrics on all pairs and on parts of them.

    Accuracy is the fraction of pairs whose correct solution is preferred, with ties counting half, as in RewardBench;
    pairs without an answer are left out and counted. The two AUCs are those of `gavel.stats.auc` over the distinct
    single solutions; None for a pairwise judge, which does not rate single solutions.

    Args:
        items: the pairs (`gavel.judge_eval.pairs.COLUMNS`; `prompt`, `chosen` and `rejected` are enough).
        rows, cost: as `gavel.judge_eval.benchmark.ask` returns them.

    Returns:
        Rows with the keys of `COLUMNS` but `judge` and `items`: `by` 'all' first, then the parts of `PARTS`. A row has
        `n` pairs with an answer, from `questions` questions, and accuracy with its 95 % interval `low` to `high`. For a
        pairwise judge it has `first_bias` and `flipped` (`gavel.judge_eval.calibration.position_bias`). The first row
        alone has the cost per pair, because a solution in several pairs is asked about once. An undefined metric is
        None.
    """
    pairs = list(zip(items, rows, strict=True))
    overall = _part("all", "all", pairs)
    per_pair = {key: value / len(pairs) for key, value in cost.items()}
    table = [overall | {key: per_pair.get(key) for key in ("prompts", "tokens_read", "tokens_written", "seconds")}]
    for by, column in PARTS.items():
        values = {item[column] for item in items if item.get(column) is not None}
        for value in sorted(values, key=_order):
            table.append(_part(by, str(value), [pair for pair in pairs if pair[0].get(column) == value]))
    return table


def write_table(
    path: str | Path,
    judges: Mapping[str, tuple[Sequence[PairAnswer], Mapping[str, float]]],
    items: Sequence[PairItem],
    mark: str,
) -> list[dict[str, Any]]:
    """Write benchmark.csv, the metrics of each judge, and return its rows.

    Args:
        judges: name -> rows and cost from `gavel.judge_eval.benchmark.ask`.
        mark: identifies the items; judges with the same mark were asked about the same ones.
    """
    table = [
        {key: (row | {"judge": name, "items": mark})[key] for key in COLUMNS}
        for name, (rows, cost) in judges.items()
        for row in compute_metrics(items, rows, cost)
    ]
    with open_atomically(path, newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    return table


def gain(items: Sequence[Pair], before: Sequence[PairAnswer], after: Sequence[PairAnswer]) -> dict[str, Any] | None:
    """The accuracy of `after` minus that of `before`, two judges' rows on the same items.

    Returns:
        `{"difference", "low", "high", "n", "questions"}`: the paired 95 % interval, clustered by question, over the
        pairs that both judges answered; None if there are none.
    """
    known = [
        (item["prompt"], _hit(new["preferred"]) - _hit(old["preferred"]))
        for item, old, new in zip(items, before, after, strict=True)
        if old["preferred"] is not None and new["preferred"] is not None
    ]
    if not known:
        return None
    groups, differences = zip(*known, strict=True)
    low = high = 0.0  # for judges that agree on every pair
    if any(differences):
        low, high = (2 * end - 1 for end in clustered_mean(groups, [(1 + one) / 2 for one in differences]))
    found = {"difference": statistics.fmean(differences), "low": low, "high": high}
    return found | {"n": len(known), "questions": len(set(groups))}


def curve(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The judges' metrics on all pairs for MLflow: one step for each judge, in the order of training.

    Args:
        rows: from `write_table`.
    """
    overall = [row for row in rows if row["by"] == "all"]
    names = [name for name in COLUMNS if name not in ("judge", "by", "part", "items")]
    numbers = [{f"benchmark/{name}": row[name] for name in names} for row in overall]
    return [{"step": step, "metrics": metrics} for step, metrics in enumerate(numbers)]


def summary_line(row: Mapping[str, Any]) -> str:
    """One console line about a judge, from its first row."""
    if row["accuracy"] is None:
        return "no pair was answered"
    shown = "accuracy {accuracy:.3f} (95 % interval {low:.3f} to {high:.3f}) on {n} pairs".format(**row)
    return shown + (f", {row['missing']} without an answer" if row["missing"] else "")


def _part(by: str, part: str, pairs: Sequence[tuple[Pair, PairAnswer]]) -> dict[str, Any]:
    known = [(item, row) for item, row in pairs if row["preferred"] is not None]
    found = dict.fromkeys(COLUMNS[1:-1]) | {"by": by, "part": part, "n": len(known), "missing": len(pairs) - len(known)}
    found["questions"] = len({item["prompt"] for item, _ in known})
    if not known:
        return found
    groups = [item["prompt"] for item, _ in known]
    hits = [_hit(row["preferred"]) for _, row in known]
    found["accuracy"] = statistics.fmean(hits)
    found["low"], found["high"] = clustered_mean(groups, hits)
    return found | _aucs(known) | _bias([row for _, row in known])


def _hit(preferred: float) -> float:
    return 0.5 if preferred == 0.5 else float(preferred > 0.5)


def _aucs(pairs: Iterable[tuple[Pair, PairAnswer]]) -> dict[str, Any]:
    """AUCs over the distinct solutions of each question in the pairs."""
    singles = {
        (item["prompt"], item[key], key == "chosen"): row[key]
        for item, row in pairs
        for key in ("chosen", "rejected")
        if row[key] is not None
    }
    if not singles:
        return {}
    groups, rights = [key[0] for key in singles], [key[2] for key in singles]
    scores = list(singles.values())
    within = auc_within(groups, scores, rights)
    low, high = mean_interval(within)
    spread = {"auc_within": statistics.fmean(within), "auc_within_low": low, "auc_within_high": high}
    return {"auc": auc(scores, rights)} | spread


def _bias(rows: Iterable[PairAnswer]) -> dict[str, Any]:
    compared = [row for row in rows if row.get("first") is not None]
    if not compared:
        return {}
    return {
        "first_bias": statistics.fmean(row["first"] - 0.5 for row in compared),
        "flipped": statistics.fmean(row["flipped"] for row in compared),
    }


def _order(value: object) -> tuple[int, str]:
    text = str(value)
    return int((re.findall(r"\d+", text) or [0])[0]), text
