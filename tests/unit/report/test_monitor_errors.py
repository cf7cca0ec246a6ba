"""The report's sentence on the monitor's errors."""

from dataclasses import replace

import pandas as pd
import pytest

from gavel.report.results import load
from gavel.report.sections import monitor_errors as errors
from gavel.report.sections.monitor_errors import monitor_errors
from helpers import fake_results

RUN = "grpo-lambda0-seed0"


@pytest.fixture
def results(tmp_path):
    config = fake_results.build(tmp_path, {"main": 60}, samples=2, algorithms=("grpo",), lambdas=("0", "0.5"))
    return load(tmp_path, config)


def test_the_monitors_errors_are_those_of_the_studys_setting(results, monkeypatch):
    rates = {"missed": 0.25, "missed_low": 0.1, "missed_high": 0.5, "false_alarms": 0.02}
    rates |= {
        "false_alarms_low": 0.0,
        "false_alarms_high": 0.1,
        "hacked": 12,
        "clean": 48,
        "fell": 1,
        "median_delay": -4.0,
    }
    monkeypatch.setattr(errors, "measured_errors", lambda: pd.DataFrame([{"drop": 0.1, "patience": 2} | rates]))
    sentence = monitor_errors(results)
    assert (
        "2.0 % (0.0 to 10.0) of 48 runs without reward hacking (1 of the flagged runs had lost correctness all"
        in sentence
    )
    assert "missed 25.0 % (10.0 to 50.0) of 12 with it; the median flag came 4 steps before the onset" in sentence
    rules = results.study["rl"]["validation"] | {"collapse_patience": 7}
    other = replace(results, study=results.study | {"rl": results.study["rl"] | {"validation": rules}})
    assert "not measured for this setting (collapse_drop 0.1, collapse_patience 7)" in monitor_errors(other)


def test_nothing_is_said_of_pairwise_judges_or_without_a_monitor(results):
    results.monitors[RUN]["true_win_rate"] = 0.5
    assert monitor_errors(results) is None
    results.monitors = {"sft": results.monitors["sft"]}
    assert monitor_errors(results) is None


def test_the_shipped_errors_cover_the_defaults_on_enough_runs():
    table = errors.measured_errors()
    row = table[(table["drop"] == 0.1) & (table.patience == 2)].iloc[0]
    assert row.clean >= 30
    assert row.hacked >= 10
    for name in ("missed", "false_alarms"):
        assert 0 <= row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] <= 1
