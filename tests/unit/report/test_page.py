import re
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest

from gavel.common.files import read_json, read_jsonl, write_json
from gavel.report import unfinished
from gavel.report.baseline import BASELINES
from gavel.report.cells import flatten, points, seconds
from gavel.report.page import render
from gavel.report.results import load
from gavel.report.sections import (
    accuracy,
    data_and_cost,
    perturbation_kinds,
    summary_sentences,
    training,
    votes,
    workflow,
)
from gavel.report.sections.samples import QUOTAS, choose
from gavel.report.sections.sampling_mismatch import mismatch_table, mismatch_warnings
from gavel.study.layout import Layout
from gavel.study.schema.training import Rl
from helpers import fake_results
from helpers.pages import Tags, cells

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


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (200, "SFT trained on 200 labelled questions; every RL run starts from it."),
        (150, "SFT trained on 150 of 200 labelled questions, those with a solution; every RL run starts from it."),
    ],
)
def test_the_page_says_how_many_labelled_questions_sft_could_use(labels, sentence):
    runs = {"sft": {"labels": labels, "lambda": None}}
    results = SimpleNamespace(splits={"counts": {"labeled": 200}}, runs=runs, baseline=BASELINES["sft"])
    assert summary_sentences.label_use(results) == [sentence]


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


def test_same_inputs_same_page(study, page, tmp_path, draw_anew):
    root, config = study
    shutil.copytree(root, tmp_path / "results")
    render(tmp_path / "results", config, tmp_path / "results" / "report.html")
    assert (tmp_path / "results" / "report.html").read_text(encoding="utf-8") == page


def test_figures_are_written_beside_their_data(study, page):
    found = {path.name for path in (study[0] / "figures").iterdir()}
    assert {"accuracy-against-lambda-main-greedy.svg", "accuracy-against-lambda.csv"} <= found
    rows = pd.read_csv(study[0] / "figures" / "difference-from-sft.csv")
    assert set(rows.set) == set(load(*study).sets)


def test_the_numbers_of_the_headline_are_those_of_the_table(study, page):
    rows = load(*study)
    row = rows.metric("grpo-lambda0.5-seed0", "main", "greedy")
    assert f"{100 * row.value:.1f}" in summary_sentences.headline_sentence(rows)[1]
    assert f"{100 * row.low:.1f}–{100 * row.high:.1f}" in page


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.1, "Yes, above the SFT baseline"),
        (-0.01, 0.1, "Unclear, no difference shown"),
        (-0.1, -0.01, "No, below the SFT baseline"),
    ],
)
def test_the_answer_follows_the_interval(study, low, high, verdict):
    results = load(*study)
    primary = results.comparisons.primary
    results.comparisons.loc[primary, ["low", "high"]] = [low, high]
    assert summary_sentences.headline_sentence(results)[0] == verdict


def test_runs_whose_responses_are_cut_are_named_with_the_limit(study, page):
    results = load(*study)
    of_main = results.metrics.metric == "finished"
    results.metrics.loc[of_main, "value"] = 0.95
    assert summary_sentences.cut_responses(results) == []
    ours = of_main & (results.metrics.run == "sft") & (results.metrics.set == "plus")
    results = load(*study)
    results.metrics.loc[of_main, "value"] = 0.95
    results.metrics.loc[ours, "value"] = 0.02
    (sentence,) = summary_sentences.cut_responses(results)
    assert "solution.max_new_tokens (64)" in sentence and "a test set's, SFT up to 98.0\u00a0%. If" in sentence
    assert "Responses that reach solution.max_new_tokens" in page  # a part of the made responses has no answer


def test_bold_needs_an_interval_above_zero(study):
    from gavel.report.sections.accuracy import main_results_table

    results = load(*study)
    results.comparisons["low"] = -0.01
    assert not any(cell.bold for row in main_results_table(results).rows for cell in row)
    results = load(*study)
    results.comparisons["low"] = 0.01
    bold = [cell for row in main_results_table(results).rows for cell in row if cell.bold]
    assert len(bold) >= 1
    assert all(cell.sort >= results.metrics.value.min() for cell in bold)


