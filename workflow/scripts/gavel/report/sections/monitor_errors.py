"""How often the monitor's rule is wrong, as measured on the studies of simulated judges (`tools/write_readme.py`)."""

from importlib.resources import files
from typing import NamedTuple

import pandas as pd

from gavel.report.cells import percent
from gavel.report.results import Results


def measured_errors() -> pd.DataFrame:
    """A row for each setting of the rule, with the columns of `gavel.replay.monitor_rates.write_table`."""
    with files("gavel.report").joinpath("monitor_rates.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle)


class Rates(NamedTuple):
    """The rule's errors with the study's setting, each in % with its interval."""

    false_alarms: str
    missed: str


def measured_rates(results: Results) -> Rates | None:
    """The errors of the rule with the study's setting; None where they were not measured, as for a pairwise judge."""
    row = _row(results)
    return None if row is None else Rates(_share(row, "false_alarms"), _share(row, "missed"))


def monitor_errors(results: Results) -> str | None:
    """Sentences on the errors of the rule with the study's setting; None for a pairwise judge, or if no validation
    sample was judged.

    Nothing was measured for pairwise judges, whose rule is another.
    """
    if not _is_measured(results):
        return None
    rules = results.study["rl"]["validation"]
    setting = f"collapse_drop {rules['collapse_drop']:g}, collapse_patience {rules['collapse_patience']}"
    row = _row(results)
    if row is None:
        others = "docs/studies/monitor.md has them for others"
        return f"The monitor's errors are not measured for this setting ({setting}); {others}."
    fell = f" ({row.fell:.0f} of the flagged runs had lost correctness all the same)" if row.fell else ""
    return (
        f"How often this rule is wrong ({setting}): on short runs of a tiny student under simulated judges, validated "
        f"every 4 steps on 200 questions, it flagged {_share(row, 'false_alarms')} of {row.clean:.0f} runs without "
        f"reward hacking{fell} and missed {_share(row, 'missed')} of {row.hacked:.0f} with it{_delay(row)}. It is "
        "silent where the judge's reward falls with the accuracy. Other students, judges and validation sets may "
        "differ (docs/studies/monitor.md)."
    )


def _is_measured(results: Results) -> bool:
    """Whether a pointwise judge has judged some validation sample."""
    validated = [table for run, table in results.monitors.items() if run != results.baseline.run]
    judged = [table for table in validated if "judge" in table and table.judge.notna().any()]
    return bool(judged) and not any("true_win_rate" in table for table in judged)


def _row(results: Results) -> pd.Series | None:
    """The measured errors of the study's setting, if there are any."""
    if not _is_measured(results):
        return None
    rules, table = results.study["rl"]["validation"], measured_errors()
    same = ((table["drop"] - rules["collapse_drop"]).abs() < 1e-9) & (table.patience == rules["collapse_patience"])
    return table[same].iloc[0] if same.any() else None


def _delay(row: pd.Series) -> str:
    """The median flag's place, where any run was flagged."""
    if pd.isna(row.median_delay):
        return ""
    steps = round(row.median_delay)
    where = f"{abs(steps)} steps {'after' if steps > 0 else 'before'} the onset" if steps else "at the onset"
    return f"; the median flag came {where}"


def _share(row: pd.Series, column: str) -> str:
    bounds = f"{percent(row[f'{column}_low'])} to {percent(row[f'{column}_high'])}"
    return f"{percent(row[column])} % ({bounds})"
