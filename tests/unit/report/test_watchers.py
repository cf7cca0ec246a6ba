"""The report on judges that watch."""

import pytest

from gavel.report.results import load
from gavel.report.sections.training import curves_figure
from gavel.report.sections.watchers import alarms_sentence, watchers_table
from helpers import fake_results

WATCHED = "grpo-lambda0-seed0"


@pytest.fixture
def results(tmp_path):
    config = fake_results.build(tmp_path, {"main": 60}, samples=2, algorithms=("grpo",), lambdas=("0", "0.5"))
    found = load(tmp_path, config)
    monitor = found.monitors[WATCHED]
    monitor["watch_other"] = [0.5, 0.6] + [0.2] * (len(monitor) - 2)
    monitor["agreement_other"] = [0.9] + [0.4] * (len(monitor) - 1)
    monitor["alarm_other"] = (monitor.step >= monitor.step.iloc[2]).astype(float)
    monitor["watch_silent"] = None
    return found


def test_the_table_has_each_watched_run(results):
    (row,) = watchers_table(results).rows
    assert [cell.text for cell in row[:5]] == [
        results.names[WATCHED], "other", "0.50 → 0.20", "0.60", "0.90 → 0.40",
    ]  # fmt: skip
    assert float(row[5].text) == results.monitors[WATCHED].step.iloc[2]
    assert row[6].text == "–"


def test_alarms_without_labels_are_told_apart_from_collapses(results):
    step = results.monitors[WATCHED].step.iloc[2]
    assert alarms_sentence(results) == (
        f"Alarms of the watching judges, which read no label: by other in GRPO λ\u00a0=\u00a00 at step {step:.0f}."
    )
    assert results.collapse(WATCHED) is None
    results.monitors[WATCHED]["alarm_other"] = 0.0
    assert alarms_sentence(results) == "Alarms of the watching judges, which read no label: by none."
    del results.monitors[WATCHED]["watch_other"]
    assert alarms_sentence(results) is None and not watchers_table(results).rows


def test_the_curves_show_the_watching_judge_and_its_alarm(results):
    figure = curves_figure(results)
    assert "watching: other" in figure.panels[0][1] and "alarm" in figure.panels[0][1]
    assert "silent" not in figure.panels[0][1]
    assert "line marked ‘alarm’" in figure.caption
    for monitor in results.monitors.values():
        monitor.drop(columns=[name for name in monitor if name.startswith(("watch_", "alarm_"))], inplace=True)
    assert "alarm" not in curves_figure(results).caption
