"""How the judge was trained: its stages, whether they made it better (on the judge benchmark before, between and after,
and on selection pairs), and what it learnt from."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd

from gavel.common.files import read_json, read_jsonl
from gavel.judge_eval.benchmark_figures import gain
from gavel.report.cells import (
    MISSING,
    Cell,
    Estimate,
    Table,
    count,
    difference_cell,
    interval,
    percent,
    points,
    seconds,
    share_cell,
    text,
)
from gavel.report.figure import Figure
from gavel.report.plots.judges import judge_progress, selection_curve
from gavel.report.results import Results, csv_table, last_line
from gavel.report.sections.data_and_cost import trained_on
from gavel.report.sections.judge_benchmark import accuracy_of, all_pairs
from gavel.report.sections.samples import ending, short
from gavel.stats.intervals import clustered_mean
from gavel.study.layout import judge_stages
from gavel.study.rules import RULES
from gavel.training.judge.records import ContrastingPair, Judgment

METHODS = {"sft": "SFT", "dpo": "DPO", "grpo": "GRPO"}
WAYS = {"changed-question": "another question's answer", "injected-error": "an injected error"}
VALIDATION = ("greedy", "greedy_low", "greedy_high", "n", "flipped")  # of monitor.csv: accuracy on selection pairs


@dataclass
class Stage:
    """`status` is 'finished', 'missing', or 'failed' with the last line of the log as `reason`; `run` is run.json;
    `validations` and `training` are monitor.csv and training.csv, without rows where they are missing."""

    name: str
    method: str
    status: str
    reason: str
    run: dict[str, Any]
    validations: pd.DataFrame
    training: pd.DataFrame

    @property
    def judge(self) -> str:
        """What the judge benchmark calls the judge that the stage leaves, or leads to."""
        return self.name.partition("-")[0]

    @property
    def best_step(self) -> int | None:
        return self.run.get("best_step")

    @property
    def untrained(self) -> str | None:
        """Why nothing was learnt."""
        return self.run.get("untrained")

    def validation(self, step: int | None) -> Any:
        """The accuracy on selection pairs at a step, with `value`, `low`, `high` and `n`; None without one."""
        if self.validations.empty or step is None:
            return None
        for row in self.validations[self.validations.step == step].itertuples():
            return SimpleNamespace(
                value=row.greedy, low=row.greedy_low, high=row.greedy_high, n=row.n, flipped=row.flipped
            )
        return None


def stages(results: Results) -> list[Stage]:
    """In order; none where the study's judge pays as it is."""
    return [_stage(results, name, about["method"]) for name, about in judge_stages(results.study).items()]


def _stage(results: Results, name: str, method: str) -> Stage:
    left, log = results.files.judge.training(name), Path(results.files.log(RULES["train_judge"], stage=name))
    run = read_json(left.run_json) if Path(left.run_json).exists() else {}
    status = run.get("status") or ("failed" if log.exists() else "missing")
    reason = last_line(log) if status == "failed" and log.exists() else ""
    validations = _table(left.monitor, *VALIDATION)
    return Stage(name, method, status, reason, run, validations, _table(left.training))


def _table(path: str, *columns: str) -> pd.DataFrame:
    if not Path(path).exists() or not Path(path).stat().st_size:
        return pd.DataFrame()
    found = csv_table(path)
    return found if {"step", *columns} <= set(found) else pd.DataFrame()


def unfinished_stages(found: list[Stage]) -> list[str]:
    """A sentence for each stage that left no judge, or the one that it began with."""
    told = []
    for one in found:
        if one.status == "failed":
            told.append(f"{one.name} failed; its log ends: {one.reason}")
        elif one.status != "finished":
            told.append(f"{one.name} left no result.")
        elif one.untrained:
            told.append(f"{one.name} has not trained the judge: {one.untrained}.")
    return told


def summary(results: Results, found: list[Stage]) -> str:
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
        rows = {row.judge: row for row in all_pairs(results.judge_benchmark).itertuples()}
        first, last = accuracy_of(rows[names[0]]), accuracy_of(rows[names[-1]])
        row = _gain(results, names[0], names[-1])
        if first and last and row:
            return (
                f"On the judge benchmark the judge prefers the right solution in {_told(first)} of the pairs before "
                f"its training and in {_told(last)} after it ({names[-1]}): a difference of {points(row.difference)} "
                f"points (paired 95\u00a0% interval {interval(row)}, {row.n:,} pairs of {row.questions:,} questions). "
                + _verdict(row)
            )
    finished = [one for one in found if one.status == "finished"]
    first = finished[0].validation(0) if finished else None
    last = finished[-1].validation(finished[-1].best_step) if finished else None
    if first is None or last is None:
        return "Nothing shows whether training made the judge better: no stage left a validation on selection pairs."
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


