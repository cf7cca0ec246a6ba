"""A study with too many runs to draw each: what is drawn instead, with captions that say so."""

import pandas as pd
import pytest

from gavel.report import figure as figures_figure
from gavel.report import run_selection
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


def test_one_seed_of_each_kind_is_shown_and_the_caption_counts_the_others(results):
    assert list(run_selection.kinds_of_run(results)) == KINDS
    assert run_selection.selected_runs(results) == ["sft", "grpo-lambda0-seed3", "ppo-lambda0-seed3"]
    figure = training.curves_figure(results)
    assert [title for title, _ in figure.panels] == [f"{kind}, seed 3" for kind in KINDS]
    assert "2 of 26 runs" in figure.caption
    assert figure.data.run.nunique() == 26


def test_diagnostics_are_means_over_seeds(results):
    rewards = [results.training[f"grpo-lambda0-seed{seed}"].reward for seed in range(SEEDS)]
    found = run_selection.mean_by_step(results.training, run_selection.kinds_of_run(results))[KINDS[0]]
    assert found.reward.to_list() == pytest.approx((sum(rewards) / SEEDS).to_list())
    assert "mean over the seeds" in training.diagnostics_figure(results).caption


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


def test_few_runs_are_drawn_individually(results):
    few = dict(list(results.runs.items())[:10])
    results.runs, whole = few, results.runs
    try:
        assert run_selection.kinds_of_run(results) == {}
        assert run_selection.selected_runs(results) == list(few)
        assert run_selection.omission_note(results) == run_selection.averaging_note(results) == ""
    finally:
        results.runs = whole


def test_a_large_table_is_linked_to_and_a_small_one_is_in_the_page():
    figure = figures_figure.Figure("x", data=pd.DataFrame({"a": range(10)}), data_file="figures/x.csv")
    assert figure.link.startswith("data:text/csv")
    figure.data = pd.DataFrame({"a": range(figures_figure.EMBEDDED)})
    assert figure.link == "figures/x.csv"
