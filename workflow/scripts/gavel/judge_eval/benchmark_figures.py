"""How good a judge is on pairs of solutions, as a whole and in parts, and what that cost.

The unit of every interval is the question: pairs of one question are not independent.
"""

import csv
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gavel.common.files import replacing
from gavel.judge.records import Pair
from gavel.judge_eval.records import PairAnswer, PairItem
from gavel.stats.auc import auc, auc_within
from gavel.stats.intervals import clustered_mean, mean_interval

COLUMNS = (
    "judge by part n missing questions accuracy low high auc auc_within auc_within_low auc_within_high first_bias "
    "flipped prompts tokens_read tokens_written seconds items"
).split()
# How the pairs are told apart: name -> the item's column. What an item does not have makes no rows.
PARTS = {"error": "subset", "steps": "steps", "wrong by": "rejected_model"}


def figures(items: Sequence[Pair], rows: Sequence[PairAnswer], cost: Mapping[str, float]) -> list[dict[str, Any]]:
    """A judge's figures on all pairs and in parts.

    Accuracy is the share of pairs whose right solution is preferred, ties counting half, as in RewardBench; pairs
    without an answer are left out and counted. The two AUCs are those of `gavel.stats.auc` over the different single
    solutions; None for a judge that compares, which says nothing of a single one.

    Args:
        items: what was asked (`gavel.judge_eval.pairs.COLUMNS`; `prompt`, `chosen` and `rejected` are enough).
        rows, cost: as `gavel.judge_eval.benchmark.ask` returns them.

    Returns:
        Rows with the keys of `COLUMNS` but `judge` and `items`: `by` 'all' first, then the parts of `PARTS`; `n` pairs
        with an answer, of `questions` questions; accuracy with its 95 % interval `low` to `high`, clustered by
        question; of a judge that compares `first_bias` and `flipped` (`gavel.judge_eval.calibration.compared`); the
        cost a pair, in the first row only, since a solution that stands in several pairs is asked about once. A figure
        that is not defined is None.
    """
    pairs = list(zip(items, rows, strict=True))
    whole = _part("all", "all", pairs)
    each = {key: value / len(pairs) for key, value in cost.items()}
    found = [whole | {key: each.get(key) for key in ("prompts", "tokens_read", "tokens_written", "seconds")}]
    for by, column in PARTS.items():
        values = {item[column] for item in items if item.get(column) is not None}
        for value in sorted(values, key=_order):
            found.append(_part(by, str(value), [pair for pair in pairs if pair[0].get(column) == value]))
    return found


def write_table(
    path: str | Path,
    judges: Mapping[str, tuple[Sequence[PairAnswer], Mapping[str, float]]],
    items: Sequence[PairItem],
    mark: str,
) -> list[dict[str, Any]]:
    """Write benchmark.csv, the `figures` of each judge; returns its rows.

    Args:
        judges: name -> rows and cost of `gavel.judge_eval.benchmark.ask`.
        mark: tells these items from others; judges with the same one were asked the same.
    """
    table = [
        {key: (row | {"judge": name, "items": mark})[key] for key in COLUMNS}
        for name, (rows, cost) in judges.items()
        for row in figures(items, rows, cost)
    ]
    with replacing(path, newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    return table


def gain(items: Sequence[Pair], before: Sequence[PairAnswer], after: Sequence[PairAnswer]) -> dict[str, Any] | None:
    """The accuracy of `after` less that of `before`, two judges' rows on the same items.

    Returns:
        `{"difference", "low", "high", "n", "questions"}`: the paired 95 % interval, clustered by question, over the
        pairs that both answered on; None where there are none.
    """
    known = [
        (item["prompt"], _hit(new["preferred"]) - _hit(old["preferred"]))
        for item, old, new in zip(items, before, after, strict=True)
        if old["preferred"] is not None and new["preferred"] is not None
    ]
    if not known:
        return None
    groups, differences = zip(*known, strict=True)
    low = high = 0.0  # of judges that agree on every pair
    if any(differences):
        low, high = (2 * end - 1 for end in clustered_mean(groups, [(1 + one) / 2 for one in differences]))
    found = {"difference": statistics.fmean(differences), "low": low, "high": high}
    return found | {"n": len(known), "questions": len(set(groups))}


def curve(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The judges' figures on all pairs as MLflow shows them: a step a judge, in the order in which training left them.

    Args:
        rows: of `write_table`.
    """
    whole = [row for row in rows if row["by"] == "all"]
    names = [name for name in COLUMNS if name not in ("judge", "by", "part", "items")]
    numbers = [{f"benchmark/{name}": row[name] for name in names} for row in whole]
    return [{"step": step, "metrics": own} for step, own in enumerate(numbers)]


def headline(row: Mapping[str, Any]) -> str:
    """What to say of a judge on the console, from its first row."""
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
    """Over the different solutions of each question that stand in the pairs."""
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
    held = [row for row in rows if row.get("first") is not None]
    if not held:
        return {}
    return {
        "first_bias": statistics.fmean(row["first"] - 0.5 for row in held),
        "flipped": statistics.fmean(row["flipped"] for row in held),
    }


def _order(value: object) -> tuple[int, str]:
    text = str(value)
    return int((re.findall(r"\d+", text) or [0])[0]), text
