"""The stages in which a study's judge was trained: what each one left, and a table of them."""

from dataclasses import dataclass
from types import SimpleNamespace

import pandas as pd

from gavel.files import read_json
from gavel.report.about import trained_on
from gavel.report.load import Results, csv_table, last_line
from gavel.report.words import MISSING, Cell, Table, count, percent, seconds, share_cell, text
from gavel.study_files import judge_stages

METHODS = {"sft": "SFT", "dpo": "DPO", "grpo": "GRPO"}
LOOKS = ("greedy", "greedy_low", "greedy_high", "n", "flipped")  # of monitor.csv: accuracy on selection pairs


@dataclass
class Stage:
    """`status` is 'finished', 'missing', or 'failed' with the last line of the log as `reason`; `run` is run.json;
    `looks` and `training` are monitor.csv and training.csv, without rows where they are missing."""

    name: str
    method: str
    status: str
    reason: str
    run: dict
    looks: pd.DataFrame
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

    def look(self, step: int | None):
        """The accuracy on selection pairs at a step, with `value`, `low`, `high` and `n`; None where nobody looked."""
        if self.looks.empty or step is None:
            return None
        for row in self.looks[self.looks.step == step].itertuples():
            return SimpleNamespace(
                value=row.greedy, low=row.greedy_low, high=row.greedy_high, n=row.n, flipped=row.flipped
            )
        return None


def stages(results: Results) -> list[Stage]:
    """In order; none where the study's judge pays as it is."""
    judge = results.study.get("judge") or {}
    if not (judge.get("self_taught") or judge.get("rl")):
        return []
    return [_stage(results, name, about["method"]) for name, about in judge_stages(results.study).items()]


def _stage(results: Results, name: str, method: str) -> Stage:
    folder, log = results.root / "judge" / "training" / name, results.root / "logs" / "judge-training" / f"{name}.log"
    path = folder / "run.json"
    run = read_json(path) if path.exists() else {}
    status = run.get("status") or ("failed" if log.exists() else "missing")
    reason = last_line(log) if status == "failed" and log.exists() else ""
    looks = _table(folder / "monitor.csv", *LOOKS)
    return Stage(name, method, status, reason, run, looks, _table(folder / "training.csv"))


def _table(path, *columns: str) -> pd.DataFrame:
    if not path.exists() or not path.stat().st_size:
        return pd.DataFrame()
    found = csv_table(path)
    return found if {"step", *columns} <= set(found) else pd.DataFrame()


def unfinished(found: list[Stage]) -> list[str]:
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


def table(found: list[Stage]) -> Table:
    """Rows: stages. Columns: what was learnt from and for how long, accuracy on selection pairs before and after."""
    columns = [("stage", ""), ("method", ""), ("examples", "judgments, pairs of judgments, or judging prompts")]
    columns += [("steps", "of the optimiser"), ("kept step", "the best one on selection pairs")]
    columns += [("before", "right solution preferred at step 0, in %; selection pairs")]
    columns += [("after", "the same at the kept step"), ("pairs", "for selection")]
    columns += [("flips", "share of them whose winner changes with the order, at the kept step, in %")]
    made = Table([*columns, ("tokens", "of prompts and judgments trained on"), ("time", "of the training job")], [])
    for one in found:
        before, after = one.look(0), one.look(one.best_step)
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


def spent(found: list[Stage]) -> tuple[float | None, float | None]:
    """(tokens, seconds) of all stages together; None where one of them did not count, or there is none."""
    tokens, took = [trained_on(one.training) for one in found], [one.run.get("seconds") for one in found]
    return tuple(None if not parts or None in parts else sum(parts) for parts in (tokens, took))
