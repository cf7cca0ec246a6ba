"""The judge's training: stages, training data, and accuracy on the judge benchmark and on selection pairs."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd

from gavel.common.files import read_json, read_jsonl
from gavel.frames.files import csv_table, last_line
from gavel.judge_eval.benchmark_metrics import gain
from gavel.report.cells import (
    MISSING,
    Cell,
    Table,
    count,
    difference_cell,
    estimate_cell,
    interval,
    percent,
    points,
    seconds,
    text,
)
from gavel.report.figure import Figure
from gavel.report.plots.judges import judge_progress, selection_curve
from gavel.report.results import Results
from gavel.report.sections.data_and_cost import trained_tokens
from gavel.report.sections.judge_benchmark import accuracy_of, all_pairs
from gavel.report.sections.samples import ending, short
from gavel.stats.intervals import Estimate, clustered_mean
from gavel.study.layout import judge_stages
from gavel.study.rules import RULES
from gavel.training.judge.records import ContrastingPair, Judgment

METHODS = {"sft": "SFT", "dpo": "DPO", "grpo": "GRPO", "verifier": "SFT on verdicts"}
NEGATIVES = {"changed-question": "another question's answer", "injected-error": "an injected error"}
# Columns of monitor.csv: accuracy on selection pairs, or a verifier's AUC within questions.
VALIDATION = ("greedy", "greedy_low", "greedy_high", "n")


@dataclass
class Stage:
    """One stage of the judge's training.

    Attributes:
        status: 'finished', 'missing', or 'failed' with the last line of the log as `reason`.
        run: run.json.
        validations, training: monitor.csv and training.csv, without rows if missing.
    """

    name: str
    method: str
    status: str
    reason: str
    run: dict[str, Any]
    validations: pd.DataFrame
    training: pd.DataFrame

    @property
    def judge(self) -> str:
        """The name in the judge benchmark of the judge that this stage produces or contributes to."""
        return self.name.partition("-")[0]

    @property
    def best_step(self) -> int | None:
        return self.run.get("best_step")

    @property
    def is_verifier(self) -> bool:
        """Whether it trains a single-token judge on responses with known verdicts, not a pairwise one on pairs."""
        return self.method == "verifier"

    @property
    def untrained(self) -> str | None:
        """Why the stage did not train the judge; None if it did."""
        return self.run.get("untrained")

    def validation(self, step: int | None) -> Any:
        """Accuracy on selection pairs, or a verifier's AUC within selection questions: `value`, `low`, `high`, `n`, and
        `flipped` of pairs; None if the step was not validated."""
        if self.validations.empty or step is None:
            return None
        for row in self.validations[self.validations.step == step].itertuples():
            bounds = {"low": row.greedy_low, "high": row.greedy_high}
            return SimpleNamespace(value=row.greedy, **bounds, n=row.n, flipped=getattr(row, "flipped", None))
        return None


def stages(results: Results) -> list[Stage]:
    """The stages in order; none if the study does not train its judge."""
    return [_stage(results, name, about["method"]) for name, about in judge_stages(results.study).items()]


def _stage(results: Results, name: str, method: str) -> Stage:
    files, log = results.files.judge.training(name), Path(results.files.log(RULES["train_judge"], stage=name))
    run = read_json(files.run_json) if Path(files.run_json).exists() else {}
    status = run.get("status") or ("failed" if log.exists() else "missing")
    reason = last_line(log) if status == "failed" and log.exists() else ""
    validations = _table(files.monitor, *VALIDATION)
    return Stage(name, method, status, reason, run, validations, _table(files.training))


def _table(path: str, *columns: str) -> pd.DataFrame:
    if not Path(path).exists() or not Path(path).stat().st_size:
        return pd.DataFrame()
    table = csv_table(path)
    return table if {"step", *columns} <= set(table) else pd.DataFrame()


def unfinished_stages(found: list[Stage]) -> list[str]:
    """A sentence for each stage that produced no judge or did not train it."""
    sentences = []
    for stage in found:
        if stage.status == "failed":
            sentences.append(f"{stage.name} failed; last line of its log: {stage.reason}")
        elif stage.status != "finished":
            sentences.append(f"{stage.name} produced no result.")
        elif stage.untrained:
            sentences.append(f"{stage.name} did not train the judge: {stage.untrained}.")
    return sentences


def summary(results: Results, found: list[Stage]) -> str:
    """Sentences on the judge before and after its training."""
    if found and all(stage.status == "finished" and stage.untrained for stage in found):
        return "Training did not change the judge: no stage had training data."
    if found and all(stage.status == "finished" and (stage.untrained or stage.best_step == 0) for stage in found):
        return (
            "Training did not change the judge: in every stage, step 0 was the best on the validation questions that "
            "select it, and was kept."
        )
    names = trajectory(results, found)
    if len(names) > 1 and names[0] == "start":
        rows = {row.judge: row for row in all_pairs(results.judge_benchmark).itertuples()}
        first, last = accuracy_of(rows[names[0]]), accuracy_of(rows[names[-1]])
        row = _gain(results, names[0], names[-1])
        if first and last and row:
            return (
                f"On the judge benchmark, the judge prefers the correct solution in {_shown(first)} of the pairs "
                f"before its training and in {_shown(last)} after it ({names[-1]}): a difference of "
                f"{points(row.difference)} percentage points (paired 95\u00a0% interval {interval(row)}, {row.n:,} "
                f"pairs of {row.questions:,} questions). " + _outcome(row)
            )
    finished = [stage for stage in found if stage.status == "finished"]
    first = finished[0].validation(0) if finished else None
    last = finished[-1].validation(finished[-1].best_step) if finished else None
    if first is None or last is None:
        return "It is unknown whether training improved the judge: no stage was validated."
    if finished[0].is_verifier:
        return (
            f"On samples of {int(last.n):,} validation questions, the judge's AUC within questions is {_auc(first)} "
            f"before its training and {_auc(last)} at the best step. That step was selected on the same samples, so "
            "its AUC is inflated. The calibration has new samples, but of the same questions."
        )
    return (
        "There is no judge benchmark of the judge before and after its training. On "
        f"{int(last.n):,} selection pairs, it prefers the correct solution in {_shown(first)} before its training and "
        f"in {_shown(last)} at the best step of {finished[-1].name}. That step was selected on the same pairs, so its "
        "accuracy is inflated."
    )


def _outcome(row) -> str:
    if row.low > 0:
        return "The interval lies above zero."
    if row.high < 0:
        return "The interval lies below zero: training made the judge worse."
    return "The interval contains zero: the difference is not significant."


def _shown(row) -> str:
    return f"{percent(row.value)}\u00a0% ({percent(row.low)}–{percent(row.high)})"


def _auc(row) -> str:
    return f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"


def gain_table(results: Results, found: list[Stage]) -> Table:
    """Accuracy on the judge benchmark and paired differences; rows are the judges in the order of training.

    Without rows if fewer than two of them are in the benchmark.
    """
    names = trajectory(results, found)
    table = Table([("judge", ""), ("accuracy", "on the judge benchmark, in %")], [])
    table.columns += [("Δ previous", "from the judge in the row above, in percentage points, paired")]
    table.columns += [("Δ start", "from the judge before training, in percentage points, paired")]
    table.columns += [("flips", "pairs whose winner flips with the order, in %")]
    if len(names) < 2:
        return table
    rows = {row.judge: row for row in all_pairs(results.judge_benchmark).itertuples()}
    for place, name in enumerate(names):
        row, steps = rows[name], [names[place - 1], names[0]] if place else []
        compared = [_gain(results, other, name) for other in steps] or [None, None]
        cells = [difference_cell(one, bold=one is not None and (one.low > 0 or one.high < 0)) for one in compared]
        flips = MISSING if pd.isna(row.flipped) else Cell(percent(row.flipped), sort=row.flipped)
        table.rows.append([text(name), estimate_cell(accuracy_of(row)), *cells, flips])
    return table


def trajectory(results: Results, found: list[Stage]) -> list[str]:
    """The judges in the judge benchmark's table, in the order of training."""
    known = set(all_pairs(results.judge_benchmark).judge)
    return [name for name in dict.fromkeys(["start", *(stage.judge for stage in found)]) if name in known]


