"""A study with several seeds: each kind of run is drawn once, with its seeds and their mean, and captions say so."""

import pandas as pd
import pytest

from gavel.report import figure as figures_figure
from gavel.report import run_selection
from gavel.report.plots.training import curve_limits
from gavel.report.results import load
from gavel.report.sections import accuracy, training
from helpers import fake_results

SEEDS = 13
KINDS = ["GRPO λ\u00a0=\u00a00", "PPO λ\u00a0=\u00a00"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("crowd") / "results"
    config = fake_results.build(root, {"main": 12}, samples=2, lambdas=("0",), seeds=tuple(range(SEEDS)), judge=False)
    config["primary"] = {"algorithm": "ppo", "lambda": 0.0, "seed": 3, "test_set": "main", "metric": "greedy"}
    fake_results.tables(root, config)
    return load(root, config)


def test_one_seed_of_each_kind_is_described_and_a_note_counts_the_others(results):
    assert list(run_selection.kinds_of_run(results)) == KINDS
    assert run_selection.selected_runs(results) == ["sft", "grpo-lambda0-seed3", "ppo-lambda0-seed3"]
    assert "2 of 26 runs" in run_selection.omission_note(results)


def test_a_kind_s_seeds_are_drawn_in_one_panel_with_their_mean(results):
    figure = training.curves_figure(results)
    assert [title for title, _ in figure.panels] == KINDS
    assert all(f"{KINDS[0]}, seed {seed}: true accuracy" in figure.panels[0][1] for seed in range(SEEDS))
    assert "Thin: seeds; thick: their mean." in figure.caption
    assert figure.data.run.nunique() == 26


def test_panels_share_an_axis_that_holds_all_curves(results):
    tables = [results.monitors[run] for run in results.runs if run != "sft"]
    low, high = curve_limits(tables)
    values = pd.concat([table.accuracy for table in tables])
    assert 0 <= low < values.min() and values.max() < high <= 1
    assert curve_limits([]) == (0.0, 1.0)
    assert curve_limits([pd.DataFrame({"step": [0], "accuracy": [0.5]})])[1] - 0.5 < 0.01


def test_diagnostics_have_a_line_for_each_seed_and_one_for_the_mean(results):
    figure = training.diagnostics_figure(results)
    reward = dict(figure.panels)["mean reward"]
    assert reward.count(f'data-run="{KINDS[0]}"') == SEEDS + 1
    assert "mean over the seeds" in figure.caption


def test_the_main_figure_has_a_row_for_each_kind_and_one_for_the_primary_comparison(results):
    figure = accuracy.difference_figure(results)
    names = [f"{KINDS[1]}, seed 3", *KINDS]
    assert list(dict.fromkeys(figure.data.label)) == names
    assert figure.data[figure.data.primary].label.to_list() == names[:1]
    assert all(f">{name}<" in figure.panels[0][1] for name in [f"{names[0]} ★", *KINDS])


def test_votes_are_means_with_the_lowest_and_the_highest_seed(results):
    rows = run_selection.mean_of_seeds(results.main_metrics, run_selection.kinds_of_run(results))
    own = results.main_metrics[
        (results.main_metrics.algorithm == "grpo") & (results.main_metrics.metric == "greedy")
    ].value
    row = rows[(rows.run == KINDS[0]) & (rows.metric == "greedy")].iloc[0]
    assert (row.value, row.low, row.high) == pytest.approx((own.mean(), own.min(), own.max()))
    assert "lowest and highest seed" in accuracy.vote_figure(results).caption


def test_single_seeds_need_no_note(results):
    few = {run: about for run, about in results.runs.items() if about["seed"] in (None, 0)}
    results.runs, whole = few, results.runs
    try:
        assert not run_selection.has_seeds(results)
        assert run_selection.selected_runs(results) == list(few)
        assert run_selection.omission_note(results) == run_selection.averaging_note(results) == ""
        assert "its 95 % interval" in training.curves_figure(results).caption
    finally:
        results.runs = whole


def test_a_large_table_is_linked_to_and_a_small_one_is_in_the_page():
    figure = figures_figure.Figure("x", data=pd.DataFrame({"a": range(10)}), data_file="figures/x.csv")
    assert figure.link.startswith("data:text/csv")
    figure.data = pd.DataFrame({"a": range(figures_figure.EMBEDDED)})
    assert figure.link == "figures/x.csv"
