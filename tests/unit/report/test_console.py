"""A finished study's results on the console."""

import os

import pytest

from gavel.report import console
from gavel.report.cells import points
from gavel.report.results import load
from helpers import fake_results


@pytest.fixture(scope="module", params=[(0,), (0, 1)], ids=["one seed", "two seeds"])
def study(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("console") / "results"
    config = fake_results.build(root, {"main": 60, "svamp": 30}, samples=2, lambdas=("0", "0.5"), seeds=request.param)
    (root / "report.html").write_text("")
    return root, config | {"results_dir": str(root)}


def test_the_answer_and_the_rows_of_the_report_are_printed(study, capsys):
    root, config = study
    console.print_results([config], since=0)
    printed = capsys.readouterr().err
    results = load(root, config)
    assert f"open {root}/report.html" in printed
    assert "tiny: " in printed and "SFT" in printed
    several = len(config["rl"]["seeds"]) > 1
    single = results.comparisons[(results.comparisons.baseline == "sft") & (results.comparisons.checkpoint == "last")]
    gains = results.seeds if several else single
    gains = gains[(gains.set == "main") & (gains.metric == "greedy")]
    rows = [line for line in printed.splitlines() if line.startswith(("GRPO", "PPO"))]
    assert len(rows) == 4  # an algorithm and λ each
    for row in rows:
        assert ("2 seeds" in row) == several
    for gain in gains.difference:
        assert any(f"  {points(gain)} (" in row for row in rows)


def test_a_report_from_before_is_not_printed_again(study, capsys):
    root, config = study
    console.print_results([config], since=os.stat(root / "report.html").st_mtime + 1)
    assert capsys.readouterr().err == ""


def test_tables_that_cannot_be_read_do_not_fail_the_study(study, capsys):
    root, config = study
    table = root / "metrics.csv"
    before = table.read_text()
    table.write_text("run\n")
    try:
        console.print_results([config], since=0)
    finally:
        table.write_text(before)
    assert "could not print the results: " in capsys.readouterr().err
