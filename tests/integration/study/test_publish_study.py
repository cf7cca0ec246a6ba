"""The small study's primary run, published: the model answers as in the study, and the card has the tables' numbers."""

import pandas as pd
import pytest
from datasets import load_dataset
from huggingface_hub import metadata_load
from transformers import AutoModelForCausalLM, AutoTokenizer

from gavel.cli.main import main
from gavel.common.files import read_json, read_jsonl

RUN = "grpo-lambda0.5-seed0"


@pytest.fixture(scope="module")
def published(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "out"
    assert main(["publish", str(finished.results), "--out", str(folder)]) == 0
    return folder


def test_the_model_answers_as_in_the_study(finished, published):
    model = AutoModelForCausalLM.from_pretrained(published / "model")
    tokenizer = AutoTokenizer.from_pretrained(published / "model")
    prompt = read_json(finished.results / f"evaluation/{RUN}/prompt.json")["prompt"]
    assert f"```\n{prompt.rstrip()}\n```" in (published / "model/README.md").read_text()
    rows = read_jsonl(finished.results / f"evaluation/{RUN}/main/samples.jsonl")
    (wanted,) = [row for row in rows if row["sample"] == -1 and row["question"] in prompt]
    read = tokenizer(prompt, return_tensors="pt")
    written = model.generate(**read, do_sample=False, max_new_tokens=64)[0, read["input_ids"].shape[1] :]
    assert tokenizer.decode(written, skip_special_tokens=True).strip() == wanted["response"].strip()


def test_the_cards_results_are_the_tables(finished, published):
    (index,) = metadata_load(published / "model/README.md")["model-index"]
    found = {
        (result["dataset"]["name"], metric["name"].split()[0]): metric["value"]
        for result in index["results"]
        for metric in result["metrics"]
    }
    table = pd.read_csv(finished.results / "metrics.csv", keep_default_na=False)
    for (name, measure), value in found.items():
        rows = table[(table.run == RUN) & (table.checkpoint == "last") & (table.set == name)]
        metric, _, k = measure.partition("@")
        assert round(100 * rows[(rows.metric == metric) & (rows.k == int(k or 1))].value.item(), 1) == value
    assert set(found) == {(name, measure) for name in ("main", "plus", "svamp") for measure in ("greedy", "maj@4")}


def test_its_rollouts_load_without_answers_of_unlabelled_questions(finished, published, tmp_path):
    rows = load_dataset(str(published / "dataset"), "rollouts", split="train", cache_dir=str(tmp_path))
    withheld = {row["question"]: row["gold"] for row in read_jsonl(finished.results / "data/labeled.jsonl")}
    assert len(rows) == 4 * 32 and {row["labeled"] for row in rows} == {True, False}
    for row in rows:
        assert row["gold"] == (withheld[row["question"]] if row["labeled"] else None)
