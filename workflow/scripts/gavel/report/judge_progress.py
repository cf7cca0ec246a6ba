"""Whether training made a judge better: on the judge benchmark before, between and after, and on selection pairs."""

from types import SimpleNamespace

import pandas as pd

from gavel import plots
from gavel.benchmark_figures import gain
from gavel.files import read_jsonl
from gavel.report.figures import Figure
from gavel.report.judge_stages import METHODS, Stage
from gavel.report.load import Results
from gavel.report.words import MISSING, Cell, Table, difference_cell, interval, percent, points, share_cell, text


def trajectory(results: Results, found: list[Stage]) -> list[str]:
    """The judges of the judge benchmark in the order in which training leaves them, those that are in its table."""
    known = set(_whole(results).judge)
    return [name for name in dict.fromkeys(["start", *(one.judge for one in found)]) if name in known]


def figure(results: Results, found: list[Stage]) -> Figure:
    """Accuracy on the judge benchmark after each part of the training, and on selection pairs over the steps."""
    made = Figure("judge-training", missing="No stage of the judge's training left anything to draw.", wide=True)
    names, parts, caption = trajectory(results, found), [], []
    if len(names) > 1:
        rows = _whole(results).set_index("judge").loc[names].reset_index()
        rows = rows[["judge", "accuracy", "low", "high", "n", "questions"]]
        made.panels.append(("Judge benchmark", plots.judge_progress(rows)))
        parts.append(rows.assign(on="judge benchmark"))
        caption.append(
            "Share of pairs whose right solution the judge prefers, ties half, with 95 % intervals over questions. "
            "Judge benchmark: the judge as training found it and as each part left it, on pairs that no training and "
            "no choice of a step has seen."
        )
    looks = _looks(found)
    if len(looks):
        made.panels.append(("Selection pairs", plots.selection_curve(looks)))
        parts.append(looks.rename(columns={"stage": "judge"}).assign(on="selection pairs"))
        caption.append(
            "Selection pairs: other validation problems, looked at while a judge trains; each stage starts from the "
            "step that the one before has kept (star), and is drawn as wide as the others."
        )
    made.data = pd.concat(parts) if parts else made.data
    made.caption = " ".join(caption)
    return made


def _looks(found: list[Stage]) -> pd.DataFrame:
    kept = [
        pd.DataFrame({"stage": one.name, "method": METHODS.get(one.method, one.method), "step": one.looks.step})
        .assign(accuracy=one.looks.greedy, low=one.looks.greedy_low, high=one.looks.greedy_high, n=one.looks.n)
        .assign(kept=one.looks.step == one.best_step)
        for one in found
        if len(one.looks)
    ]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()


def gains(results: Results, found: list[Stage]) -> Table:
    """Rows: judges of the benchmark in training's order. Columns: accuracy, and the paired differences from the judge
    before and from the first; no rows without a benchmark of at least two of them."""
    names = trajectory(results, found)
    table = Table([("judge", ""), ("accuracy", "on the judge benchmark, in %")], [])
    table.columns += [("Δ previous", "from the judge before, in points, paired")]
    table.columns += [("Δ start", "from the judge as it came, in points, paired"), ("flips", "of the order, in %")]
    if len(names) < 2:
        return table
    rows = {row.judge: row for row in _whole(results).itertuples()}
    for place, name in enumerate(names):
        row, steps = rows[name], [names[place - 1], names[0]] if place else []
        compared = [_gain(results, other, name) for other in steps] or [None, None]
        cells = [difference_cell(one, bold=one is not None and (one.low > 0 or one.high < 0)) for one in compared]
        flips = MISSING if pd.isna(row.flipped) else Cell(percent(row.flipped), sort=row.flipped)
        table.rows.append([text(name), share_cell(_share(row)), *cells, flips])
    return table


def sentence(results: Results, found: list[Stage]) -> str:
    """What training has made of the judge, before and after."""
    if found and all(one.status == "finished" and one.untrained for one in found):
        return "Training has left the judge as it was: no stage had anything to learn from."
    if found and all(one.status == "finished" and (one.untrained or one.best_step == 0) for one in found):
        return (
            "Training has left the judge as it was: in no stage did a later step do better on the selection pairs than "
            "the one that the stage began with, which was kept."
        )
    names = trajectory(results, found)
    if len(names) > 1 and names[0] == "start":
        rows = {row.judge: row for row in _whole(results).itertuples()}
        first, last = _share(rows[names[0]]), _share(rows[names[-1]])
        row = _gain(results, names[0], names[-1])
        if first and last and row:
            return (
                f"On the judge benchmark the judge prefers the right solution in {_told(first)} of the pairs before "
                f"its training and in {_told(last)} after it ({names[-1]}): a difference of {points(row.difference)} "
                f"points (paired 95\u00a0% interval {interval(row)}, {row.n:,} pairs of {row.questions:,} questions). "
                + _verdict(row)
            )
    finished = [one for one in found if one.status == "finished"]
    first = finished[0].look(0) if finished else None
    last = finished[-1].look(finished[-1].best_step) if finished else None
    if first is None or last is None:
        return "Nothing shows whether training made the judge better: no stage left a look at selection pairs."
    return (
        f"There is no judge benchmark of the judge before and after. On {int(last.n):,} selection pairs it prefers the "
        f"right solution in {_told(first)} before its training and in {_told(last)} at the last step that was kept "
        f"({finished[-1].name}); the same pairs chose that step, which flatters it."
    )


def _verdict(row) -> str:
    if row.low > 0:
        return "The interval lies above zero."
    if row.high < 0:
        return "The interval lies below zero: training made the judge worse."
    return "The interval contains zero: these pairs show neither a gain nor a loss."


def _told(row) -> str:
    return f"{percent(row.value)}\u00a0% ({percent(row.low)}–{percent(row.high)})"


def _share(row):
    known = SimpleNamespace(value=row.accuracy, low=row.low, high=row.high)
    return None if pd.isna(row.accuracy) else known


def _gain(results: Results, before: str, after: str):
    """The paired difference between two judges; None where their answers are not kept."""
    folder = results.root / "judge" / "benchmark"
    paths = [folder / f"{name}.jsonl" for name in ("items", before, after)]
    if not all(path.exists() for path in paths):
        return None
    items, first, second = (list(read_jsonl(path)) for path in paths)
    same = [row["id"] for row in items] == [row["id"] for row in first] == [row["id"] for row in second]
    found = gain(items, first, second) if same else None
    return found and SimpleNamespace(**found)


def _whole(results: Results) -> pd.DataFrame:
    return results.judge_benchmark[results.judge_benchmark.by == "all"]