def gain_table(results: Results, found: list[Stage]) -> Table:
    """Rows: judges of the benchmark in training's order. Columns: accuracy, and the paired differences from the judge
    before and from the first; no rows without a benchmark of at least two of them."""
    names = trajectory(results, found)
    table = Table([("judge", ""), ("accuracy", "on the judge benchmark, in %")], [])
    table.columns += [("Δ previous", "from the judge before, in points, paired")]
    table.columns += [("Δ start", "from the judge as it came, in points, paired"), ("flips", "of the order, in %")]
    if len(names) < 2:
        return table
    rows = {row.judge: row for row in all_pairs(results.judge_benchmark).itertuples()}
    for place, name in enumerate(names):
        row, steps = rows[name], [names[place - 1], names[0]] if place else []
        compared = [_gain(results, other, name) for other in steps] or [None, None]
        cells = [difference_cell(one, bold=one is not None and (one.low > 0 or one.high < 0)) for one in compared]
        flips = MISSING if pd.isna(row.flipped) else Cell(percent(row.flipped), sort=row.flipped)
        table.rows.append([text(name), share_cell(accuracy_of(row)), *cells, flips])
    return table


def trajectory(results: Results, found: list[Stage]) -> list[str]:
    """The judges of the judge benchmark in the order in which training leaves them, those that are in its table."""
    known = set(all_pairs(results.judge_benchmark).judge)
    return [name for name in dict.fromkeys(["start", *(one.judge for one in found)]) if name in known]


def _gain(results: Results, before: str, after: str):
    """The paired difference between two judges; None where their answers are not kept."""
    files = results.files.judge.benchmark
    paths = [files.items, files.answers(before), files.answers(after)]
    if not all(Path(path).exists() for path in paths):
        return None
    items, first, second = (list(read_jsonl(path)) for path in paths)
    same = [row["id"] for row in items] == [row["id"] for row in first] == [row["id"] for row in second]
    found = gain(items, first, second) if same else None
    return found and SimpleNamespace(**found)


def progress_figure(results: Results, found: list[Stage]) -> Figure:
    """Accuracy on the judge benchmark after each part of the training, and on selection pairs over the steps."""
    made = Figure("judge-training", missing="No stage of the judge's training left anything to draw.", wide=True)
    names, parts, caption = trajectory(results, found), [], []
    if len(names) > 1:
        rows = all_pairs(results.judge_benchmark).set_index("judge").loc[names].reset_index()
        rows = rows[["judge", "accuracy", "low", "high", "n", "questions"]]
        made.panels.append(("Judge benchmark", judge_progress(rows)))
        parts.append(rows.assign(on="judge benchmark"))
        caption.append(
            "Share of pairs whose right solution the judge prefers, ties half, with 95 % intervals over questions. "
            "Judge benchmark: the judge as training found it and as each part left it, on pairs that no training and "
            "no choice of a step has seen."
        )
    validations = _validations(found)
    if len(validations):
        made.panels.append(("Selection pairs", selection_curve(validations)))
        parts.append(validations.rename(columns={"stage": "judge"}).assign(on="selection pairs"))
        caption.append(
            "Selection pairs: other validation problems, on which a judge is validated while it trains; each stage "
            "starts from the step that the one before has kept (star), and is drawn as wide as the others."
        )
    made.data = pd.concat(parts) if parts else made.data
    made.caption = " ".join(caption)
    return made


def _validations(found: list[Stage]) -> pd.DataFrame:
    kept = [
        pd.DataFrame({"stage": one.name, "method": METHODS.get(one.method, one.method), "step": one.validations.step})
        .assign(
            accuracy=one.validations.greedy,
            low=one.validations.greedy_low,
            high=one.validations.greedy_high,
            n=one.validations.n,
        )
        .assign(kept=one.validations.step == one.best_step)
        for one in found
        if len(one.validations)
    ]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()


