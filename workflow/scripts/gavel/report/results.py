"""Read a results folder for the report. Any file may be missing, as after a failed run."""

import csv
import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, cast

import pandas as pd

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl
from gavel.common.redaction import redact_config
from gavel.evaluation.metrics import (
    COMPARISON_COLUMNS,
    METRIC_COLUMNS,
    SEED_COLUMNS,
    is_control,
    is_primary,
    main_checkpoint,
)
from gavel.evaluation.records import Primary
from gavel.frames.files import (
    NUMBER,
    REQUIRED_COLUMNS,
    RERUN,
    first_flag,
    matching,
    read_object,
    read_runs,
    read_table,
    read_tables,
)
from gavel.judge_eval.benchmark_metrics import COLUMNS as BENCHMARK_COLUMNS
from gavel.judge_eval.records import VerdictRow
from gavel.report.baseline import BASELINES, Baseline, control_label
from gavel.report.cells import join_words
from gavel.report.plots.style import label
from gavel.study import layout
from gavel.study.layout import Layout, primary_comparison
from gavel.study.rules import RULES


class Tokens(NamedTuple):
    """Tokens of a rule's jobs: written by policies, and read and written by the judge; None if unknown."""

    written: float | None = None
    judge: float | None = None


CALIBRATION = {"auc_within": NUMBER | None, "auc_within_ci95": list | None, "accuracy": NUMBER | None}
SIGNAL = {"mixed": NUMBER, "effective_groups": NUMBER, "truncated": NUMBER, "correlation": NUMBER | None}


@dataclass
class ControlResults:
    """The controls of a study: their runs, and their rows of the tables."""

    runs: dict[str, dict[str, Any]]
    metrics: pd.DataFrame
    comparisons: pd.DataFrame
    seeds: pd.DataFrame


