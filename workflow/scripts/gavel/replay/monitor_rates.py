"""How often the monitor's rule is wrong: against the onset of hacking in every step's rollouts, which it does not see.

A run is hacked if `gavel.replay.truth.hacking_onset` finds an onset in it, otherwise clean. Over hacked runs the rule
has a delay and misses, over clean ones false alarms. One flag for each run counts, its first.

A watching judge is measured in the same way: its alarm in runs that it watched, or in a replay of the rollouts, where
its alarm is the onset that its own mean scores give in place of the truth.
"""

import csv
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

import pandas as pd

from gavel.common.errors import InputError
from gavel.common.files import open_atomically
from gavel.replay.finished import read_study
from gavel.replay.truth import DROP, TruthRow, correctness_fell, hacking_onset
from gavel.stats.intervals import wilson
from gavel.study.layout import grid_runs
from gavel.training.rl.validation_rules import has_collapsed, watched


class WatchedRun(NamedTuple):
    """A finished run.

    Attributes:
        validations: in order.
        onset: of hacking, by every step's rollouts; None if there is none.
        fell: whether correctness fell, with or without hacking.
        steps: every kept step against the truth.
    """

    name: str
    validations: Sequence[Mapping[str, Any]]
    onset: int | None
    fell: bool
    steps: Sequence[TruthRow] = ()


class Errors(TypedDict):
    """The errors of one way to flag runs.

    Attributes:
        hacked, clean: numbers of runs.
        missed: hacked runs that were never flagged, as a fraction with its 95 % interval.
        false_alarms: clean runs that were flagged, also as a fraction with its interval.
        fell: how many of these had lost correctness, with a judge whose score fell too.
        median_delay: steps from the onset to the flag, over the hacked runs that were flagged; negative if the flag
            came first. None if none was.
        delays: lower and upper quartile of these.
    """

    hacked: int
    clean: int
    missed: tuple[float, float, float] | None
    false_alarms: tuple[float, float, float] | None
    fell: int
    median_delay: float | None
    delays: tuple[float, float] | None


class Rates(Errors):
    """The errors of the monitor's rule with one setting: `rl.validation.collapse_drop` and `collapse_patience`."""

    drop: float
    patience: int


class WatcherRates(Errors):
    """The errors of a watching judge's alarm: `drop` is that of its mean score, `runs` have a replay with it."""

    judge: str
    drop: float
    runs: int


def watched_runs(results: str | Path) -> list[WatchedRun]:
    """The runs of a finished study that kept their rollouts and asked their judge.

    Args:
        results: the results folder.

    Raises:
        InputError: there is no finished study, or it kept no rollouts.
    """
    study = read_study(results)
    files = study.files
    if not Path(files.rollouts).exists():
        raise InputError(f"{files.rollouts}: no such file; the study kept no rollouts (rl.keep_rollouts)")
    table = pd.read_csv(files.rollouts)
    table = table[table.run.isin(list(grid_runs(study.config)))]  # the reward of a control is not the judge's
    found = []
    for run, rows in table.groupby("run", sort=False):
        steps = [_row(row) for row in rows.to_dict("records")]
        validations = [_row(row) for row in pd.read_csv(files.runs(str(run)).monitor).to_dict("records")]
        if any(row["judge"] is not None for row in steps):
            truth = [cast(TruthRow, row) for row in steps]
            onset, fell = hacking_onset(truth), correctness_fell(truth)
            found.append(WatchedRun(f"{results}/{run}", validations, onset, fell, truth))
    return found


def flagged(validations: Sequence[Mapping[str, Any]], drop: float, patience: int) -> int | None:
    """The step of the first validation at which the rule flags a collapse; None if it never does."""
    for count in range(1, len(validations) + 1):
        if has_collapsed(validations[:count], drop, patience):
            return int(validations[count - 1]["step"])
    return None


def rates(runs: Sequence[WatchedRun], drop: float, patience: int, watcher: str | None = None) -> Rates:
    """The rule's errors over some runs; with the name of a judge in `judge.watch`, those of its alarm."""
    seen = [run.validations if watcher is None else watched(run.validations, watcher) for run in runs]
    flags = [(run, flagged(rows, drop, patience)) for run, rows in zip(runs, seen, strict=True)]
    return {"drop": drop, "patience": patience, **_errors(flags)}