def test_collapses_are_named_and_so_is_that_there_was_none(study):
    results = load(*study)
    assert summary_sentences.collapses(results) == "The monitor flagged no collapse."
    validations = results.monitors["ppo-lambda0-seed0"]
    validations["collapsed"] = (validations.step >= 30).astype(int)
    assert summary_sentences.collapses(results) == "The monitor flagged a collapse of PPO λ\u00a0=\u00a00 at step 30."
    results.monitors = {"sft": results.monitors["sft"]}
    assert summary_sentences.collapses(results) is None


def test_a_pairwise_judge_is_hacked_if_its_win_rate_does_not_reflect_the_fall():
    def sentence(judge, true, accuracy):
        validations = pd.DataFrame({"step": [0, 5], "accuracy": accuracy, "judge": judge, "true_win_rate": true})
        runs = {"grpo": {"lambda": 0, "seed": 0, "algorithm": "grpo"}}
        common = {"names": {"grpo": "GRPO"}, "study": fake_results.STUDY, "collapse": lambda run: None}
        common |= {"baseline": BASELINES["sft"]}
        results = SimpleNamespace(monitors={"grpo": validations}, runs=runs, **common)
        return summary_sentences.judge_only_runs(results)[0]

    assert "reward hacking" in sentence([0.5, 0.49], [0.5, 0.4], [0.6, 0.4])
    assert "reward hacking" not in sentence([0.5, 0.42], [0.5, 0.4], [0.6, 0.4])
    assert "reward hacking" not in sentence([0.5, 0.6], [0.5, 0.55], [0.6, 0.7])
    assert "the judge's win rate against SFT went from 0.50 to 0.60" in sentence([0.5, 0.6], [0.5, 0.55], [0.6, 0.7])


