"""Variants of a study: what they inherit and what they share."""

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import layout, sweep

SWEEPS = ["judge-strength", "label-efficiency"]


def shipped(name: str) -> dict:
    return yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", SWEEPS)
def test_shipped_sweeps_are_valid_and_keep_their_variants_apart(name):
    found = sweep.resolve(shipped(name), ROOT)
    folders = {settings["results_dir"] for settings in found["variants"].values()}
    assert folders == {f"results/{name}/{variant}" for variant in found["variants"]}
    assert len({settings["tracking"]["uri"] for settings in found["variants"].values()}) == 1


def test_variants_that_differ_in_the_judge_share_the_sft_run():
    found = sweep.resolve(shipped("judge-strength"), ROOT)["variants"]
    shared = {name: settings["shared"]["sft"] for name, settings in found.items()}
    assert shared == dict.fromkeys(found, "results/judge-strength/weak") | {"weak": None}
    assert [settings["shared"]["judge"] for settings in found.values()] == [None] * 3


def test_variants_whose_judges_differ_are_tried_on_the_same_pairs():
    raw = shipped("judges")
    raw["sweep"]["variants"]["other"] = {"judge": {"benchmark": {"questions": 100}}}
    raw["sweep"]["variants"]["none"] = {"judge": {"benchmark": None}}
    found = sweep.resolve(raw, ROOT)["variants"]
    shared = {name: settings["shared"]["benchmark"] for name, settings in found.items()}
    alone = {"single": None, "other": None, "none": None}
    assert shared == dict.fromkeys(found, "results/judges/single") | alone


def test_variants_that_differ_in_the_labels_share_none():
    found = sweep.resolve(shipped("label-efficiency"), ROOT)["variants"]
    assert all(set(settings["shared"].values()) == {None} for settings in found.values())


def test_a_judge_from_scratch_is_made_once():
    raw = shipped("judge-strength")
    raw["sweep"]["variants"] = {
        "a": {"rl": {"kl_coefficient": 0.1}},
        "b": {"rl": {"kl_coefficient": 0.2}},
        "c": {"judge": {"scratch": {"steps": 9}}},
    }
    found = sweep.resolve(raw, ROOT)["variants"]
    assert (
        layout.model(found["a"], "judge")
        == layout.model(found["b"], "judge")
        == "results/judge-strength/a/models/judge"
    )
    assert layout.model(found["c"], "judge") == "results/judge-strength/c/models/judge"


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"a": {}, "b": {"rl": {"stepz": 3}}}, r"sweep.variants.b: unknown key 'rl.stepz'; did you mean 'rl.steps'"),
        ({"a": {}, "b": {"results_dir": "x"}}, "sweep.variants.b: 'results_dir' cannot differ between variants"),
        ({"a": {}, "b c": {}}, "variant name 'b c'"),
        ({"a": {}}, "sweep.variants"),
    ],
)
def test_what_is_wrong_with_a_variant_is_said_with_its_name(variants, message):
    raw = shipped("judge-strength")
    raw["sweep"]["variants"] = variants
    with pytest.raises(InputError, match=message) as error:
        sweep.resolve(raw, ROOT)
    assert "\n" not in str(error.value)


def test_a_misspelt_key_of_the_sweep_is_named():
    raw = shipped("judge-strength")
    raw["sweep"]["axes"] = raw["sweep"].pop("axis")
    with pytest.raises(InputError, match="unknown key 'sweep.axes'; did you mean 'sweep.axis'"):
        sweep.resolve(raw, ROOT)
