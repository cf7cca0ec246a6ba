"""The judge benchmark on a study's page and on a comparison page: accuracy in parts, and against cost."""

import copy
import shutil

import pandas as pd
import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.report.baseline import BASELINES
from gavel.report.comparison import page
from gavel.report.page import render
from gavel.report.results import load
from gavel.report.sections import judge_benchmark
from helpers import fake_judges
from helpers.pages import Tags, cells


def page_of(root, config):
    render(root, config, root / "report.html", root / "figures")
    return (root / "report.html").read_text(encoding="utf-8")


def test_a_study_without_a_benchmark_shows_none(study):
    text = page_of(*study)
    assert "Judge benchmark" not in text
    assert not (study[0] / "figures/judge-accuracy-against-cost.csv").exists()
    assert judge_benchmark.combine_tables({"": load(*study).judge_benchmark}).empty


def test_judgments_of_the_first_and_the_last_judge_stand_side_by_side(study):
    root, config = study
    fake_judges.judge_benchmark(
        root, {"start": 0.1, "iteration1": 0.2, "rl": 0.3}, compare=("start", "iteration1", "rl")
    )
    assert "Sample judgments on the benchmark" not in page_of(root, config)
    for name, said in (("start", "B"), ("iteration1", "B"), ("rl", "A")):
        about = {"id": "p1", "prompt": "Which <one>?", "judgment": f"by {name}\n{said}", "label": "A", "said": said}
        rows = [about | {"probability": 0.25 if said == "B" else 0.9}]
        write_jsonl(root / "judge" / "benchmark" / f"{name}-written.jsonl", rows)
    (card,) = judge_benchmark.judgment_cards(load(root, config))
    assert [(side["judge"], side["right"]) for side in card["sides"]] == [("start", False), ("rl", True)]
    text = page_of(root, config)
    assert "by start" in text and "by rl" in text and "by iteration1" not in text
    assert "start: ✗ wrong, 0.25 for A" in text and "rl: ✓ right, 0.90 for A" in text
    assert "before and after all training" in text and "Which &lt;one&gt;?" in text
    assert not Tags(text).open


def test_one_judge_has_tables_with_intervals_and_no_plot(study):
    root, config = study
    fake_judges.judge_benchmark(root, {"pays": 0.2})
    text = page_of(root, config)
    tags = Tags(text)
    assert not tags.open
    assert len(tags.ids) == len(set(tags.ids))
    assert {"judge/benchmark.csv", "judge/benchmark/items.jsonl"} <= set(tags.addresses)
    assert "Judge benchmark" in text
    assert "240 pairs of a correct and a wrong solution of one validation question" in text
    assert not (root / "figures/judge-accuracy-against-cost.csv").exists()
    results = load(root, config)
    rows = judge_benchmark.combine_tables({"": results.judge_benchmark})
    table = judge_benchmark.judge_table(rows)
    assert "position bias" not in dict(table.columns)
    (row,) = table.rows
    whole = results.judge_benchmark.iloc[0]
    assert row[0].text == "pays"
    assert (row[2].text, row[2].sub) == (f"{100 * whole.accuracy:.1f}", f"{100 * whole.low:.1f}–{100 * whole.high:.1f}")
    assert row[2].text in text
    assert [cell.text for cell in row[5:]] == ["80.0", "0.0", "0.015"]
    parts = dict(judge_benchmark.part_tables(rows))
    assert list(parts) == list(judge_benchmark.TITLES.values())
    assert [row[0].text for row in parts[judge_benchmark.TITLES["steps"]].rows] == ["2", "3", "4"]
    for part in parts.values():
        assert sum(row[1].sort for row in part.rows) == 240
        assert all("–" in row[2].sub for row in part.rows), "every accuracy has an interval"
    assert results.usage["benchmark_judge"] == (None, 80 * 240)