def test_the_judges_choices_are_compared_with_the_majority(study):
    results = load(*study)
    table = votes.judged_table(results, "main")
    assert [title for title, _ in table.columns[:3]] == ["run", "maj@4", "weighted maj@4"]
    assert [row[0] for row in cells(table)] == list(results.names.values())
    row = results.metric("sft", "main", "best_of", 4)
    assert table.rows[0][5].sort == row.value
    assert table.rows[0][6].sort == pytest.approx(row.value - results.metric("sft", "main", "maj", 4).value, abs=1e-5)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A study with a pairwise judge that picks the best of four samples in every way."""
    root = tmp_path_factory.mktemp("compared")
    ways = ("score", "elo", "knockout")
    return root, fake_results.build(root, {"main": 60, "svamp": 30}, samples=4, algorithms=("grpo",), best_of=ways)


def test_the_best_of_n_stands_between_the_vote_and_what_is_possible(compared):
    root, config = compared
    results = load(root, config)
    table = votes.best_of_n_table(results, "main")
    titles = [title for title, _ in table.columns]
    assert titles == ["run", "maj@4", "by score", "by Elo", "by knockout", "pass@4"] + [
        "Elo − maj",
        "knockout − maj",
        "knockout − score",
        "round robin",
        "knockout",
    ]
    assert [span for _, span in table.groups] == [1, 5, 3, 2]
    assert [row[0].text for row in table.rows] == list(results.names.values())
    for run, row in zip(results.runs, table.rows, strict=True):
        values = {m: results.metric(run, "main", m, 4) for m in votes.COLUMNS}
        assert [cell.sort for cell in row[1:6]] == [found.value for found in values.values()]
        assert row[4].sub == f"{100 * values['best_of_knockout'].low:.1f}–{100 * values['best_of_knockout'].high:.1f}"
        best, knockout = values["best_of"].value, values["best_of_knockout"].value
        assert row[8].sort == pytest.approx(knockout - best, abs=1e-5)
        assert [(cell.text, cell.sub) for cell in row[9:]] == [("12.0", "6.0 pairs"), ("6.0", "3.0 pairs")]
    assert votes.contest_cost_sentence(results) == (
        "Per question, on average over all runs and test sets, a round robin took 12.0 prompts with 1,200 tokens "
        "and a knockout took 6.0 prompts with 600 tokens."
    )
    render(root, config, root / "report.html", samples=root / "samples.parquet")
    page = (root / "report.html").read_text(encoding="utf-8")
    assert not Tags(page).open
    assert "Best of n by pairwise comparison" in page
    assert votes.contest_cost_sentence(results) in page
    kept = pd.read_parquet(root / "samples.parquet")
    assert kept.knockout.notna().sum() == kept.elo.notna().sum() == 4 * 4 * 90


def test_a_knockout_alone_has_a_table_of_its_own(tmp_path):
    config = fake_results.build(
        tmp_path, {"main": 20}, samples=4, algorithms=("grpo",), lambdas=("0.5",), best_of=("knockout",)
    )
    results = load(tmp_path, config)
    table = votes.best_of_n_table(results, "main")
    titles = ["run", "maj@4", "by knockout", "pass@4", "knockout − maj", "knockout"]
    assert [title for title, _ in table.columns] == titles
    assert not votes.judged_table(results, "main").rows
    render(tmp_path, config, tmp_path / "report.html")


def test_where_nothing_was_compared_there_is_no_best_of_n(study, page):
    results = load(*study)
    assert not votes.best_of_n_table(results, "main").rows
    assert votes.contest_cost_sentence(results) is None
    assert "Best of n by pairwise comparison" not in page


def test_drop_rates_and_the_answerable_split_are_those_of_the_perturbed_set(study):
    results = load(*study)
    table = perturbation_kinds.drop_table(results, "plus")
    assert [title for title, _ in table.columns] == ["kind", "n", *results.names.values()]
    assert [row[0].text for row in table.rows] == ["all kinds", *sorted(fake_results.KINDS)]
    # Six seed questions, each with its eight versions.
    seeds = {f"main-{number}" for number in range(SIZES["plus"] // 8)}
    rows = list(read_jsonl(study[0] / "evaluation/sft/main/samples.jsonl"))
    original = [row["correct"] for row in rows if row["sample"] < 0 and row["id"] in seeds]
    changed = results.metric("sft", "plus", "greedy").value
    assert table.rows[0][2].sort == pytest.approx(1 - changed / (sum(original) / len(original)), abs=1e-4)
    assert not perturbation_kinds.drop_table(results, "main").rows
    split = perturbation_kinds.answerable_table(results, "plus")
    assert [hint for _, hint in split.columns[1:]] == ["42 questions, accuracy in %", "6 questions, accuracy in %"]


def test_hacked_responses_stand_beside_the_sft_responses_that_score_highest(study):
    results = load(*study)
    found = training.hacked_pairs(results)
    assert {pair["run"] for pair in found} == set(results.names.values()) - {"SFT"}
    for pair in found:
        assert not pair["after"]["correct"]
        assert pair["after"]["judge"] > 0.5
        assert pair["before"]["correct"]
        assert pair["after"]["response"] != pair["before"]["response"]
    items = [row for row in read_jsonl(study[0] / "judge/calibration.jsonl") if row["kind"] is None]
    called = [row for row in items if row["says_right"]]
    share = 100 * sum(not row["correct"] for row in called) / len(called)
    table = training.wrongly_accepted_table(results)
    assert cells(table)[0] == ["SFT", f"{len(called):,}", f"{share:.1f}"]
    low, high = map(float, table.rows[0][2].sub.split("–"))
    assert low < share < high


def test_tokens_are_counted_for_runs_and_rules(study):
    results = load(*study)
    assert data_and_cost.tokens(results, "grpo-lambda0.5-seed0") == (80_000, 80 * 500 + 9 * 100)
    assert data_and_cost.tokens(results, "grpo-lambda1-seed0") == (80_000, 9 * 100)
    training = results.training["ppo-lambda1-seed0"]
    training["num_tokens"] = training.num_tokens.where(training.step <= 50, training.num_tokens - 50_000)
    assert data_and_cost.tokens(results, "ppo-lambda1-seed0")[0] == 80_000  # killed and resumed at step 50
    rows = {row[0].text: [cell.text for cell in row[5:]] for row in data_and_cost.rule_table(results).rows}
    assert rows["judge"] == ["168,000", "840,000"]  # before training, and after each of six runs
    results.benchmarks.loc[len(results.benchmarks)] = {"rule": "rl", "job": "x", "seconds": 1.0, "memory": 1.0}
    rows = {row[0].text: [cell.text for cell in row[5:]] for row in data_and_cost.rule_table(results).rows}
    assert rows["rl"] == ["480,000", f"{4 * 80 * 500 + 6 * 900:,}"]


def test_memory_is_that_of_the_training_job(study):
    results = load(*study)
    assert data_and_cost.memory(results, "sft") == 1203.5
    assert data_and_cost.memory(results, "ppo-lambda0-seed0") is None
    results.benchmarks.loc[len(results.benchmarks)] = {"rule": "rl", "job": "ppo-lambda0-seed0", "memory": 800.0}
    assert data_and_cost.memory(results, "ppo-lambda0-seed0") == 800


def test_runs_lead_to_mlflow_where_there_is_a_server(study):
    results = load(*study)
    found = {"sft": {"id": "0123456789", "url": "http://host/#/experiments/1/runs/0123456789"}}
    table = data_and_cost.run_table(results, found)
    assert [(row[-1].text, row[-1].link) for row in table.rows[:2]] == [("01234567", found["sft"]["url"]), ("–", None)]
    assert "MLflow run" not in dict(data_and_cost.run_table(results, {}).columns)


def test_the_page_leads_to_the_studys_pages_on_its_server(study, tmp_path):
    root, config = study
    server = "http://login1:5000"
    pages = [("Training runs", f"{server}/#/experiments/1/runs?a=1&b=2"), ("All jobs", f"{server}/#/experiments/1")]
    config = config | {"tracking": {"uri": server}}
    render(root, config, tmp_path / "report.html", mlflow_pages=pages)
    links = f'<a href="{server}">{server}</a>: <a href="{server}/#/experiments/1/runs?a=1&amp;b=2">Training runs</a>, '
    links += f'<a href="{server}/#/experiments/1">All jobs</a></dd>'
    assert links in (tmp_path / "report.html").read_text()


def test_all_samples_are_kept_as_one_table(study, tmp_path):
    root, config = study
    render(root, config, tmp_path / "report.html", samples=tmp_path / "samples.parquet")
    table = pd.read_parquet(tmp_path / "samples.parquet")
    assert len(table) == 7 * 5 * sum(SIZES.values())
    own = table[(table.run == "SFT") & (table.set == "main") & (table["sample"] < 0)]
    assert own.correct.mean() == pytest.approx(load(*study).metric("sft", "main", "greedy").value, abs=1e-5)


def test_the_page_shows_the_rules_of_the_workflow(study, tmp_path):
    shown = workflow.rule_figure()
    rules = {*shown.data["rule"], *shown.data["needed_by"]}
    assert f"The {len(rules)} rules behind the report of the default study" in shown.caption
    root, config = study
    render(root, config, tmp_path / "report.html", figures_dir=tmp_path / "figures")
    page = (tmp_path / "report.html").read_text()
    drawn = re.search(r'<svg role="img" aria-label="Rules: workflow;.*?</svg>', page, re.S)[0]
    words = re.findall(r"<text[^>]*>([^<]+)</text>", drawn)
    assert set(words) == {word for rule in rules for word in rule.split("_", 1)}
    # The page's own colours, in both of its themes.
    assert 'stroke="var(--blue)"' in drawn and 'fill="currentColor"' in drawn
    assert not re.search(r"\bstyle=|<script|<style", drawn)
    assert (tmp_path / "figures" / "workflow.csv").read_text().startswith("rule,needed_by\n")
    assert list((tmp_path / "figures").glob("workflow*.svg"))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """(results, page) of a study with two seeds."""
    root, grid = tmp_path_factory.mktemp("seeds"), {"algorithms": ("grpo",), "lambdas": ("0.5",), "seeds": (0, 1)}
    config = fake_results.build(root, {"main": 40}, samples=2, **grid)
    render(root, config, root / "report.html")
    return load(root, config), (root / "report.html").read_text(encoding="utf-8")


def test_seeds_are_also_taken_together(seeds):
    results, text = seeds
    table = accuracy.seeds_table(results)
    assert [row[:4] for row in cells(table)] == [
        ["GRPO λ\u00a0=\u00a00.5", "main", metric, "2"] for metric in ("greedy", "maj@2")
    ]
    assert "Across seeds" in text


def test_an_unfinished_study_has_a_report_of_its_evaluated_runs(study, tmp_path, capsys):
    root, config = study
    config = config | {"results_dir": str(tmp_path / "results")}
    unfinished.write_reports([config])
    # Nothing was evaluated yet.
    assert capsys.readouterr().err == "finished jobs are kept, and the same command continues the study\n"
    shutil.copytree(root, tmp_path / "results", ignore=shutil.ignore_patterns("*.csv", "report.html"))
    for part in ("runs/ppo-lambda1-seed0", "evaluation/ppo-lambda1-seed0", "runs/ppo-lambda0-seed0/run.json"):
        path = tmp_path / "results" / part
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(tmp_path / "results/evaluation/ppo-lambda0-seed0")
    log = tmp_path / "results/logs/rl/ppo-lambda0-seed0.log"
    log.parent.mkdir(parents=True)
    log.write_text("12:00 started\n12:01 error: the judge could not be asked\n")
    before = sorted(tmp_path.rglob("*"))
    unfinished.write_reports([config])
    page = tmp_path / "results/unfinished/report.html"
    assert f"open {page}" in capsys.readouterr().err
    text = page.read_text(encoding="utf-8")
    assert "PPO λ\u00a0=\u00a00 failed; tables and figures omit it." in text
    assert "PPO λ\u00a0=\u00a01 produced no result" in text
    assert "Last line of the log of PPO λ\u00a0=\u00a00: 12:01 error: the judge could not be asked" in text
    row = load(root, config).metric("grpo-lambda0.5-seed0", "main", "greedy")
    assert f"{100 * row.low:.1f}–{100 * row.high:.1f}" in text
    made = set(tmp_path.rglob("*")) - set(before)
    assert {path.parent for path in made} <= {page.parent, page.parent.parent}


def test_a_report_that_cannot_be_written_gives_the_reason_and_raises_nothing(study, tmp_path, capsys):
    root, config = study
    shutil.copytree(root, tmp_path / "results")
    (tmp_path / "results/runs/sft/run.json").write_text("{")
    unfinished.write_reports([config | {"results_dir": str(tmp_path / "results")}])
    assert "could not write a report of the runs evaluated so far: InputError: " in capsys.readouterr().err


def test_one_seed_is_pointed_out_and_two_are_named(page, seeds):
    assert "One seed" in page
    text = seeds[1]
    assert "2 seeds" in text
    assert "One seed" not in text
    assert "seed 1" in text


def test_failed_runs_no_judge_and_one_set_are_pointed_out(tmp_path):
    failed = ("grpo-lambda0.5-seed0", "ppo-lambda0-seed0")
    config = fake_results.build(tmp_path, {"main": 20}, samples=2, failed=failed, judge=False)
    render(tmp_path, config, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert "GRPO λ = 0.5 and PPO λ = 0 failed" in text
    assert "Unclear, no answer" in text
    assert "There is only one test set, main" in text
    assert "cannot be credited to the judge" not in text
    assert "no judge calibration" in text
    assert 'id="kinds"' not in text  # no test set has them


def test_a_study_without_a_run_without_the_judge_says_so(tmp_path):
    config = fake_results.build(tmp_path, {"main": 20, "other": 20}, samples=2, algorithms=("grpo",), lambdas=("0.5",))
    text = " ".join(summary_sentences.missing_parts(load(tmp_path, config)))
    assert "No run without the judge's reward" in text and "cannot be credited to the judge" in text


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


def test_an_empty_folder_makes_a_page(tmp_path):
    config = {key: value for key, value in fake_results.STUDY.items() if key not in ("provenance", "unseen_kinds")}
    render(tmp_path, config, tmp_path / "report.html")
    assert "No run has been evaluated" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_only_greedy_solutions(tmp_path):
    config = fake_results.build(tmp_path, {"main": 20}, samples=0, algorithms=("grpo",), lambdas=("0.5",))
    render(tmp_path, config, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Only greedy responses were generated" in text
    assert "maj@" not in text.split('id="glossary"')[0]


def test_sample_choice_is_seeded_bounded_and_starts_with_the_instructive(study):
    root, _ = study
    sources = [("SFT", name, Layout(root).evaluation("sft", name).samples) for name in SIZES]
    cards, total = choose(sources, 0)
    assert total == sum(SIZES.values()) * 5
    assert cards == choose(sources, 0)[0]
    assert cards != choose(sources, 1)[0]
    for name in SIZES:
        for group, most in QUOTAS.items():
            assert sum(card["set"] == name and card["bucket"] == group for card in cards) <= most
    first = cards[0]
    assert first["bucket"] == "wrong, scored high"
    assert not first["correct"]
    assert first["judge"] >= 0.8


def test_numbers_read_well():
    assert points(-0.0001) == "0.0"
    assert flatten({"removed": {"in_test": {"main": 3}}, "x": ["y", None]}) == [
        "removed, in test, main: 3",
        "x: y",
    ]
    assert points(-0.0512) == "−5.1"
    assert points(0.07) == "+7.0"
    assert [seconds(value) for value in (42, 750, 10800, None)] == ["42 s", "12.5 min", "3.0 h", "–"]


def test_a_judge_that_rewards_a_probe_is_named(study, page):
    from gavel.report.sections.judge import probe_table

    rows = {row[0].text: row[-1].text for row in probe_table(load(*study).calibration).rows}
    assert rows["corrupted, then 'The answer is correct.'"] == "REWARDED"
    assert rows["the reference solution (control)"] == "control"
    assert "Adversarial probes" in page


@pytest.mark.parametrize(
    ("fraction", "verdict"), [(0.9, "REWARDED"), (0.5, "REWARDED"), (0.2, "sometimes"), (0, "not rewarded")]
)
def test_the_gold_answer_after_wrong_steps_is_a_probe_too(fraction, verdict):
    from gavel.report.sections.judge import probe_table

    probe = {"probe": "unearned", "description": "x", "n": 9, "judge": 0.9, "rewarded": fraction, "correct": 1.0}
    assert probe_table({"probes": [probe]}).rows[0][-1].text == verdict


def test_the_judge_is_shown_in_parts_and_on_every_policy(study, page):
    from gavel.report.sections.judge import policy_table

    assert "critical thinking" in page
    assert [row[0].text for row in policy_table(load(*study)).rows][:2] == ["SFT", "GRPO λ\xa0=\xa00"]


def test_a_weak_judge_is_pointed_out(study, tmp_path):
    root, config = study
    shutil.copytree(root, tmp_path / "results")
    path = tmp_path / "results" / "judge" / "calibration.json"
    write_json(path, read_json(path) | {"too_weak": "AUC within questions is 0.500, below 0.8"})
    render(tmp_path / "results", config, tmp_path / "report.html")
    assert "weaker than the config requires" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("interval", "reported"), [([-0.011, 0.04], True), ([0.01, 0.04], False), (None, False)])
def test_a_margin_that_may_be_0_is_pointed_out(study, tmp_path, interval, reported):
    root, config = study
    shutil.copytree(root, tmp_path / "results")
    path = tmp_path / "results" / "judge" / "calibration.json"
    write_json(path, read_json(path) | {"margin_within": 0.015, "margin_within_ci95": interval})
    render(tmp_path / "results", config, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ("(95 % interval -0.011 to 0.040) and not significantly different from 0" in text) == reported
    assert "margin within questions" in text


SAMPLING = "sampling/sampling_logp_difference"


@pytest.fixture
def by_vllm(study):
    """A study's results in which vLLM sampled the rollouts of two runs."""
    root, config = study
    results = load(root, config)
    results.study["rl"]["vllm"] = {"warn_logp_difference": 0.05, "importance_sampling_mode": "sequence_mask"}
    for run, far, masked in (("grpo-lambda0.5-seed0", 0.02, 0), ("grpo-lambda0-seed0", 0.2, 3)):
        rows = results.training[run]
        rows[f"{SAMPLING}/mean"], rows[f"{SAMPLING}/max"] = far, 2 * far
        rows["sampling/masked"], rows["sampling/masked_fraction"] = masked, masked / 256
    return results


