"""A study's smoke run: what it changes, that it stays valid, and that it cannot be taken for the study's result."""

from pathlib import Path

import pytest
import yaml

from gavel.common.nested import flatten, lookup, merge
from gavel.common.paths import ROOT
from gavel.study import sweep
from gavel.study.schema.study import load
from gavel.study.smoke import FIXED, LIMITS, SUFFIX, TITLE, changes, smoke
from helpers import configs
from helpers.small import STUDY

CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
JUDGE = {
    "model": "scratch",
    "kind": "pairwise",
    "reasoning": {"samples": 5, "max_new_tokens": 400},
    "benchmark": {"questions": 150},
    "self_taught": {"iterations": 3, "questions": 400},
    "rl": {"micro_batch_size": 32, "steps": 40},
    "on_weak_judge": "stop",
}


def studies(raw: dict) -> list[dict]:
    """The resolved config, or those of all variants, without looking for files."""
    if "sweep" not in raw:
        return [load(raw)]
    common = {key: value for key, value in raw.items() if key != "sweep"}
    return [load(merge(common, overlay or {})) for overlay in raw["sweep"]["variants"].values()]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_has_a_valid_and_tiny_smoke_run(path):
    raw = yaml.safe_load(path.read_text())
    tiny = yaml.safe_load(yaml.safe_dump(smoke(raw), sort_keys=False))
    before, after = studies(raw), studies(tiny)
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert new["rl"]["steps"] <= 4 and new["evaluation"]["samples"] <= 2 and new["rl"]["prompts_per_step"] <= 8
        assert max(source["limit"] or source["size"] for source in new["data"]["tests"].values()) <= 20
        assert new["rl"]["algorithms"] == old["rl"]["algorithms"]
        for section in ("student", "judge"):
            assert new[section]["model"] == old[section]["model"]
        assert new["compute"] == old["compute"] and new["controls"]["rewards"] == old["controls"]["rewards"]
        assert new["study"].endswith(SUFFIX) and new["question"].startswith(TITLE)
        assert Path(new["results_dir"]).name.endswith(SUFFIX) and new["results_dir"] != old["results_dir"]


def test_a_small_study_changes_only_in_these_keys():
    study = load(STUDY)
    changed = flatten(changes(study))
    assert {key: value for key, value in changed.items() if value != lookup(study, key)} == {
        "study": "small-smoke",
        "question": f"{TITLE}Does every part run?",
        "results_dir": "results/small-smoke",
        "data.unlabeled": 128,
        "sft.batch_size": 8,
        "sft.warmup": 1,
        "evaluation.samples": 2,
        "evaluation.ks": [1, 2],
    }


def test_the_default_study_has_its_folder_beside_other_studies():
    assert smoke(configs.default())["results_dir"] == "results/tiny-smoke"
    assert smoke(configs.default() | {"study": "x", "results_dir": "/scratch/x"})["results_dir"] == "/scratch/x-smoke"
    assert smoke({**configs.default(), "study": "x", "results_dir": None})["results_dir"] == "results/x-smoke"


def test_of_a_grid_one_lambda_and_one_seed_are_left():
    tiny = smoke(configs.default())["rl"]
    assert (tiny["algorithms"], tiny["lambda"], tiny["seeds"]) == (["grpo", "ppo"], [0.5], [0])
    raw = configs.default()
    raw["primary"] |= {"seed": 2, "lambda": 1}
    assert (smoke(raw)["rl"]["lambda"], smoke(raw)["rl"]["seeds"]) == ([1], [2])


def test_numbers_only_become_smaller():
    raw = merge(configs.default(), {"judge": JUDGE, "student": {"model": "scratch"}})
    before, after = load(raw), load(smoke(raw))
    for path in LIMITS:
        if "verifier" not in path and "schedule" not in path:  # which this study leaves out
            assert lookup(after, path) <= min(lookup(before, path), LIMITS[path]), path
    for path, value in FIXED.items():
        assert lookup(after, path) == value
    assert after["data"]["unlabeled"] >= 3 * after["judge"]["self_taught"]["questions"]
    assert after["data"]["validation"] >= 2 * after["judge"]["benchmark"]["questions"]
    assert after["judge"]["self_taught"]["sft"]["steps"] == 4


def test_what_is_small_already_stays():
    raw = merge(configs.default(), {"rl": {"steps": 1, "validation": {"every": 1}}, "data": {"labeled": 4}})
    after = load(smoke(raw))
    assert (after["rl"]["steps"], after["rl"]["validation"]["every"], after["data"]["labeled"]) == (1, 1, 4)


def test_what_a_study_leaves_out_stays_out():
    assert smoke(configs.default() | {"sft": None})["sft"] is None
    assert load(smoke(configs.default()))["judge"]["self_taught"] is None


def test_a_study_that_would_stop_for_its_quality_goes_on():
    raw = merge(configs.default(), {"judge": {"on_weak_judge": "stop"}, "rl": {"signal": {"on_weak": "stop"}}})
    after = load(smoke(raw))
    assert (after["judge"]["on_weak_judge"], after["rl"]["signal"]["on_weak"]) == ("warn", "warn")


def test_fractions_are_of_fewer_rows():
    rows = {"reader": "rows", "path": "mine.csv"}
    data = {"train": rows, "labeled": 0.3, "unlabeled": 0.6, "validation": 50, "tests": {"own": rows}, "pretrain": None}
    after = load(smoke(configs.default() | {"data": data, "primary": {"test_set": "own"}}))["data"]
    assert (after["labeled"], after["train"]["limit"], after["tests"]["own"]["limit"]) == (0.3, 1000, 20)
    assert after["validation"] == 40


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize(
    ("prompts", "generations", "minibatches", "micro"), [(24, 8, 4, 2), (48, 3, 2, None), (24, 6, 3, 2)]
)
def test_batches_still_divide(processes, prompts, generations, minibatches, micro):
    sizes = {"prompts_per_step": prompts, "num_generations": generations, "micro_batch_size": micro}
    rl = sizes | {"ppo": {"minibatches": minibatches}}
    raw = merge(configs.default(), {"rl": rl, "sft": {"batch_size": 24, "micro_batch_size": 1}})
    raw["compute"] = {"processes": processes}
    load(raw)
    load(smoke(raw))


def test_a_sweep_has_all_its_variants():
    raw = yaml.safe_load((ROOT / "config" / "judges.yaml").read_text())
    for source in (raw, smoke(raw)):
        found = sweep.resolve(source, ROOT)
        assert list(found["variants"]) == list(raw["sweep"]["variants"])
    assert found["results_dir"] == "results/judges-smoke" and found["question"].startswith(TITLE)
    assert found["variants"]["weak"]["results_dir"] == "results/judges-smoke/weak"
    assert found["variants"]["taught"]["judge"]["self_taught"]["questions"] == 60


def test_nothing_is_reused_from_another_study():
    raw = configs.default() | {"shared": {"sft": "results/other"}}
    assert set(smoke(raw)["shared"].values()) == {None}
