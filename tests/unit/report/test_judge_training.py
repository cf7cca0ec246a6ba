"""The judge's training on a study's page: the curve over its iterations, before and after, and sample judgments."""

import json
import shutil

import pandas as pd
import pytest
import yaml

from gavel.common.files import read_jsonl, write_jsonl
from gavel.judge_eval.benchmark_metrics import gain
from gavel.report.comparison import page
from gavel.report.page import render
from gavel.report.results import load
from gavel.report.sections import judge_training
from gavel.stats.intervals import wilson
from helpers import fake_judges
from helpers.pages import Tags, cells

JUDGES = {"start": 0.02, "iteration1": 0.1, "iteration2": 0.2, "rl": 0.4}
STAGES = ["iteration1-sft", "iteration1-dpo", "iteration2-sft", "iteration2-dpo", "rl"]


def page_of(root, config):
    render(root, config, root / "report.html", root / "figures")
    text = (root / "report.html").read_text(encoding="utf-8")
    tags = Tags(text)
    assert not tags.open
    assert len(tags.ids) == len(set(tags.ids))
    assert {address[1:] for address in tags.addresses if address.startswith("#")} <= set(tags.ids)
    return text


def test_an_untrained_judge_has_no_such_section(study):
    assert "How the judge was trained" not in page_of(*study)
    assert not (study[0] / "figures/judge-training.csv").exists()


def test_the_curve_is_that_of_the_benchmark_and_of_the_selection_pairs(study):
    root, config = study
    config = fake_judges.judge_training(root, config)
    fake_judges.judge_benchmark(root, JUDGES, compare=JUDGES)
    text = page_of(root, config)
    assert "How the judge was trained" in text
    rows = pd.read_csv(root / "figures/judge-training.csv")
    benchmark = rows[rows.on == "judge benchmark"]
    assert list(benchmark.judge) == list(JUDGES)
    assert ((benchmark.low < benchmark.accuracy) & (benchmark.accuracy < benchmark.high)).all()
    assert list(dict.fromkeys(rows.judge[rows.on == "selection pairs"])) == STAGES
    svg = (root / "figures/judge-training-judge-benchmark.svg").read_text()
    assert all(f">{name}<" in svg for name in JUDGES)
    assert "iteration2-dpo" in (root / "figures/judge-training-selection-pairs.svg").read_text()


def test_before_and_after_are_compared_pair_by_pair(study):
    root, config = study
    config = fake_judges.judge_training(root, config)
    fake_judges.judge_benchmark(root, JUDGES, compare=JUDGES)
    results = load(root, config)
    taught = judge_training.stages(results)
    folder = root / "judge/benchmark"
    items, before, after = (list(read_jsonl(folder / f"{name}.jsonl")) for name in ("items", "start", "rl"))
    row = gain(items, before, after)
    hits = [sum(one["preferred"] > 0.5 for one in own) / len(own) for own in (before, after)]
    assert row["difference"] == pytest.approx(hits[1] - hits[0])
    assert (row["n"], row["questions"]) == (240, 60)
    text = judge_training.summary(results, taught)
    assert f"a difference of +{100 * row['difference']:.1f} percentage points (paired 95\u00a0% interval" in text
    assert f"{100 * hits[0]:.1f}" in text
    assert text.endswith("The interval lies above zero.")
    table = judge_training.gain_table(results, taught)
    assert [line[0] for line in cells(table)] == list(JUDGES)
    assert cells(table)[0][2:4] == ["–", "–"]
    assert table.rows[3][3].sort == row["difference"]
    assert table.rows[1][2].sort == table.rows[1][3].sort, "iteration1 comes after start"
    write_jsonl(folder / "rl.jsonl", after[::-1])
    assert judge_training.gain_table(results, taught).rows[3][3].text == "–", "other pairs are not compared"


def test_the_stages_have_intervals_and_costs(study):
    root, config = study
    results = load(root, fake_judges.judge_training(root, config))
    taught = judge_training.stages(results)
    assert [one.judge for one in taught] == ["iteration1", "iteration1", "iteration2", "iteration2", "rl"]
    rows = cells(judge_training.stage_table(taught))
    assert [row[:5] for row in rows[:2]] == [
        ["iteration1-sft", "SFT", "64", "20", "20"],
        ["iteration1-dpo", "DPO", "64", "10", "10"],
    ]
    assert rows[0][5:] == ["55.0", "59.0", "200", "21.0", "10,000", "30 s"]
    assert judge_training.stage_table(taught).rows[0][6].sub == "54.0–64.0"
    assert judge_training.training_cost(taught) == (500 * (20 + 10 + 20 + 10 + 40), 150.0)


def test_without_a_benchmark_the_selection_pairs_are_what_there_is(study):
    root, config = study
    config = fake_judges.judge_training(root, config, iterations=1, rl=False)
    text = page_of(root, config)
    results = load(root, config)
    taught = judge_training.stages(results)
    assert [title for title, _ in judge_training.progress_figure(results, taught).panels] == ["Selection pairs"]
    assert not judge_training.gain_table(results, taught).rows
    summary = judge_training.summary(results, taught)
    start = "There is no judge benchmark of the judge before and after its training. On 200 selection pairs"
    assert summary.startswith(start)
    assert summary in text


def test_a_training_whose_best_step_is_0_has_changed_nothing(study):
    root, config = study
    config = fake_judges.judge_training(root, config)
    fake_judges.judge_benchmark(root, JUDGES, compare=JUDGES)
    for place, stage in enumerate(STAGES):
        path = root / "judge/training" / stage / "run.json"
        about = json.loads(path.read_text())
        path.write_text(json.dumps(about | {"best_step": 0}))
        unchanged = "Training did not change the judge" in page_of(root, config)
        assert unchanged == (place == len(STAGES) - 1)


