"""The report of a study without SFT names the base model where others name SFT, and the first prompts of each kind."""

import copy

import pytest
import yaml

from gavel.common.files import read_json, write_json
from gavel.report.baseline import BASELINES, shared_baseline
from gavel.report.comparison import page as comparison
from gavel.report.page import render
from gavel.report.results import load
from gavel.report.sections import summary_sentences
from gavel.report.sections.prompts import rendered_prompts
from helpers import fake_results

RUN = "grpo-lambda0.5-seed0"
GRID = {"samples": 2, "algorithms": ("grpo",), "lambdas": ("0", "0.5")}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    root = tmp_path_factory.mktemp("base") / "results"
    return root, fake_results.build(root, {"main": 30}, baseline="base", **GRID)


@pytest.fixture(scope="module")
def page(base):
    root, config = base
    render(root, config, root / "report.html", root / "figures")
    return (root / "report.html").read_text(encoding="utf-8")


def test_no_figure_caption_or_table_speaks_of_sft(page):
    text = page.split('id="provenance"')[0]
    assert "SFT" not in text
    assert "Δ base model" in text
    assert "Difference from the base model" in text
    assert "base model: the student before any training" in text
    assert "Supervised fine-tuning</h3>" not in text


def test_figures_are_written_under_the_baselines_name(base, page):
    found = {path.name for path in (base[0] / "figures").iterdir()}
    assert "difference-from-base.csv" in found
    assert not any("sft" in name for name in found)


def test_the_primary_answer_is_against_the_base_model(base):
    verdict, sentence = summary_sentences.headline_sentence(load(*base))
    assert "SFT" not in verdict
    assert "the base model " in sentence


def test_at_lambda_0_no_label_is_used_at_all(base):
    results = load(*base)
    used = " ".join(summary_sentences.label_use(results))
    assert "starts from the base model, which was not trained on this study's labels" in used
    assert "At λ = 0, no label of this study has been used for the final checkpoint" in used
    results.study["judge"]["rl"] = {"steps": 3}
    assert "only through the training of its judge" in summary_sentences.label_use(results)[-1]


def test_a_run_of_sft_from_before_is_left_out(base, tmp_path):
    root, config = base
    assert list(load(root, config).runs) == ["base", "grpo-lambda0-seed0", RUN]
    write_json(root / "runs/sft/run.json", {"status": "finished", "algorithm": "sft", "lambda": None, "seed": 0})
    try:
        assert list(load(root, config).runs) == ["base", "grpo-lambda0-seed0", RUN]
    finally:
        (root / "runs/sft/run.json").unlink()


def test_the_first_prompt_of_each_kind_is_shown(study):
    root, config = study
    results = load(root, config)
    assert rendered_prompts(results) == []
    path = root / "runs/sft/run.json"
    example = {"prompt": "<s><q>1+1?", "completion": "2</s>", "tokens": 7}
    write_json(path, read_json(path) | {"example": example})
    path = root / f"runs/{RUN}/run.json"
    write_json(path, read_json(path) | {"example": {"prompt": "<s>2+2?", "tokens": 4}})
    write_json(root / "evaluation/sft/prompt.json", {"prompt": "<s>3+3?", "tokens": 5})
    write_json(root / "judge/prompt.json", {"prompt": "user: right?"})
    shown = rendered_prompts(load(root, config))
    assert [(one["title"], one["prompt"], one["completion"], one["tokens"]) for one in shown] == [
        ("SFT example", "<s><q>1+1?", "2</s>", 7),
        ("Rollout prompt", "<s>2+2?", None, 4),
        ("Evaluation prompt", "<s>3+3?", None, 5),
        ("Judging prompt", "user: right?", None, None),
    ]
    render(root, config, root / "report.html")
    text = (root / "report.html").read_text(encoding="utf-8")
    assert "<pre>&lt;s&gt;&lt;q&gt;1+1?<ins>2&lt;/s&gt;</ins></pre>" in text
    assert "<h4>Rollout prompt (4 tokens)</h4>" in text


def test_runs_that_read_other_prompts_are_named(base):
    results = load(*base)
    for number, run in enumerate(list(results.runs)[1:]):
        results.runs[run]["example"] = {"prompt": f"prompt {number}", "tokens": 2}
    titles = [one["title"] for one in rendered_prompts(results)]
    assert titles == [f"Rollout prompt of {results.names[run]}" for run in list(results.runs)[1:]]


def test_studies_with_different_baselines_are_compared_in_neutral_words(base, tmp_path):
    made = fake_results.build(tmp_path / "sft", {"main": 30}, **GRID)
    folders = {"trained": (tmp_path / "sft", made), "untrained": base}
    for folder, config in folders.values():
        plain = {key: value for key, value in config.items() if key != "provenance"}
        (folder / "config.yaml").write_text(yaml.safe_dump(copy.deepcopy(plain)))
    studies = {name: folder for name, (folder, _) in folders.items()}
    comparison.render(studies, tmp_path / "both.html", title="x", question="?")
    text = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert "Δ baseline" in text
    assert "minus the baseline, in percentage points" in text
    comparison.render({"untrained": base[0]}, tmp_path / "one.html", title="x", question="?")
    alone = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert "Δ base model" in alone
    assert "SFT" not in alone.split('id="glossary"')[0]


def test_a_common_baseline_keeps_its_names():
    sft, base = BASELINES["sft"], BASELINES["base"]
    assert shared_baseline([sft, sft]) == sft
    assert shared_baseline([sft, base]).label == "baseline"