@dataclass
class Results:
    """The contents of a study's files; tables and runs without those of `controls`.

    Attributes:
        runs: run -> its run.json, the baseline first, then in the grid's order. A run of the grid without a run.json
            has `{"run", "status", ...}`; the status is 'missing', or 'failed' with the last line of its log as
            `reason`.
        monitors, training: run -> monitor.csv and training.csv, for tables that exist and have rows.
        rollouts: run -> its rows of rollouts.csv.
        calibration, signal, policies, audit, splits: None if the file is missing.
        judge_benchmark: without rows if the file is missing.
        usage: group of rules (`gavel.study.rules.Rule.group`) -> tokens.
        contests: run -> test set -> the round robins and knockouts between its samples, with their cost
            (`gavel.evaluation.best_of`).
        names: run -> its label, controls included; also of the primary comparison, if it covers several seeds.
    """

    files: Layout
    study: dict[str, Any]
    metrics: pd.DataFrame
    comparisons: pd.DataFrame
    seeds: pd.DataFrame
    runs: dict[str, dict[str, Any]]
    monitors: dict[str, pd.DataFrame]
    training: dict[str, pd.DataFrame]
    rollouts: dict[str, pd.DataFrame]
    calibration: dict[str, Any] | None
    signal: dict[str, Any] | None
    policies: dict[str, Any] | None
    judge_benchmark: pd.DataFrame
    audit: dict[str, Any] | None
    splits: dict[str, Any] | None
    benchmarks: pd.DataFrame
    usage: dict[str, Tokens]
    contests: dict[str, dict[str, dict[str, dict[str, Any]]]]
    controls: ControlResults
    names: dict[str, str] = field(init=False)

    def __post_init__(self):
        several = len({about.get("seed") for run, about in self.runs.items() if run != self.baseline.run}) > 1
        self.names = {
            run: label(run, about["algorithm"], about["lambda"], about.get("seed") if several else None)
            for run, about in self.runs.items()
        }
        self.names |= {
            run: control_label(about, about.get("seed") if several else None)
            for run, about in self.controls.runs.items()
        }
        if self.is_pooled:
            named = self.study["primary"]
            kind = label("", named["algorithm"], named["lambda"])
            self.names[self.primary["run"]] = f"{kind}, mean of {len(self.primary['runs'])} seeds"

    def kinds_of(self, runs: Sequence[str]) -> str:
        """The names of runs in words; seeds of one kind together, as `GRPO λ = 0 (2 of 3 seeds)`."""
        kinds = {run: name.partition(", seed ")[0] for run, name in self.names.items()}
        every, found = Counter(kinds.values()), Counter(kinds[run] for run in runs)
        shown = [f"{kind} ({n} of {every[kind]} seeds)" if every[kind] > 1 else kind for kind, n in found.items()]
        return join_words(shown)

    @property
    def sets(self) -> list[str]:
        """The test sets: the primary comparison's first, the others in the order of metrics.csv."""
        found = list(dict.fromkeys(self.metrics.set))
        return sorted(found, key=lambda name: name != self.primary["set"])

    @property
    def baseline(self) -> Baseline:
        """The run from which RL starts, and its names."""
        return BASELINES[layout.baseline(self.study)]

    @property
    def primary(self) -> Primary:
        """The primary comparison with the baseline, named in the config."""
        return primary_comparison(self.study, self.top_k)

    @property
    def is_pooled(self) -> bool:
        """Whether the primary comparison covers several seeds."""
        return len(self.primary["runs"]) > 1

    def is_primary(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of seeds.csv is the primary comparison."""
        return is_primary(row, self.runs, self.primary)

    @property
    def top_k(self) -> int | None:
        """The largest k of maj@k in metrics.csv."""
        votes = self.metrics[self.metrics.metric == "maj"]
        return None if votes.empty else int(votes.k.max())

    @property
    def main_metrics(self) -> pd.DataFrame:
        """Metrics of the main checkpoints, in the order of `runs`."""
        kept = self.metrics[self.metrics.checkpoint == self.metrics.run.map(main_checkpoint)]
        return kept.sort_values(
            "run", key=lambda column: column.map({run: i for i, run in enumerate(self.runs)}), kind="stable"
        )

    def collapse(self, run: str) -> float | None:
        """The step at which the monitor first flagged a collapse of a run; None if it never did."""
        return self.first_flag(run, "collapsed")

    def first_flag(self, run: str, column: str) -> float | None:
        """The step of a run's first validation with 1 in a column; None if there is none."""
        return first_flag(self.monitors.get(run, pd.DataFrame()), column)

    def size(self, name: str) -> int:
        """The number of questions in a test set."""
        return int(self.metrics[(self.metrics.set == name) & ~self.metrics.metric.str.contains("_kind:")].n.max())

    def metric(self, run: str, name: str, metric: str, k: int = 1, checkpoint: str | None = None) -> Any:
        """One row of metrics.csv as a named tuple, or None; by default for the main checkpoint.

        For the name of a primary comparison of several seeds, a row of seeds.csv.
        """
        if self.is_pooled and run == self.primary["run"]:
            return self._pooled_rows.get((name, metric, k))
        return self._metric_rows.get((run, checkpoint or main_checkpoint(run), name, metric, k))

    def comparison(self, run: str, baseline: str, name: str, metric: str, k: int = 1, checkpoint: str = "last") -> Any:
        """One row of comparisons.csv as a named tuple, or None."""
        return self._comparison_rows.get((run, checkpoint, baseline, name, metric, k))

    @cached_property
    def _metric_rows(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return _by(self.metrics, "run", "checkpoint", "set", "metric", "k")

    @cached_property
    def _pooled_rows(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        named, rows = self.study["primary"], self.seeds
        kind = (rows.algorithm == named["algorithm"]) & (rows["lambda"] == named["lambda"])
        return _by(rows[kind & (rows.seeds == len(self.primary["runs"]))], "set", "metric", "k")

    @cached_property
    def _comparison_rows(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return _by(self.comparisons, "run", "checkpoint", "baseline", "set", "metric", "k")


def load(root: str | Path, study: dict[str, Any], tables: str | Path | None = None) -> Results:
    """Read a results folder.

    Args:
        root: the folder.
        study: the resolved config; passwords and keys in it are redacted.
        tables: folder of metrics.csv, comparisons.csv and seeds.csv, if not `root`.

    Raises:
        InputError: a file exists, but not in the form in which a study writes it.
    """
    files, study = Layout(root), redact_config(study)
    made = Layout(tables or root)
    found = read_runs(files, study)
    runs = {run: about for run, about in found.items() if not is_control(about)}
    tables_of = {
        "metrics": read_table(made.metrics, METRIC_COLUMNS, REQUIRED_COLUMNS),
        "comparisons": read_table(made.comparisons, COMPARISON_COLUMNS, REQUIRED_COLUMNS),
        "seeds": read_table(made.seeds, SEED_COLUMNS),
    }
    controls = {run: about for run, about in found.items() if is_control(about)}
    own = {name: _of_controls(table, controls) for name, table in tables_of.items()}
    return Results(
        files=files,
        study=study,
        **{name: table[~own[name]].reset_index(drop=True) for name, table in tables_of.items()},
        controls=ControlResults(controls, **{name: table[own[name]] for name, table in tables_of.items()}),
        runs=runs,
        monitors=read_tables({run: files.runs(run).monitor for run in runs}),
        training=read_tables({run: files.runs(run).training for run in runs}),
        rollouts=_rollouts(files, runs),
        calibration=_optional(files.judge.calibration, **CALIBRATION),
        signal=_optional(files.judge.signal, **SIGNAL),
        policies=_optional(files.judge.policies),
        judge_benchmark=read_table(files.judge.benchmark_csv, list(BENCHMARK_COLUMNS)),
        audit=_optional(files.data.audit),
        splits=_optional(files.data.splits, counts=dict | None),
        benchmarks=_benchmarks(Path(files.benchmarks)),
        usage=_usage(files),
        contests={
            run: read_object(path, comparisons=dict | None).get("comparisons") or {}
            for run, path in _scored(files).items()
        },
    )


def _of_controls(table: pd.DataFrame, controls: Mapping[str, Any]) -> pd.Series:
    """Which rows of a table are controls'."""
    return table.control.notna() if "control" in table and "run" not in table else table.run.isin(list(controls))


def _by(rows: pd.DataFrame, *columns: str) -> dict[tuple[Hashable, ...], tuple[Any, ...]]:
    """Values of some columns -> the first row with them, as a named tuple."""
    index: dict[tuple[Hashable, ...], tuple[Any, ...]] = {}
    # `lambda` is a keyword and loses its name in the tuple; no caller reads it.
    for row in rows.itertuples(index=False):
        index.setdefault(tuple(getattr(row, column) for column in columns), row)
    return index


def judged_rows(path: str) -> list[VerdictRow]:
    """The judged responses of a file; none if it is missing or has no probabilities."""
    rows = read_jsonl(path) if Path(path).exists() else ()
    return [cast(VerdictRow, row) for row in rows if row.get("probability") is not None]


def _optional(path: str, **kinds: type | UnionType) -> dict[str, Any] | None:
    return read_object(Path(path), **kinds) if Path(path).exists() else None


def _rollouts(files: Layout, runs: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Run -> its rows of rollouts.csv; none if the study has kept no rollouts."""
    if not Path(files.rollouts).exists():
        return {}
    table = read_table(files.rollouts, ["run", "step", "correct", "youden_j", "auc", "correlation"], ["run", "step"])
    return {str(run): rows.reset_index(drop=True) for run, rows in table.groupby("run", sort=False) if run in runs}


def _benchmarks(folder: Path) -> pd.DataFrame:
    """Snakemake's benchmark files: rule (`gavel.study.rules.Rule.group`), job, seconds, memory (its peak in MiB)."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        with open(path, newline="", encoding="utf-8", errors="replace") as handle:
            for row in csv.DictReader(handle, delimiter="\t"):
                group, _, job = path.relative_to(folder).with_suffix("").as_posix().partition("/")
                rows.append(
                    {
                        "rule": group,
                        "job": job or group,
                        "seconds": _number(row.get("s")),
                        "memory": _number(row.get("max_rss")),
                    }
                )
    return pd.DataFrame(rows, columns=["rule", "job", "seconds", "memory"])


def _usage(files: Layout) -> dict[str, Tokens]:
    """Group of rules -> tokens, for the rules that write their counts to files."""
    found: dict[str, Tokens] = {}
    if scored := [_counts(path, *Tokens._fields) for path in _scored(files).values()]:
        found[RULES["generate"].group] = Tokens(written=sum(used["written"] for used in scored))
        found[RULES["score"].group] = Tokens(judge=sum(used["judge"] for used in scored))
    both = ("tokens_read", "tokens_written")
    if tried := [_counts(path, *both) for path in matching(files, files.judge.benchmark.cost("*"))]:
        found[RULES["benchmark_judge"].group] = Tokens(judge=sum(cost[key] for cost in tried for key in both))
    patterns = (files.judge.usage, files.judge.run_usage("*"))
    if asked := [_counts(path, *Tokens._fields) for pattern in patterns for path in matching(files, pattern)]:
        found[RULES["judge_policy"].group] = Tokens(*(sum(used[key] for used in asked) for key in Tokens._fields))
    return found


def _counts(path: Path, *keys: str) -> dict[str, Any]:
    """A JSON object that has numbers under some keys. Raises `InputError` if one is missing."""
    found = read_object(path, **dict.fromkeys(keys, NUMBER))
    if lost := [key for key in keys if key not in found]:
        raise InputError(f"{path}: no {lost[0]!r}; {RERUN}")
    return found


def _scored(files: Layout) -> dict[str, Path]:
    """Run -> the file with the token counts of its samples and of their scoring."""
    return {path.parent.name: path for path in matching(files, files.usage("*"))}


def _number(text: str | None) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def plain_types(value: object) -> Any:
    """A config as JSON types, so that YAML shows no Python objects."""
    return json.loads(json.dumps(value, default=str))
