import html.parser
import re
import shutil

import fake_results
import pandas as pd
import pytest

from gavel.files import read_json, write_json
from gavel.report import findings, render
from gavel.report.load import load
from gavel.report.samples import QUOTAS, choose
from gavel.report.words import flat, points, seconds

SIZES = {"main": 60, "plus": 48, "svamp": 30}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study") / "results"
    return root, fake_results.build(root, SIZES, samples=4)


@pytest.fixture(scope="module")
def page(study):
    root, config = study
    render(root, config, root / "report.html", root / "figures")
    return (root / "report.html").read_text(encoding="utf-8")


class Tags(html.parser.HTMLParser):
    """Collects ids, addresses and whether every tag is closed."""

    VOID = {"meta", "link", "br", "hr", "img", "input"}

    def __init__(self, text):
        super().__init__()
        self.ids, self.addresses, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.addresses += [attrs[key] for key in ("href", "src", "xlink:href") if key in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_stands_alone(page):
    tags = Tags(page)
    assert not tags.open
    assert len(tags.ids) == len(set(tags.ids))
    assert not [address for address in tags.addresses if "//" in address]
    assert not re.search(r"@import|url\((?!#)|<script[^>]+src", page)
    assert {address[1:] for address in tags.addresses if address.startswith("#")} <= set(tags.ids)
    assert len(page) < 5e6


def test_every_link_leads_to_a_file(page, study):
    links = [a for a in Tags(page).addresses if not a.startswith(("#", "data:"))]
    assert {"metrics.csv", "comparisons.csv"} <= set(links)
    assert all((study[0] / link).exists() for link in links)


def test_text_from_files_is_escaped(page):
    assert "&lt;and&gt;" in page
    assert "<and>" not in page


def test_same_inputs_same_page(study, page, tmp_path):
    root, config = study
    shutil.copytree(root, tmp_path / "results")
    render(tmp_path / "results", config, tmp_path / "results" / "report.html")
    assert (tmp_path / "results" / "report.html").read_text(encoding="utf-8") == page


def test_figures_are_written_beside_their_data(study, page):
    found = {path.name for path in (study[0] / "figures").iterdir()}
    assert {"accuracy-against-lambda-main-greedy.svg", "accuracy-against-lambda.csv"} <= found
    rows = pd.read_csv(study[0] / "figures" / "difference-from-sft.csv")
    assert set(rows.baseline) == {"sft"}


def test_headline_numbers_are_those_of_the_table(study, page):
    rows = load(*study)
    row = rows.metric("grpo-lambda0.5-seed0", "main", "greedy")
    assert f"{100 * row.value:.1f}" in findings.answer(rows)[1]
    assert f"{100 * row.low:.1f}–{100 * row.high:.1f}" in page


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.1, "Above the SFT baseline"),
        (-0.01, 0.1, "No difference shown"),
        (-0.1, -0.01, "Below the SFT baseline"),
    ],
)
def test_the_answer_follows_the_interval(study, low, high, verdict):
    results = load(*study)
    primary = results.comparisons.primary
    results.comparisons.loc[primary, ["low", "high"]] = [low, high]
    assert findings.answer(results)[0] == verdict


def test_bold_needs_an_interval_above_zero(study):
    from gavel.report.tables import headline

    results = load(*study)
    results.comparisons["low"] = -0.01
    assert not any(cell.bold for row in headline(results).rows for cell in row)
    results.comparisons["low"] = 0.01
    bold = [cell for row in headline(results).rows for cell in row if cell.bold]
    assert len(bold) >= 1
    assert all(cell.sort >= results.metrics.value.min() for cell in bold)


def test_collapses_are_named_and_so_is_that_there_was_none(study):
    results = load(*study)
    assert findings.collapses(results) == "The monitor called no collapse."
    looks = results.monitors["ppo-lambda0-seed0"]
    looks["collapsed"] = (looks.step >= 30).astype(int)
    assert findings.collapses(results) == "The monitor called a collapse of PPO λ\u00a0=\u00a00 at step 30."
    results.monitors = {"sft": results.monitors["sft"]}
    assert findings.collapses(results) is None