def _gain(results: Results, before: str, after: str):
    """The paired difference between two judges; None without their answers to the same pairs."""
    files = results.files.judge.benchmark
    paths = [files.items, files.answers(before), files.answers(after)]
    if not all(Path(path).exists() for path in paths):
        return None
    items, first, second = (list(read_jsonl(path)) for path in paths)
    same = [row["id"] for row in items] == [row["id"] for row in first] == [row["id"] for row in second]
    found = gain(items, first, second) if same else None
    return found and SimpleNamespace(**found)


def progress_figure(results: Results, found: list[Stage]) -> Figure:
    """Accuracy on the judge benchmark after each part of the training, and on selection pairs by step."""
    figure = Figure("judge-training", missing="There are no results of the judge's training to plot.", wide=True)
    names, parts, caption = trajectory(results, found), [], []
    if len(names) > 1:
        rows = all_pairs(results.judge_benchmark).set_index("judge").loc[names].reset_index()
        rows = rows[["judge", "accuracy", "low", "high", "n", "questions"]]
        figure.panels.append(("Judge benchmark", judge_progress(rows)))
        parts.append(rows.assign(on="judge benchmark"))
        caption.append(
            "Fraction of pairs in which the judge prefers the correct solution (ties count half), with 95 % intervals "
            "over questions. Judge benchmark: the judge before training and after each part of it, on pairs that are "
            "used neither for training nor for selecting a step."
        )
    validations = _validations(found)
    if len(validations):
        verifier = any(stage.is_verifier for stage in found)
        what = "selection questions" if verifier else "selection pairs"
        figure.panels.append((what.capitalize(), selection_curve(validations, verifier)))
        parts.append(validations.rename(columns={"stage": "judge"}).assign(on=what))
        caption.append(
            "Selection questions: the judge's AUC within validation questions, from samples of the student and the "
            "baseline. The star is the best step, which is kept."
            if verifier
            else "Selection pairs: from other validation questions, for validation during training. Each stage starts "
            "from the best step of the previous one (star); all stages are drawn equally wide."
        )
    figure.data = pd.concat(parts) if parts else figure.data
    figure.caption = " ".join(caption)
    return figure