def test_stages_without_training_data_are_pointed_out(study):
    root, config = study
    config = fake_judges.judge_training(root, config)
    for stage in STAGES:
        path = root / "judge/training" / stage / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"untrained": "nothing to learn from: no pairs"}))
    text = page_of(root, config)
    assert "Training did not change the judge: no stage had training data." in text
    assert f"{STAGES[0]} did not train the judge: nothing to learn from: no pairs." in text


def test_a_stage_that_failed_is_shown_as_failed(study):
    root, config = study
    config = fake_judges.judge_training(root, config, rl=True, failed=("iteration2-dpo",))
    shutil.rmtree(root / "judge/training/rl")
    text = page_of(root, config)
    assert "iteration2-dpo failed; last line of its log: no &lt;GPU&gt; found" in text
    assert "rl produced no result." in text
    taught = judge_training.stages(load(root, config))
    rows = judge_training.stage_table(taught).rows
    assert [(row[0].sub, row[6].text) for row in rows[2:]] == [("", "67.0"), ("failed", "–"), ("missing", "–")]
    assert judge_training.training_cost(taught) == (None, None)
    shutil.rmtree(root / "judge/training")
    text = page_of(root, config)
    assert "It is unknown whether training improved the judge" in text
    assert "There are no results of the judge&#39;s training to plot." in text


def test_training_data_and_sample_judgments_are_shown(study):
    root, config = study
    config = fake_judges.judge_training(root, config)
    results = load(root, config)
    rows = judge_training.material_table(results).rows
    assert [[cell.text for cell in row[:5]] for row in rows[:3]] == [
        ["1", "all", "24", "12", "96"],
        ["1", "another question's answer", "12", "12", "48"],
        ["1", "an injected error", "12", "12", "48"],
    ]
    drawn = list(read_jsonl(root / "judge/training/judgments1.jsonl"))
    assert rows[0][5].sort == sum(row["reached"] for row in drawn) / 96
    assert "–" in rows[0][5].sub
    shown = judge_training.sample_judgments(results, seed=0)
    assert [(one["iteration"], one["reached"], one["label"]) for one in shown[:2]] == [(2, True, "A"), (2, True, "B")]
    assert not shown[2]["reached"]
    assert shown == judge_training.sample_judgments(results, seed=0)
    text = page_of(root, config)
    assert "return 1 &lt;own&gt;" in text or "return 0 &lt;own&gt;" in text
    for number in (1, 2):
        path = root / f"judge/training/judgments{number}.jsonl"
        write_jsonl(path, [row | {"judgment": row["label"]} for row in read_jsonl(path)])
    assert not judge_training.sample_judgments(results, seed=0), "a label alone is nothing to read"
    shutil.rmtree(root / "judge/training")
    assert [row[5].text for row in judge_training.material_table(results).rows] == ["–", "–"]


def judged(wins):
    return [{"preferred": None if one is None else float(one)} for one in wins]


def test_a_comparison_shows_how_each_trained_judge_came_to_be(plain, tmp_path):
    folders = {name: tmp_path / name for name in ("plain", "taught", "by_rl")}
    for name, folder in folders.items():
        shutil.copytree(plain[0], folder)
        config = plain[1]
        if name != "plain":
            config = fake_judges.judge_training(folder, config, iterations=2 if name == "taught" else 0)
            judges = JUDGES if name == "taught" else {"start": 0.02, "rl": 0.4}
            fake_judges.judge_benchmark(folder, judges, compare=judges)
        (folder / "config.yaml").write_text(yaml.safe_dump(config | {"results_dir": str(folder)}))
    out = tmp_path / "page" / "report.html"
    page.render(folders, out, title="t", question="Which?", figures_dir=out.parent / "figures")
    text = out.read_text(encoding="utf-8")
    tags = Tags(text)
    assert not tags.open and len(tags.ids) == len(set(tags.ids))
    assert {address[1:] for address in tags.addresses if address.startswith("#")} <= set(tags.ids)
    section = text.partition("How judges were trained</h2>")[2].partition("</section>")[0]
    assert ">taught</h3>" in section and ">by_rl</h3>" in section and ">plain</h3>" not in section
    assert section.count("On the judge benchmark, the judge prefers the correct solution in") == 2
    assert set(pd.read_csv(out.parent / "figures/judge-training-taught.csv").judge) >= set(JUDGES)
    assert (out.parent / "figures/judge-training-by_rl-judge-benchmark.svg").exists()


def test_paired_differences_are_clustered():
    items = [{"prompt": name} for name in ["a"] * 50 + ["b"] * 50]
    own, other = judged([1] * 50 + [0] * 50), judged([0] * 50 + [1] * 50)
    found = gain(items, other, own)
    shown = [found[key] for key in ("difference", "low", "high", "n", "questions")]
    assert shown == [0, -1, 1, 100, 2], "two questions, whatever the number of pairs"
    assert gain(items, own, own) | {"n": 0} == dict.fromkeys(("difference", "low", "high", "n"), 0) | {"questions": 2}
    better = gain([{"prompt": name} for name in "abcde"], judged([0] * 4 + [None]), judged([1] * 5))
    assert (better["difference"], better["high"], better["n"]) == (1, 1, 4)
    assert better["low"] == pytest.approx(2 * wilson(4, 4)[0] - 1), "four questions are no certainty"
    assert gain(items[:1], judged([None]), judged([1])) is None