def test_several_judges_are_drawn_against_their_tokens(study):
    root, config = study
    fake_judges.judge_benchmark(root, {"start": 0.05, "pays": 0.3, "pairwise": 0.4})
    text = page_of(root, config)
    assert "tokens per pair (read and written)" in text
    rows = pd.read_csv(root / "figures/judge-accuracy-against-cost.csv")
    assert list(rows.label) == ["start", "pays", "pairwise"]
    assert list(rows.tokens) == [80, 640 + 10, 2160 + 20]
    table = judge_benchmark.judge_table(judge_benchmark.combine_tables({"": load(root, config).judge_benchmark}))
    assert dict(table.columns).keys() >= {"position bias", "flips"}
    shown = cells(table)
    assert [row[5] for row in shown] == ["–", "–", "+3.0"]
    assert [row[3] == "–" for row in shown] == [False, False, True], "a pairwise judge has no AUC"


def test_judges_without_token_counts_or_answers_are_not_drawn(study):
    root, config = study
    fake_judges.judge_benchmark(root, {"start": 0.05, "pays": 0.3, "late": 0.4})
    rows = judge_benchmark.combine_tables({"": load(root, config).judge_benchmark})
    rows.loc[rows.judge == "start", ["tokens_read", "tokens_written"]] = 0
    figure = judge_benchmark.cost_figure(rows, BASELINES["sft"])
    assert "Not shown, for lack of token counts or answers: start." in figure.caption
    rows.loc[rows.judge == "late", ["accuracy", "low", "high"]] = None
    assert not judge_benchmark.cost_figure(rows, BASELINES["sft"]).panels
    assert judge_benchmark.judge_table(rows).rows[2][2].text == "–"


def test_a_broken_table_is_named(study):
    root, config = study
    fake_judges.judge_benchmark(root, {"pays": 0.2})
    (root / "judge/benchmark.csv").write_text("judge,by\npays,all\n")
    with pytest.raises(InputError, match="benchmark.csv: no column 'part'; delete it"):
        load(root, config)


@pytest.fixture
def folders(plain, tmp_path):
    """Three studies: two with the same pairs, one of them with two judges, and one without a benchmark."""
    found = {}
    for name, judges in {"weak": {"pays": 0.05}, "strong": {"start": 0.1, "pays": 0.4}, "bare": {}}.items():
        shutil.copytree(plain[0], tmp_path / name)
        config = {key: value for key, value in plain[1].items() if key != "provenance"}
        (tmp_path / name / "config.yaml").write_text(yaml.safe_dump(copy.deepcopy(config)))
        if judges:
            fake_judges.judge_benchmark(tmp_path / name, judges)
        found[name] = tmp_path / name
    return found


def compared(folders, out):
    page.render(folders, out, title="t", question="Which?", figures_dir=out.parent / "figures")
    return out.read_text(encoding="utf-8")


def test_a_comparison_has_all_judges_in_one_table_and_one_plot(folders, tmp_path):
    text = compared(folders, tmp_path / "page.html")
    tags = Tags(text)
    assert not tags.open
    assert {address[1:] for address in tags.addresses if address.startswith("#")} <= set(tags.ids)
    rows = pd.read_csv(tmp_path / "figures/judge-accuracy-against-cost.csv")
    assert list(rows.label) == ["weak", "strong: start", "strong: pays"]
    assert (rows.low < rows.accuracy).all()
    assert "The studies have different pairs" not in text
    fake_judges.judge_benchmark(folders["weak"], {"pays": 0.05}, seed=1, pairs=200)
    text = compared(folders, tmp_path / "page.html")
    assert "The studies have different pairs" in text
    assert "200 and 240 pairs" in text


def test_a_comparison_without_benchmarks_is_as_it_was(folders, tmp_path):
    text = compared({"bare": folders["bare"], "again": folders["bare"]}, tmp_path / "page.html")
    assert "judge benchmark" not in text
    assert not (tmp_path / "figures/judge-accuracy-against-cost.csv").exists()
