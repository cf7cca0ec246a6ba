"""The report says whether there was anything to learn from."""

import pytest

from gavel.common.files import read_json, write_json
from gavel.report.page import render
from gavel.report.results import load
from gavel.report.sections.signal import signal_table
from helpers import fake_results


@pytest.fixture
def study(tmp_path):
    config = fake_results.build(tmp_path, {"main": 60}, samples=2, algorithms=("grpo",), lambdas=("0", "0.5"))
    return tmp_path, config


def test_the_table_has_each_figure_with_its_interval(study):
    root, config = study
    found = read_json(root / "judge" / "signal.json")
    rows = {row[0].text: row[1].text for row in signal_table(load(root, config)).rows}
    assert len(rows) == 6
    low, high = found["mixed_ci95"]
    shown = f"{100 * found['mixed']:.1f} [{100 * low:.1f}–{100 * high:.1f}]"
    assert rows["groups with correct and incorrect responses, %"] == shown
    assert rows["correlation with correctness"].startswith(f"{found['correlation']:.2f} [")
    assert rows["smallest detectable difference, points"] == f"{100 * found['detectable']:.1f}"


def test_what_is_undefined_has_no_row_and_a_weak_signal_is_said(study, tmp_path):
    root, config = study
    path = root / "judge" / "signal.json"
    unknown = {"correlation": None, "spread": None, "noise": None, "correlation_ci95": None}
    write_json(path, read_json(path) | unknown | {"weak": "the judge is a <coin>"})
    assert len(signal_table(load(root, config)).rows) == 4
    render(root, config, tmp_path / "page.html")
    assert "RL had little to learn from: the judge is a &lt;coin&gt;." in (tmp_path / "page.html").read_text()
    path.unlink()
    assert signal_table(load(root, config)) is None