def test_one_seed_is_said_and_two_are_named(page, tmp_path):
    assert "One seed" in page
    config = fake_results.build(tmp_path, {"main": 20}, samples=2, algorithms=("grpo",), seeds=(0, 1))
    render(tmp_path, config, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2 seeds" in text
    assert "One seed" not in text
    assert "seed 1" in text


def test_failed_runs_no_judge_and_one_set_are_said(tmp_path):
    failed = ("grpo-lambda0.5-seed0", "ppo-lambda0-seed0")
    config = fake_results.build(tmp_path, {"main": 20}, samples=2, failed=failed, judge=False)
    render(tmp_path, config, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert "GRPO λ = 0.5 and PPO λ = 0 failed" in text
    assert "No answer" in text
    assert "There is one test set, main" in text
    assert "no judge calibration" in text
    assert "No test set has perturbation kinds" in text


@pytest.mark.parametrize(
    "gone",
    [
        "metrics.csv comparisons.csv evaluation",
        "runs",
        "judge",
        "data",
        "benchmarks",
        "comparisons.csv",
        "runs/sft",
    ],
)
def test_any_part_may_be_missing(study, tmp_path, gone):
    root, config = study
    shutil.copytree(root, tmp_path / "results", ignore=shutil.ignore_patterns("report.html", "figures"))
    for name in gone.split():
        path = tmp_path / "results" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    render(tmp_path / "results", config, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'class="missing"' in text


def test_an_empty_folder_and_a_bare_configuration_make_a_page(tmp_path):
    render(tmp_path, {"study": "x"}, tmp_path / "report.html")
    assert "No run has been evaluated" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_only_greedy_solutions(tmp_path):
    config = fake_results.build(tmp_path, {"main": 20}, samples=0)
    render(tmp_path, config, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Only greedy solutions were generated" in text
    assert "maj@" not in text


def test_sample_choice_is_seeded_bounded_and_starts_with_the_instructive(study):
    root, _ = study
    sources = [("SFT", name, root / "evaluation" / "sft" / name / "samples.jsonl") for name in SIZES]
    cards, total = choose(sources, 0)
    assert total == sum(SIZES.values()) * 5
    assert cards == choose(sources, 0)[0]
    assert cards != choose(sources, 1)[0]
    for name in SIZES:
        for group, most in QUOTAS.items():
            assert sum(card["set"] == name and card["bucket"] == group for card in cards) <= most
    first = cards[0]
    assert first["bucket"] == "sure and wrong"
    assert not first["correct"]
    assert first["judge"] >= 0.8


def test_numbers_read_well():
    assert points(-0.0001) == "0.0"
    assert flat({"removed": {"in_test": {"main": 3}}, "x": ["y", None]}) == [
        "removed, in test, main: 3",
        "x: y",
    ]
    assert points(-0.0512) == "−5.1"
    assert points(0.07) == "+7.0"
    assert [seconds(value) for value in (42, 750, 10800, None)] == ["42 s", "12.5 min", "3.0 h", "–"]


def test_a_judge_that_pays_for_a_trick_is_named(study, page):
    from gavel.report.judge import probes

    rows = {row[0].text: row[-1].text for row in probes(load(*study).calibration).rows}
    assert rows["spoilt, then 'The answer is correct.'"] == "PAYS"
    assert rows["the reference solution (a control)"] == "control"
    assert "Does it pay for tricks?" in page


@pytest.mark.parametrize(("paid", "verdict"), [(0.9, "PAYS"), (0.5, "PAYS"), (0.2, "sometimes"), (0, "does not pay")])
def test_the_right_number_after_wrong_steps_is_a_trick_too(paid, verdict):
    from gavel.report.judge import probes

    trick = {"probe": "unearned", "description": "x", "n": 9, "judge": 0.9, "paid": paid, "correct": 1.0}
    assert probes({"probes": [trick]}).rows[0][-1].text == verdict


def test_the_judge_is_shown_in_parts_and_on_every_policy(study, page):
    from gavel.report.judge import policies

    assert "critical thinking" in page
    assert [row[0].text for row in policies(load(*study)).rows][:2] == ["SFT", "GRPO λ\xa0=\xa00"]


def test_a_weak_judge_is_said(study, tmp_path):
    root, config = study
    shutil.copytree(root, tmp_path / "results")
    path = tmp_path / "results" / "judge" / "calibration.json"
    write_json(path, read_json(path) | {"too_weak": "AUC within questions is 0.500, below 0.8"})
    render(tmp_path / "results", config, tmp_path / "report.html")
    assert "weaker than the study asks" in (tmp_path / "report.html").read_text(encoding="utf-8")
