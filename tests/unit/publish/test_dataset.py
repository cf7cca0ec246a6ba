"""The data set: that it loads offline by its card, that its rows are the study's, and what it leaves out."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import get_dataset_config_names, load_dataset
from huggingface_hub import metadata_load

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_json
from gavel.data.rollouts import read_rollouts
from gavel.publish.chosen import Plan, choose
from gavel.publish.dataset import write_dataset
from helpers.publishable import CONTROL, GOLD, RUN

SETS = ("main", "plus")


@pytest.fixture
def write(tmp_path):
    """Writes the data set of a run; gives its folder."""

    def write(results, run=RUN, **plan):
        folder = tmp_path / "dataset"
        write_dataset(choose(str(results), run), Plan(**plan), folder)
        return folder

    return write


def simulate(results):
    config = yaml.safe_load((results / "config.yaml").read_text())
    config["judge"] |= {"simulated": {"weight": 1.0, "tpr": 0.9, "fpr": 0.1}}
    (results / "config.yaml").write_text(yaml.safe_dump(config))


def rollouts(folder):
    return pq.read_table(folder / "rollouts/train.parquet").to_pylist()


def text_of(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_it_loads_by_its_card(made, write, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    folder, cache = str(write(made)), str(tmp_path / "cache")
    assert get_dataset_config_names(folder) == ["samples-main", "samples-plus", "rollouts"]
    for name in SETS:
        found = load_dataset(folder, f"samples-{name}", split="test", cache_dir=cache)
        rows = [row for run in ("sft", RUN) for row in read_jsonl(made / f"evaluation/{run}/{name}/samples.jsonl")]
        assert found["response"][:] == [row["response"] for row in rows]
        assert found["correct"][:] == [row["correct"] for row in rows]
        assert set(found["set"]) == {name} and list(dict.fromkeys(found["run"])) == ["sft", RUN]
    found = load_dataset(folder, "rollouts", split="train", cache_dir=cache)
    kept = [row for step in read_rollouts(made / f"runs/{RUN}/rollouts") for row in step]
    assert [{key: row[key] for key in kept[0]} for row in found] == kept
    assert load_dataset(folder, cache_dir=cache)["test"].num_rows == 2 * 24 * 3


def test_the_accuracy_of_its_samples_is_the_studys(made, write):
    table = pd.read_parquet(write(made) / "samples/main.parquet")
    metrics = pd.read_csv(made / "metrics.csv", keep_default_na=False)
    for run in ("sft", RUN):
        greedy = table[(table.run == run) & (table["sample"] == -1)]
        wanted = metrics[(metrics.run == run) & (metrics.set == "main") & (metrics.metric == "greedy")]
        main = wanted[wanted.checkpoint == ("best" if run == "sft" else "last")]
        assert greedy.correct.mean() == pytest.approx(main.value.item())


def test_gold_answers_of_unlabelled_questions_are_left_out(made, write):
    folder = write(made)
    by_question = {row["id"]: row for row in rollouts(folder)}
    assert (by_question["l"]["question"], by_question["l"]["gold"]) == ("one?", GOLD["l"])
    assert (by_question["u"]["question"], by_question["u"]["gold"]) == ("two?", None)
    assert "is left out (empty) for all questions that the study calls unlabelled" in (folder / "README.md").read_text()
    assert {row["judge"] for row in rollouts(folder)} == {0.0, 1.0}  # of a real judge


def test_they_are_published_if_asked_for(made, write):
    folder = write(made, answers=True)
    assert {row["id"]: row["gold"] for row in rollouts(folder)} == GOLD
    assert "are included, as the publisher asked for" in (folder / "README.md").read_text()


@pytest.mark.parametrize("source", ["all answers", "simulated judge"])
@pytest.mark.parametrize("asked", [False, True])
def test_rewards_from_these_answers_are_left_out_with_them(results, write, source, asked):
    if source == "simulated judge":
        simulate(results)
    folder = write(results, CONTROL if source == "all answers" else RUN, answers=asked)
    for row in rollouts(folder):
        told = [row[name] for name in ("judge", "reward", "advantage")]
        assert all(value is None for value in told) == (not row["labeled"] and not asked)
    card = (folder / "README.md").read_text()
    assert ("`judge`, `reward`, `advantage` are left out for them too" in card) == (not asked)


def test_a_run_without_rollouts_has_samples_only(made, write):
    folder = write(made, "sft")
    assert {path.name for path in folder.iterdir()} == {"README.md", "samples"}
    found = metadata_load(folder / "README.md")
    assert [config["config_name"] for config in found["configs"]] == ["samples-main", "samples-plus"]
    assert set(pd.read_parquet(folder / "samples/main.parquet").run) == {"sft"}
    assert "## Rollouts" not in (folder / "README.md").read_text()


def test_the_licence_is_that_of_all_sources(results, write, tmp_path):
    for key, license in (("train", "mit"), ("tests.main", "mit"), ("tests.plus", "apache-2.0")):
        about = {"kind": "dataset", "name": f"owner/{key}", "revision": None, "commit": "c" * 40}
        write_json(results / f"hub/data/{key}/.hub.json", about)
        (results / f"hub/data/{key}/README.md").write_text(f"---\nlicense: {license}\n---\n")
    folder = write(results)
    assert "license" not in metadata_load(folder / "README.md")
    assert "owner/train @ " in (folder / "README.md").read_text()
    (results / "hub/data/tests.plus/README.md").write_text("---\nlicense: mit\n---\n")
    write_dataset(choose(str(results), RUN), Plan(), tmp_path / "again")
    assert metadata_load(tmp_path / "again/README.md")["license"] == "mit"


def test_missing_samples_are_an_error(results, write):
    (results / f"evaluation/{RUN}/plus/samples.jsonl").unlink()
    with pytest.raises(InputError, match="plus/samples.jsonl: no such file; run the study again, or .* --no-dataset"):
        write(results)


def test_broken_rollouts_are_an_error(results, write):
    (results / f"runs/{RUN}/rollouts/rollouts.parquet").write_bytes(b"cut off")
    with pytest.raises(InputError, match="rollouts.parquet: cannot be read"):
        write(results)


def test_questions_with_marks_do_not_change_the_card(results, write):
    config = yaml.safe_load((results / "config.yaml").read_text())
    config["rl"]["reward_terms"] = [{"file": "a|b.py:*f*", "weight": 0.5}]
    (results / "config.yaml").write_text(json.dumps(config))
    assert r"- a\|b.py:\*f\*" in (write(results) / "README.md").read_text()
