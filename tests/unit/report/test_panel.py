"""What the report says of a panel."""

from types import SimpleNamespace

import pytest

from gavel.report.comparison.judge_cost import _kind
from gavel.report.results import load
from gavel.report.sections.judge import calibration_table, panel_members
from gavel.report.sections.summary_sentences import headline_sentence
from helpers import fake_results

PANEL = {"judges": {"a": "models/a", "b": "b.yaml"}, "combine": "minimum", "penalty": 1.0}


@pytest.fixture
def study(tmp_path):
    config = fake_results.build(tmp_path, {"main": 60}, samples=2, algorithms=("grpo",), lambdas=("0", "0.5"))
    return tmp_path, config | {"judge": config["judge"] | {"kind": "panel", "model": None, "panel": PANEL}}


def test_its_judges_are_named(study):
    results = load(*study)
    assert panel_members(results.study) == ["models/a", "b.yaml"]
    assert panel_members(fake_results.STUDY) == []
    assert _kind(SimpleNamespace(study=results.study)) == ("panel", "2 judges, minimum")


def test_the_first_sentence_says_which_judges_know_the_gold_answers(study):
    results = load(*study)
    assert "simulated" not in headline_sentence(results)[1]
    results.calibration["settings"] = {"panel": {"members": {"a": {"model": "models/a"}, "b": {"simulated": {}}}}}
    sentence = headline_sentence(results)[1]
    assert sentence.startswith("Of the panel's judges, b is simulated from the gold answers of all questions, ")


def test_the_calibration_says_how_far_the_judges_agree(study):
    found = load(*study).calibration | {"phrasings": {"phrasings": 2, "same_side": 0.75, "spread": 0.2}}
    (row,) = [row for row in calibration_table(found).rows if row[0].text == "phrasings or judges agree"]
    assert row[1].text == "0.750" and "judges of a panel" in row[2].text
