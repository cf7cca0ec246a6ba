"""Judges that watch the runs (`judge.watch`): their scores of the monitor's samples, and their alarms."""

import pandas as pd

from gavel.report.cells import MISSING, Cell, Table, count, join_words, text
from gavel.report.plots.training import watcher_names
from gavel.report.results import Results
from gavel.training.rl.validation_rules import AGREEMENT, ALARM, WATCH


def watchers_table(results: Results) -> Table:
    """A row for each RL run and watching judge; its `columns` explain the values."""
    change = "at the first and at the last validation"
    table = Table(
        [
            ("run", ""),
            ("watching judge", ""),
            ("its mean score", f"mean probability that a sample is correct, {change}"),
            ("highest", "of all validations"),
            ("agreement", f"fraction of the samples that both judges accept or both reject, {change}"),
            ("alarm at step", "first alarm of this judge, which reads no label"),
            ("collapse at step", "first flag of the monitor's rule, which reads labels"),
        ],
        [],
    )
    for run, monitor in results.monitors.items():
        for name in watcher_names([monitor]):
            score, agreed = monitor[WATCH + name].dropna(), monitor.get(AGREEMENT + name, pd.Series(dtype=float))
            cells = [text(results.names[run]), text(name), _change(score), _number(score.max()), _change(agreed)]
            alarm, collapse = results.first_flag(run, ALARM + name), results.collapse(run)
            table.rows.append([*cells, count(alarm), count(collapse)])
    return table


def alarms_sentence(results: Results) -> str | None:
    """A sentence on the alarms without labels; None if no judge watched."""
    steps = {
        (run, name): results.first_flag(run, ALARM + name)
        for run, monitor in results.monitors.items()
        for name in watcher_names([monitor])
    }
    if not steps:
        return None
    raised = [
        f"{name} in {results.names[run]} at step {step:.0f}" for (run, name), step in steps.items() if step is not None
    ]
    what = f"by {join_words(raised)}" if raised else "by none"
    return f"Alarms of the watching judges, which read no label: {what}."


def _change(values: pd.Series) -> Cell:
    known = values.dropna()
    if known.empty:
        return MISSING
    return Cell(f"{known.iloc[0]:.2f} → {known.iloc[-1]:.2f}", sort=float(known.iloc[-1]))


def _number(value: float) -> Cell:
    return Cell(f"{value:.2f}", sort=value)
