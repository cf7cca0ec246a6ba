"""A study whose primary comparison covers several seeds: its answer, its rows and its marks."""

import pytest
import yaml

from gavel.report.cells import points
from gavel.report.comparison import judge_cost, tables
from gavel.report.comparison import page as comparison
from gavel.report.results import load
from gavel.report.sections import accuracy, summary_sentences
from helpers import fake_results

KIND, RUN, SEEDS = "GRPO λ\u00a0=\u00a00.5", "grpo-lambda0.5", (0, 1, 2)


@pytest.fixture(scope="module", params=[(0.5,), (0, 0.5, 1)], ids=["each run drawn", "means drawn"])
def results(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("pooled") / "results"
    lambdas = [f"{lam:g}" for lam in request.param]
    config = fake_results.build(root, {"main": 60, "svamp": 30}, samples=2, lambdas=lambdas, seeds=SEEDS)
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    return load(root, config)


def test_the_answer_is_the_mean_of_the_seeds_with_the_interval_over_both(results):
    _, sentence = summary_sentences.headline_sentence(results)
    row = next(row for row in results.seeds.to_dict("records") if results.is_primary(row))
    means = [results.metric(f"{RUN}-seed{seed}", "main", "greedy").value for seed in SEEDS]
    assert row["value"] == pytest.approx(sum(means) / 3, abs=1e-5)
    assert f"On average over 3 seeds, {KIND} answers {100 * row['value']:.1f}\u00a0% of the 60 questions" in sentence
    assert f"interval over seeds and questions {points(row['difference_low'])} to" in sentence


def test_the_star_marks_the_mean_once_and_only_on_its_test_set(results):
    drawn = accuracy.difference_figure(results).data
    starred = drawn[drawn.primary]
    assert starred[["label", "set"]].values.tolist() == [[KIND, "main"]]
    starred = [cell.text for row in accuracy.seeds_table(results).rows for cell in row[:1] if "★" in cell.sub]
    assert starred == [KIND]


def test_the_captions_say_that_sft_does_not_vary(results):
    assert "All seeds start from one SFT checkpoint" in accuracy.difference_figure(results).caption


def test_a_missing_run_leaves_no_answer(results):
    comparisons, results.comparisons = results.comparisons, results.comparisons[~results.comparisons.primary]
    del results._comparison_rows
    results.runs[f"{RUN}-seed2"]["status"], before = "failed", results.runs[f"{RUN}-seed2"]["status"]
    try:
        outcome, sentence = summary_sentences.headline_sentence(results)
    finally:
        results.runs[f"{RUN}-seed2"]["status"], results.comparisons = before, comparisons
        del results._comparison_rows
    assert outcome == "Unclear, no answer"
    assert f"{KIND}, mean of 3 seeds" in sentence and "(status of its runs: failed and finished)" in sentence


def test_studies_are_compared_by_the_means(results):
    study = comparison.load_study(results.files.root)
    tokens = [results.training[f"{RUN}-seed{seed}"].judge_tokens.sum() for seed in SEEDS]
    assert judge_cost.judge_tokens(study) == pytest.approx(sum(tokens) / 3)
    correct = tables.primary_correctness(study)
    assert len(correct) == 60 and set(correct.values()) > {1 / 3, 2 / 3}
    assert tables.counterpart(study, f"{RUN}-seed1", study) == f"{RUN}-seed1"
    assert study.kinds_of([f"{RUN}-seed0", f"{RUN}-seed2"]) == f"{KIND} (2 of 3 seeds)"
    assert study.kinds_of([study.baseline.run]) == "SFT" and study.kinds_of([]) == "none"
    assert f"{KIND}, mean of 3 seeds" in comparison.headline_sentence({"one": study, "two": study}, "variant")
    assert judge_cost.cost_figure({"one": study, "two": study}, ["main"]).panels