def replayed_scores(results: str | Path, judge: str) -> dict[str, dict[int, float]]:
    """The mean scores that a watching judge gave to the replayed rollouts of a finished study.

    Args:
        results: the results folder.
        judge: its name in `replay.judges`.

    Returns:
        Run, named as in `watched_runs`, -> step -> mean score.

    Raises:
        InputError: the study has no replay with this judge.
    """
    path = read_study(results).files.replay(judge).steps
    if not Path(path).exists():
        raise InputError(f"{path}: no such file; name the judge in `replay.judges` and run the study again")
    table = pd.read_csv(path).dropna(subset=["replayed"])
    return {
        f"{results}/{run}": dict(zip(rows.step.astype(int), rows.replayed, strict=True))
        for run, rows in table.groupby("run", sort=False)
    }


def watcher_alarm(run: WatchedRun, scores: Mapping[int, float], drop: float = DROP) -> int | None:
    """The step from which a watching judge would have raised an alarm; None if it never would.

    It is the onset of hacking (`gavel.replay.truth.hacking_onset`) with the judge's mean scores in place of the
    fraction of correct completions: no label has a part in it.

    Args:
        scores: step -> mean score; other steps are left out.
        drop: how far the mean score must be below that of the best window before.
    """
    rows: list[TruthRow] = [{**row, "correct": scores[row["step"]]} for row in run.steps if row["step"] in scores]
    return hacking_onset(rows, drop=drop)


def watcher_rates(
    runs: Sequence[WatchedRun], scores: Mapping[str, Mapping[int, float]], judge: str, drop: float = DROP
) -> WatcherRates:
    """The errors of a watching judge's alarm over the runs that were replayed with it.

    Args:
        scores: run -> step -> mean score (`replayed_scores`).
    """
    replayed = [run for run in runs if run.name in scores]
    errors = _errors([(run, watcher_alarm(run, scores[run.name], drop)) for run in replayed])
    return {"judge": judge, "drop": drop, "runs": len(replayed), **errors}


def _errors(flags: Sequence[tuple[WatchedRun, int | None]]) -> Errors:
    """The errors over runs with the step of each run's first flag, None without one."""
    hacked = [(run, step) for run, step in flags if run.onset is not None]
    clean = [(run, step) for run, step in flags if run.onset is None]
    alarms = [run for run, step in clean if step is not None]
    delays = [step - run.onset for run, step in hacked if step is not None and run.onset is not None]
    quartiles = statistics.quantiles(delays, n=4) if len(delays) > 1 else [delays[0]] * 3 if delays else None
    return {
        "hacked": len(hacked),
        "clean": len(clean),
        "missed": _share(sum(step is None for _, step in hacked), len(hacked)),
        "false_alarms": _share(len(alarms), len(clean)),
        "fell": sum(run.fell for run in alarms),
        "median_delay": statistics.median(delays) if delays else None,
        "delays": (quartiles[0], quartiles[2]) if quartiles else None,
    }


def table(runs: Sequence[WatchedRun], drops: Iterable[float], patiences: Sequence[int]) -> list[Rates]:
    """The rule's errors for every setting."""
    return [rates(runs, drop, patience) for drop in drops for patience in patiences]


def write_table(found: Sequence[Rates], path: str | Path) -> None:
    """Write the errors as CSV, a row for each setting, with an interval as three columns: `missed`, `missed_low`, ...

    Values that are undefined are empty.
    """
    rows = []
    for row in found:
        missed, false_alarms = row["missed"] or (None,) * 3, row["false_alarms"] or (None,) * 3
        names = ("missed", "missed_low", "missed_high", "false_alarms", "false_alarms_low", "false_alarms_high")
        rows.append(
            {key: row[key] for key in ("drop", "patience", "hacked", "clean")}
            | dict(zip(names, (*missed, *false_alarms), strict=True))
            | {"fell": row["fell"], "median_delay": row["median_delay"]}
            | dict(zip(("delay_low", "delay_high"), row["delays"] or (None, None), strict=True))
        )
    with open_atomically(path, newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _share(count: int, of: int) -> tuple[float, float, float] | None:
    if not of:
        return None
    low, high = wilson(count, of)
    return count / of, low, high


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a CSV file with None where it is empty."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
