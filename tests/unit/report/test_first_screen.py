"""The first screen: set-up, findings and the main figure."""

import re

import pandas as pd
import pytest

from gavel.report.results import load
from gavel.report.sections import accuracy, first_screen, summary_sentences
from helpers import fake_results

CONTROLS = {"rewards": ["majority-vote", "all-answers"], "base": True, "seeds": [0]}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("first")
    config = fake_results.build(root, {"main": 120, "svamp": 60}, samples=2, algorithms=("grpo",), controls=CONTROLS)
    config["provenance"] = {"parameters": {"student": 1.13e6, "judge": 7.6e9}, "hardware": {"cores": 2, "gpus": []}}
    return root, config


@pytest.fixture
def results(built):
    return load(*built)


def found(results):
    return {finding.section: finding for finding in first_screen.findings(results)}


def test_the_set_up_names_models_data_grid_and_time(results):
    lines = dict(first_screen.setup(results))
    assert lines["Student"].endswith("(1.13 M parameters)")
    assert lines["Judge"].endswith("(7.6 B parameters); single-token")
    counts = results.splits["counts"]
    assert lines["Questions"].startswith(f"{counts['labeled']:,} labelled, {counts['unlabeled']:,} unlabelled and")
    assert lines["RL"].startswith("GRPO, λ = 0, 0.5 and 1, one seed; 80 steps of 32 questions × 8 completions")
    assert lines["Time"] == "68 s over all jobs, 2 CPU cores"


def test_a_judge_without_a_model_is_named_by_its_kind(results):
    results.study["judge"] = results.study["judge"] | {"model": None, "kind": "simulated"}
    assert dict(first_screen.setup(results))["Judge"] == "simulated, with set error rates"


@pytest.mark.parametrize(
    ("auc", "interval", "title"),
    [
        (0.95, [0.9, 0.99], "The judge is good enough to train on"),
        (0.6, [0.5, 0.7], "The judge is too weak to train on"),
        (0.86, [0.8, 0.9], "It is unclear whether the judge is good enough to train on"),
    ],
)
def test_the_judge_is_judged_by_its_interval(results, auc, interval, title):
    results.calibration |= {"auc_within": auc, "auc_within_ci95": interval, "auc_within_questions": 90}
    finding = found(results)["judge"]
    assert finding.title == title
    assert f"{auc:.3f}" in finding.text and "Gavel's default" in finding.text


def test_collapses_are_counted_with_the_rules_own_errors(results):
    table = results.monitors["grpo-lambda0-seed0"]
    for one in results.monitors.values():
        one["collapsed"] = 0
    assert found(results)["training"].title == "No collapse flagged"
    table.loc[table.index[-1], "collapsed"] = 1
    finding = found(results)["training"]
    assert finding.title == "The monitor flagged a collapse in 1 of 3 runs"
    assert finding.text.startswith("GRPO λ\u00a0=\u00a00. On simulated studies this rule flagged 6.9\u00a0% (2.7 to")


def test_the_share_of_the_gap_is_that_of_the_bound(results):
    row = results.comparison("grpo-lambda0.5-seed0", "sft", "main", "greedy")
    bound = results.controls.comparisons
    bound = bound[(bound.run == "grpo-all-answers-seed0") & (bound.set == "main") & (bound.baseline == "sft")].iloc[0]
    finding = found(results)["controls"]
    texts = [one.text for one in first_screen.findings(results)]
    (gap,) = [text for text in texts if "RL with all answers" in text]
    assert f"{100 * row.difference / bound.difference:.0f}\u00a0% of that gap".replace("-", "−") in gap
    assert finding.section == "controls"


def test_rewards_without_the_judge_are_held_against_it(results):
    (text,) = [one.text for one in first_screen.findings(results) if "majority vote" in one.text]
    assert "labels alone (GRPO λ\u00a0=\u00a01)" in text
    assert text.startswith("Against SFT on main: GRPO λ\u00a0=\u00a00.5")


def test_other_test_sets_are_summed_up(results):
    finding = found(results)["main-results"]
    assert re.match(r"Other test sets: above SFT on [01] of 1", finding.title)
    assert "svamp" in finding.text


def test_without_judge_and_results_nothing_is_claimed(tmp_path):
    config = fake_results.build(tmp_path, {"main": 20}, samples=2, failed=("grpo-lambda0.5-seed0",), judge=False)
    assert first_screen.findings(load(tmp_path, config)) == []


def test_the_main_figure_has_every_kind_of_run_on_every_test_set_once(results):
    figure = accuracy.difference_figure(results)
    ((_, svg),) = figure.panels
    labels = ["GRPO λ = 0", "GRPO λ = 0.5", "GRPO λ = 1", "GRPO, majority vote", "GRPO, all answers", "base model"]
    assert list(dict.fromkeys(figure.data.label.str.replace("\u00a0", " "))) == labels
    assert list(dict.fromkeys(figure.data.set)) == ["main", "svamp"]
    assert len(figure.data) == len(labels) * 2
    titles = re.findall(r"<title>(.*?)</title>", svg)
    assert len(titles) == len(figure.data)
    row = figure.data.iloc[0]
    shown = f"{row.label}, {row.set}: {100 * row.difference:+.1f} points"
    assert titles[0].startswith(shown.replace("-", "−"))


def test_a_control_beyond_the_axis_is_an_arrow_with_its_value(results):
    rows = results.controls.comparisons
    far = (rows.run == "base") & (rows.set == "main")
    rows.loc[far, ["difference", "low", "high"]] = [-0.9, -0.95, -0.85]
    ((_, svg),) = accuracy.difference_figure(results).panels
    assert ">−90.0<" in svg


def test_many_runs_with_cut_responses_are_counted(results):
    results.metrics.loc[results.metrics.metric == "finished", "value"] = 0.5
    for number in range(4):  # more runs of the same kind
        results.runs[f"more{number}"] = results.runs["grpo-lambda0-seed0"]
        results.names[f"more{number}"] = f"more {number}"
        extra = results.metrics[results.metrics.run == "grpo-lambda0-seed0"].assign(run=f"more{number}")
        results.metrics = pd.concat([results.metrics, extra])
    (sentence,) = summary_sentences.cut_responses(results)
    assert "8 of 8 runs more than 10.0\u00a0%" in sentence