def _validations(found: list[Stage]) -> pd.DataFrame:
    kept = [
        pd.DataFrame(
            {"stage": stage.name, "method": METHODS.get(stage.method, stage.method), "step": stage.validations.step}
        )
        .assign(
            accuracy=stage.validations.greedy,
            low=stage.validations.greedy_low,
            high=stage.validations.greedy_high,
            n=stage.validations.n,
        )
        .assign(kept=stage.validations.step == stage.best_step)
        for stage in found
        if len(stage.validations)
    ]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()


def stage_table(found: list[Stage]) -> Table:
    """Training data, steps, accuracy on selection pairs before and after, and cost; rows are stages."""
    columns = [
        ("stage", ""),
        ("method", ""),
        ("examples", "judgments, pairs of judgments, judging prompts, or a verifier's responses"),
    ]
    columns += [("steps", "of the optimiser"), ("best step", "on selection pairs; the one that is kept")]
    columns += [("before", "correct solution preferred at step 0, in % of the selection pairs; a verifier's AUC in %")]
    columns += [("after", "the same at the best step"), ("pairs", "selection pairs; a verifier's selection questions")]
    columns += [("flips", "selection pairs whose winner flips with the order, at the best step, in %")]
    table = Table([*columns, ("tokens", "prompts and judgments trained on"), ("time", "of the training job")], [])
    for stage in found:
        before, after = stage.validation(0), stage.validation(stage.best_step)
        cells = [
            text(stage.name, "" if stage.status == "finished" else stage.status),
            text(METHODS.get(stage.method, stage.method)),
        ]
        cells += [count(stage.run.get(key)) for key in ("examples", "steps", "best_step")]
        cells += [estimate_cell(before), estimate_cell(after), count((after or before) and (after or before).n)]
        cells.append(
            MISSING if after is None or after.flipped is None else Cell(percent(after.flipped), sort=after.flipped)
        )
        took = stage.run.get("seconds")
        table.rows.append([*cells, count(trained_tokens(stage.training)), Cell(seconds(took), sort=took or 0)])
    return table


def training_cost(found: list[Stage]) -> tuple[float | None, float | None]:
    """Total (tokens, seconds) of all stages; None without stages, or if a stage has no count."""
    tokens, took = [trained_tokens(stage.training) for stage in found], [stage.run.get("seconds") for stage in found]
    return tuple(None if not parts or None in parts else sum(parts) for parts in (tokens, took))


def material_table(results: Results) -> Table:
    """Each iteration's pairs and judgments, all and by how the worse solution was made."""
    columns = [("iteration", ""), ("worse solution by", ""), ("pairs", ""), ("questions", "")]
    columns += [("judgments", "sampled, in both orders"), ("correct", "judgments for the better solution, in %")]
    table = Table(columns, [])
    for number, (pairs, path) in enumerate(_files(results), 1):
        rows = read_jsonl(pairs) if pairs.exists() else ()
        by_id = {row["id"]: cast(ContrastingPair, row) for row in rows}
        reached: dict[str, list[bool]] = {}
        for row in read_jsonl(path) if path.exists() else ():
            reached.setdefault(row["id"], []).append(row["reached"])
        subsets = list(dict.fromkeys(row["subset"] for row in by_id.values()))
        for subset in ["all", *(subsets if len(subsets) > 1 else [])]:
            own = {name: row for name, row in by_id.items() if subset in ("all", row["subset"])}
            judged = [(own[name]["prompt"], float(better)) for name in own for better in reached.get(name, ())]
            cells = [text(number), text(NEGATIVES.get(subset, subset)), count(len(own) or None)]
            cells += [count(len({row["prompt"] for row in own.values()}) or None), count(len(judged) or None)]
            table.rows.append([*cells, _fraction(judged)])
    return table


def _fraction(judged: Iterable[tuple[str, float]]):
    """The mean of (question, value) with its interval over questions."""
    if not judged:
        return MISSING
    groups, values = zip(*judged, strict=True)
    low, high = clustered_mean(groups, values)
    return estimate_cell(Estimate(sum(values) / len(values), low, high))


def sample_judgments(results: Results, seed: int) -> list[dict[str, Any]]:
    """Up to three judgments of the last iteration: a correct one for each verdict label, and a wrong one.

    Args:
        seed: the choice depends only on the seed and the judgments.

    Returns:
        `{"iteration", "id", "prompt" (its end), "judgment", "label", "reached"}`; `reached`: for the better solution.
        [] for a direct judge, which writes nothing before its label.
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
    """(pairs, judgments) of each iteration; the files may be missing."""
    taught, files = results.study["judge"]["self_taught"], results.files.judge
    numbers = range(1, (taught["iterations"] if taught else 0) + 1)
    return [(Path(files.pairs(number)), Path(files.judgments(number))) for number in numbers]