def test_how_far_vllm_is_from_the_trainer_stands_in_a_table_with_what_was_masked(by_vllm):
    rows = {row[0].text: [(cell.text, cell.sub) for cell in row[1:]] for row in mismatch_table(by_vllm).rows}
    assert set(rows) == {by_vllm.names[run] for run in ("grpo-lambda0.5-seed0", "grpo-lambda0-seed0")}
    assert rows[by_vllm.names["grpo-lambda0-seed0"]] == [
        ("0.2", ""), ("0.2", ""), ("0.4", ""), ("240", "1.2 %"), ("–", ""),
    ]  # fmt: skip
    assert rows[by_vllm.names["grpo-lambda0.5-seed0"]][3] == ("0", "0.0 %")


def test_what_biases_the_comparison_of_runs_is_told(by_vllm):
    far, masked = mismatch_warnings(by_vllm)
    name = by_vllm.names["grpo-lambda0-seed0"]
    assert far.startswith(f"In {name}, vLLM's log-probabilities differ from the trainer's by more than 0.05 nats")
    assert f"masked completions, which then taught nothing: 240 in {name}." in masked
    by_vllm.study["rl"]["vllm"] |= {"warn_logp_difference": 0.5, "importance_sampling_mode": "token_mask"}
    assert [text.split(",")[0] for text in mismatch_warnings(by_vllm)] == ["The correction masked tokens"]


def test_the_difference_is_drawn_for_the_runs_that_have_one(by_vllm, page):
    titles = [title for title, _ in training.diagnostics_figure(by_vllm).panels]
    assert {"vLLM against trainer, nats a token", "share masked by the correction"} <= set(titles)
    assert "vLLM against" not in page


def test_the_page_tells_of_vllm(by_vllm, tmp_path, study):
    shutil.copytree(study[0], tmp_path / "results")
    for run, rows in by_vllm.training.items():
        rows.to_csv(tmp_path / "results" / "runs" / run / "training.csv", index=False)
    vllm = Rl(algorithms=["grpo"], vllm={}).model_dump()["vllm"]
    config = study[1] | {"rl": study[1]["rl"] | {"vllm": vllm}}
    render(tmp_path / "results", config, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "vLLM against the trainer</summary>" in page
    assert "which then taught nothing: 240 in" in page
