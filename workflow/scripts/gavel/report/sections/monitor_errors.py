"""How often the monitor's rule is wrong, as measured on the studies of simulated judges (`tools/write_readme.py`)."""

from importlib.resources import files

import pandas as pd

from gavel.report.cells import percent
from gavel.report.results import Results


def measured_errors() -> pd.DataFrame:
    """A row for each setting of the rule, with the columns of `gavel.replay.monitor_rates.write_table`."""
    with files("gavel.report").joinpath("monitor_rates.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle)


def monitor_errors(results: Results) -> str | None:
    """Sentences on the errors of the rule with the study's setting; None for a pairwise judge, or if no validation
    sample was judged.

    Nothing was measured for pairwise judges, whose rule is another.
    """
    validated = [table for run, table in results.monitors.items() if run != results.baseline.run]
    judged = [table for table in validated if "judge" in table and table.judge.notna().any()]
    if not judged or any("true_win_rate" in table for table in judged):
        return None
    rules = results.study["rl"]["validation"]
    drop, patience = rules["collapse_drop"], rules["collapse_patience"]
    table = measured_errors()
    rows = table[((table["drop"] - drop).abs() < 1e-9) & (table.patience == patience)]
    setting = f"collapse_drop {drop:g}, collapse_patience {patience}"
    if rows.empty:
        return (
            f"The monitor's errors are not measured for this setting ({setting}); docs/collapse.md has them for others."
        )
    row = rows.iloc[0]
    fell = f" ({row.fell:.0f} of the flagged runs had lost correctness all the same)" if row.fell else ""
    return (
        f"How often this rule is wrong ({setting}): on short runs of a tiny student under simulated judges, validated "
        f"every 4 steps on 200 questions, it flagged {_share(row, 'false_alarms')} of {row.clean:.0f} runs without "
        f"reward hacking{fell} and missed {_share(row, 'missed')} of {row.hacked:.0f} with it{_delay(row)}. It is "
        "silent where the judge's reward falls with the accuracy. Other students, judges and validation sets may "
        "differ (docs/collapse.md)."
    )


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