def stage_table(found: list[Stage]) -> Table:
    """Rows: stages. Columns: what was learnt from and for how long, accuracy on selection pairs before and after."""
    columns = [("stage", ""), ("method", ""), ("examples", "judgments, pairs of judgments, or judging prompts")]
    columns += [("steps", "of the optimiser"), ("kept step", "the best one on selection pairs")]
    columns += [("before", "right solution preferred at step 0, in %; selection pairs")]
    columns += [("after", "the same at the kept step"), ("pairs", "for selection")]
    columns += [("flips", "share of them whose winner changes with the order, at the kept step, in %")]
    made = Table([*columns, ("tokens", "of prompts and judgments trained on"), ("time", "of the training job")], [])
    for one in found:
        before, after = one.validation(0), one.validation(one.best_step)
        cells = [
            text(one.name, "" if one.status == "finished" else one.status),
            text(METHODS.get(one.method, one.method)),
        ]
        cells += [count(one.run.get(key)) for key in ("examples", "steps", "best_step")]
        cells += [share_cell(before), share_cell(after), count((after or before) and (after or before).n)]
        cells.append(MISSING if after is None else Cell(percent(after.flipped), sort=after.flipped))
        took = one.run.get("seconds")
        made.rows.append([*cells, count(trained_on(one.training)), Cell(seconds(took), sort=took or 0)])
    return made


def training_cost(found: list[Stage]) -> tuple[float | None, float | None]:
    """(tokens, seconds) of all stages together; None where one of them did not count, or there is none."""
    tokens, took = [trained_on(one.training) for one in found], [one.run.get("seconds") for one in found]
    return tuple(None if not parts or None in parts else sum(parts) for parts in (tokens, took))


def material_table(results: Results) -> Table:
    """Rows: each iteration's pairs, all and by the way in which the worse solution was made. Columns: how many, of how
    many questions, and the share of judgments that reached the better solution."""
    columns = [("iteration", ""), ("worse solution by", ""), ("pairs", ""), ("questions", "")]
    columns += [("judgments", "drawn, in both orders"), ("reached", "the better solution, in %")]
    table = Table(columns, [])
    for number, (pairs, path) in enumerate(_files(results), 1):
        found = read_jsonl(pairs) if pairs.exists() else ()
        about = {row["id"]: cast(ContrastingPair, row) for row in found}
        said: dict[str, list[bool]] = {}
        for row in read_jsonl(path) if path.exists() else ():
            said.setdefault(row["id"], []).append(row["reached"])
        ways = list(dict.fromkeys(row["subset"] for row in about.values()))
        for way in ["all", *(ways if len(ways) > 1 else [])]:
            own = {name: row for name, row in about.items() if way in ("all", row["subset"])}
            judged = [(own[name]["prompt"], float(one)) for name in own for one in said.get(name, ())]
            cells = [text(number), text(WAYS.get(way, way)), count(len(own) or None)]
            cells += [count(len({row["prompt"] for row in own.values()}) or None), count(len(judged) or None)]
            table.rows.append([*cells, _share(judged)])
    return table


def _share(judged: Iterable[tuple[str, float]]):
    """A share with its interval over questions."""
    if not judged:
        return MISSING
    groups, values = zip(*judged, strict=True)
    low, high = clustered_mean(groups, values)
    return share_cell(Estimate(sum(values) / len(values), low, high))


def sample_judgments(results: Results, seed: int) -> list[dict[str, Any]]:
    """Up to three judgments of the last iteration: one that reached the better solution for each label, and one that
    did not; none of a judge that writes nothing before its label.

    Args:
        seed: of the choice, which depends on nothing but it and the judgments.

    Returns:
        `{"iteration", "id", "prompt" (its end), "judgment", "label", "reached"}`.
    """
    written = [(number, path) for number, (_, path) in enumerate(_files(results), 1) if path.exists()]
    if not written:
        return []
    number, path = written[-1]
    first: dict[tuple[Any, ...], tuple[bytes, Judgment]] = {}
    for row in (cast(Judgment, found) for found in read_jsonl(path)):
        if len(row["judgment"].split()) < 2:
            continue
        group = (not row["reached"], row["label"] if row["reached"] else "")
        key = f"{seed}/{row['prompt']}/{row['judgment']}".encode()
        draw = hashlib.blake2b(key, digest_size=8).digest()
        if group not in first or draw < first[group][0]:
            first[group] = draw, row
    return [
        {"iteration": number, "id": row["id"], "label": row["label"].strip(), "reached": row["reached"]}
        | {"prompt": ending(row["prompt"]), "judgment": short(row["judgment"].strip("\n"))}
        for _, (_, row) in sorted(first.items(), key=lambda item: item[0])
    ]


def _files(results: Results) -> list[tuple[Path, Path]]:
    """(pairs, judgments) of each iteration, there or not."""
    taught, files = results.study["judge"]["self_taught"], results.files.judge
    numbers = range(1, (taught["iterations"] if taught else 0) + 1)
    return [(Path(files.pairs(number)), Path(files.judgments(number))) for number in numbers]
