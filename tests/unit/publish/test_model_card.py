"""The card of a model: its metadata as huggingface_hub reads them, and its numbers against the study's tables."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from markdown_it import MarkdownIt

from gavel.common.errors import InputError
from gavel.common.files import read_json, read_jsonl, write_json, write_jsonl
from gavel.publish.chosen import Plan, choose
from gavel.publish.model_card import model_card
from gavel.study.schema.study import fill_defaults
from helpers.publishable import COMMIT, CONTROL, RUN, publishable

HUB = {"kind": "model", "name": "owner/student", "revision": None, "commit": "c" * 40}


def card(results, run=RUN, **plan):
    return ModelCard(model_card(choose(str(results), run), Plan(**plan)))


@pytest.fixture(scope="module")
def page(made):
    return card(made, repo="me/small-model")


def row(results, table, **wanted):
    found = pd.read_csv(results / f"{table}.csv", keep_default_na=False, na_values=[""])
    for column, value in wanted.items():
        found = found[found[column] == value]
    (one,) = found.itertuples()
    return one


def shown(value):
    return f"{100 * value:.1f}"


def section(found, title):
    return found.text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_metadata_are_read_back_by_the_hubs_own_functions(made, page, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(str(page), encoding="utf-8")
    found = metadata_load(path)
    assert (found["library_name"], found["pipeline_tag"]) == ("transformers", "text-generation")
    assert found["tags"] == ["gavel", "trl", "reinforcement-learning", "grpo", "llm-as-a-judge"]
    assert not {"base_model", "license", "datasets"} & set(found)  # nothing came from the hub
    name, results = model_index_to_eval_results(found["model-index"])
    assert name == "small-model"
    measures = [("main", "greedy"), ("main", "maj@2"), ("plus", "greedy"), ("plus", "maj@2")]
    assert [(one.dataset_name, one.metric_name.split()[0]) for one in results] == measures
    for one, (test, measure) in zip(results, measures, strict=True):
        wanted = {"metric": measure.partition("@")[0], "k": 2 if "@" in measure else 1}
        own = row(made, "metrics", run=RUN, checkpoint="last", set=test, **wanted)
        assert one.metric_value == float(shown(own.value)) and one.metric_type == "accuracy"
        assert one.metric_name.endswith(f"(95 % interval {shown(own.low)}–{shown(own.high)})")


def test_accuracy_stands_beside_the_baselines_with_the_paired_difference(made, page):
    table = section(page, "Accuracy")
    own = row(made, "metrics", run=RUN, checkpoint="last", set="main", metric="greedy")
    base = row(made, "metrics", run="sft", checkpoint="best", set="main", metric="greedy")
    gain = row(made, "comparisons", run=RUN, checkpoint="last", baseline="sft", set="main", metric="greedy")
    line = next(line for line in table.split("\n") if line.startswith("| main | 24 | greedy |"))
    assert f"| {shown(own.value)} ({shown(own.low)}–{shown(own.high)}) |" in line
    assert f"| {shown(base.value)} ({shown(base.low)}–{shown(base.high)}) |" in line
    signed = f"{100 * gain.difference:+.1f}".replace("-", "−")
    assert f"| {signed} (" in line
    assert len([line for line in table.split("\n") if line.startswith(("| main |", "| plus |"))]) == 4


def test_the_judges_quality_is_the_calibrations(made, page):
    found = read_json(made / "judge/calibration.json")
    text = section(page, "Judge")
    assert f"| AUC within questions | {found['auc_within']:.3f} |" in text
    assert f"| Youden's J | {found['youden_j']:.3f} |" in text
    for probe in found["probes"]:
        assert f"| {probe['n']:,} | {probe['correct']:.3f} | {probe['judge']:.3f} |" in text
    assert "The judge's scores rewarded this model." in text


def test_the_card_says_what_was_trained_from_what(made, page):
    text = page.text
    assert "weights/student after supervised fine-tuning, then GRPO; reward: judge and labels" in text
    assert f"trained at commit {COMMIT}" in text
    about = read_json(made / "runs" / RUN / "run.json")
    assert f"| Steps | {about['steps']} |" in text
    config = text.split("```yaml\n")[1].split("\n```")[0]
    assert fill_defaults(yaml.safe_load(config)) == fill_defaults(yaml.safe_load((made / "config.yaml").read_text()))


def test_without_a_record_of_the_job_the_commit_is_unknown(results):
    (results / f"state/tracking/rl-{RUN}.json").unlink()
    assert "the commit that trained it is not recorded" in card(results).text


def test_the_baseline_has_no_difference_and_no_judge(made):
    found = card(made, "sft")
    assert "difference" not in section(found, "Accuracy").split("What the study found")[0]
    assert "The judge's scores did not train this model." in found.text
    assert "the best checkpoint by validation" in found.text
    assert found.data.tags == ["gavel", "trl", "sft"]


def test_the_student_from_the_hub_is_the_base_with_its_licence(results):
    folder = results / "hub/student"
    write_json(folder / ".hub.json", HUB)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Student\n")
    write_json(results / "hub/data/train/.hub.json", HUB | {"kind": "dataset", "name": "owner/problems"})
    test = {"kind": "dataset", "name": "owner/tests", "commit": "d" * 40, "revision": None}
    write_json(results / "hub/data/tests.main/.hub.json", test)
    found = card(results)
    assert found.data.to_dict().items() >= {
        "base_model": "owner/student", "base_model_relation": "finetune", "license": "apache-2.0"
    }.items()  # fmt: skip
    assert found.data.datasets == ["owner/problems"]
    (main,) = {one.dataset_type for one in found.data.eval_results if one.dataset_name == "main"}
    assert main == "owner/tests" and found.data.eval_results[0].dataset_revision == "d" * 40
    assert "student: owner/student @ " + "c" * 40 in found.text
    assert card(results, base="other/student").data.get("license") is None


def test_a_base_that_is_not_from_the_hub_may_be_named(made):
    found = card(made, base="owner/student").data
    assert (found.base_model, found.base_model_relation) == ("owner/student", "finetune")


def test_a_malformed_card_of_the_student_gives_no_licence(results):
    write_json(results / "hub/student/.hub.json", HUB)
    (results / "hub/student/README.md").write_text("---\n- no object\n---\n")
    assert card(results).data.get("license") is None


def test_a_collapse_is_told_twice(results):
    path = results / "runs" / RUN / "monitor.csv"
    table = pd.read_csv(path)
    steps = table.step.tolist()
    for flagged, sentence in (
        (0, "The monitor flagged no collapse of this run."),
        (1, f"The monitor flagged a collapse of this run at step {steps[1]}."),
    ):
        table["collapsed"] = [0, *[flagged] * (len(table) - 1)]
        table.to_csv(path, index=False)
        found = card(results)
        assert sentence in section(found, "Judge")
        assert (sentence in section(found, "Limitations")) == bool(flagged)


def test_a_run_whose_judge_scored_nothing_cannot_be_monitored(results):
    path = results / "runs" / RUN / "monitor.csv"
    pd.read_csv(path).assign(judge=None).to_csv(path, index=False)
    assert "could not detect a collapse" in section(card(results), "Judge")


def test_reward_hacking_of_the_run_is_a_limitation(made, page):
    text = section(card(made, "grpo-lambda0-seed0"), "Limitations")
    assert "Reward rose while accuracy fell: this is reward hacking" in text
    assert "reward hacking" not in section(page, "Limitations")


def test_limitations_name_the_seed_the_checkpoint_and_the_primary_comparison(made, page):
    text = section(page, "Limitations")
    assert "One seed: intervals cover the sampling of questions, not seed variance." in text
    assert "The last step is published and evaluated; no checkpoint was selected." in text
    assert "primary comparison" not in text
    assert "which is GRPO λ\u00a0=\u00a00.5 against SFT on main" in section(
        card(made, "grpo-lambda0-seed0"), "Limitations"
    ).replace(" =", "\u00a0=").replace("= ", "=\u00a0")


def test_the_bound_with_all_answers_says_so_first(made, page):
    assert "**This model is an upper bound: it was trained with the gold answers of all" in card(made, CONTROL).text
    assert "upper bound: it was trained" not in page.text


@pytest.mark.parametrize(("weight", "statement"), [(1.0, "The judge is"), (0.25, "25.0 % of the judge's score is")])
def test_a_simulated_judge_is_stated_where_it_rewarded_the_run(results, weight, statement):
    config = yaml.safe_load((results / "config.yaml").read_text())
    config["judge"] |= {"simulated": {"weight": weight, "tpr": 0.9, "fpr": 0.1}}
    (results / "config.yaml").write_text(yaml.safe_dump(config))
    text = f"> **{statement} simulated from the gold answers of all questions, also of those that the study calls"
    assert text in card(results).text
    assert text not in card(results, "sft").text and text not in card(results, CONTROL).text


def test_a_panels_simulated_judges_are_named(results):
    path = results / "judge/calibration.json"
    members = {"real": {}, "a": {"simulated": {}}, "b": {"simulated": {}}}
    found = read_json(path)
    write_json(path, found | {"settings": found["settings"] | {"panel": {"members": members}}})
    assert "> **Of the panel's judges, a and b are simulated from the gold answers" in card(results).text


@pytest.mark.parametrize(
    ("action", "which", "selected"),
    [("rollback", "the best checkpoint by validation", True), ("stop", "the checkpoint of the last step", False)],
)
def test_a_run_that_ended_early_says_what_is_published(results, action, which, selected):
    path = results / "runs" / RUN / "run.json"
    write_json(path, read_json(path) | {"ended": {"step": 7, "action": action}})
    found = card(results)
    assert f"These are the weights of {which}." in found.text and "at step 7: collapse" in found.text
    assert ("no checkpoint was selected" in section(found, "Limitations")) == (not selected)


def test_what_a_model_wrote_cannot_change_the_page(results, page):
    hostile = "```\n</details>\n## Fake\n<script>alert(1)</script>\n---\nlicense: mit\n---\n| a | b |\n~~~~"
    path = results / "evaluation" / RUN / "main/samples.jsonl"
    write_jsonl(path, [row | {"response": hostile, "question": hostile} for row in read_jsonl(path)])
    found = card(results, repo="me/small-model")
    assert hostile in found.text and found.data.to_dict() == page.data.to_dict()
    html, usual = (MarkdownIt("gfm-like", {"linkify": False}).render(text) for text in (found.text, page.text))
    for tag in ("h1", "h2", "table", "ul", "details", "a "):
        assert html.count(f"<{tag}") == usual.count(f"<{tag}") > 0
    assert "<script>" not in html and "&lt;script&gt;alert(1)" in html


def test_controls_say_what_they_were_trained_on(tiny, tmp_path):
    controls = {"rewards": ["majority-vote"], "sft": ["judge-accepted", "all-answers"], "seeds": [0]}
    publishable(tmp_path / "r", tiny, build={"controls": controls, "judge": False})
    for run, method in (
        ("grpo-majority-vote-seed0", "then GRPO; reward: majority answer of the group"),
        ("sft-judge-accepted-seed0", "supervised fine-tuning on samples that the judge accepts"),
        ("sft-all-answers-seed0", "supervised fine-tuning on all reference solutions"),
    ):
        found = card(tmp_path / "r", run)
        assert method in found.text and "the checkpoint of the last step" in found.text
        assert ("llm-as-a-judge" in found.data.tags) == ("judge-accepted" in run)
        assert ("This model is an upper bound" in found.text) == ("all-answers" in run)
        assert "This run is not in the study's primary comparison" in found.text


def test_a_study_without_a_judge_has_a_card(tiny, tmp_path):
    publishable(tmp_path / "r", tiny, build={"judge": False})
    assert "The study has no calibration of a judge." in card(tmp_path / "r").text


def test_of_several_seeds_the_first_is_taken_and_the_mean_is_named(tiny, tmp_path):
    publishable(tmp_path / "r", tiny, build={"seeds": (3, 4), "judge": False}, primary={"seed": None})
    chosen = choose(str(tmp_path / "r"))
    assert chosen.run == "grpo-lambda0.5-seed3"
    text = ModelCard(model_card(chosen, Plan())).text
    assert "This is one of 2 seeds. The study's answer is about their mean on main: " in text


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        ("grpo-lambda7-seed0", "no run 'grpo-lambda7-seed0'; choose from sft, grpo-lambda0-seed0"),
        ("base", "no run 'base'"),
    ],
)
def test_an_unknown_run_is_refused_with_the_known_ones(made, run, problem):
    with pytest.raises(InputError, match=problem):
        choose(str(made), run)


def test_an_unfinished_run_is_refused(results):
    about = read_json(results / "runs" / RUN / "run.json")
    write_json(results / "runs" / RUN / "run.json", about | {"status": "failed"})
    with pytest.raises(InputError, match=f"{RUN} is not finished .failed.; run the study to its end"):
        choose(str(results), RUN)


def test_a_run_that_was_not_evaluated_is_refused(results):
    table = pd.read_csv(results / "metrics.csv", keep_default_na=False)
    table[table.run != RUN].to_csv(results / "metrics.csv", index=False)
    with pytest.raises(InputError, match="has no test results in metrics.csv"):
        choose(str(results), RUN)


def test_the_untrained_student_is_refused(tiny, tmp_path):
    publishable(tmp_path / "r", tiny, build={"controls": {"base": True}, "judge": False})
    with pytest.raises(InputError, match="is the student before any training"):
        choose(str(tmp_path / "r"), "base")


def test_an_unfinished_study_is_refused(results):
    Path(results, "config.yaml").unlink()
    with pytest.raises(InputError, match="config.yaml: no such file"):
        choose(str(results))
