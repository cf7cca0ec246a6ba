"""`sft: null`: the student as it is takes the place of SFT in layout, params, sweeps, cost and checks."""

import copy

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import checks, layout, resolve, sweep
from gavel.study.cost import memory, workload
from gavel.study.cost.lengths import Lengths
from gavel.study.layout import Checkpoints
from gavel.study.rules import RULES

LENGTHS = Lengths(longest_prompt=50, response=16, longest_response=20, max_new_tokens=48, judged=80)


def shipped(**changes) -> dict:
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return raw | {"sft": None} | changes


@pytest.fixture
def study():
    return resolve.resolve(shipped(), ROOT)


def test_the_students_own_folder_is_the_only_checkpoint(study):
    assert layout.baseline(study) == "base"
    assert next(iter(layout.runs(study))) == "base"
    assert layout.runs(study)["base"] == {"algorithm": "base", "lambda": None, "seed": None, "control": None}
    folders = layout.checkpoints(study)
    assert folders["base"] == Checkpoints(layout.model(study, "student"), None)
    assert "sft" not in folders
    files = {(file.run, file.checkpoint) for file in layout.scored_files(study)}
    grid = layout.rl_runs(study)
    assert files == {("base", "last"), *((run, name) for run in grid for name in ("last", "best"))}


def test_a_student_made_from_scratch_is_the_one_that_its_rule_makes():
    made = resolve.resolve(shipped(student={"model": "scratch"}), ROOT)
    assert layout.checkpoints(made)["base"].main == "results/models/student"


def test_packages_and_processes_are_checked_without_it(study):
    checks.check_training(**{key: study[key] for key in ("sft", "rl", "compute", "evaluation")}, here=True)
    resolve.resolve(shipped(student={"model": "x/y", "dtype": "bfloat16"}, rl={"lora": {}}), ROOT)
    with pytest.raises(InputError, match="student.dtype bfloat16 is too coarse for rl's"):
        resolve.resolve(shipped(student={"model": "x/y", "dtype": "bfloat16"}), ROOT)


def test_an_sft_baseline_of_another_study_contradicts_it():
    with pytest.raises(InputError, match=r"shared.sft names a study with an SFT baseline, but sft is null"):
        resolve.resolve(shipped(shared={"sft": "results/other"}), ROOT)


def test_variants_without_sft_share_no_sft_run():
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["sweep"] = {"variants": {"a": {}, "b": {"rl": {"kl_coefficient": 0.1}}, "c": {"sft": None}, "d": {"sft": None}}}
    found = sweep.resolve(raw, ROOT)["variants"]
    assert [settings["shared"]["sft"] for settings in found.values()] == [None, "results/a", None, None]


def test_its_cost_is_a_validation(study):
    raw = copy.deepcopy(shipped(judge=study["judge"] | {"benchmark": {"questions": 50, "samples": 4}}))
    found = {item.rule: item for item in workload.work(resolve.resolve(raw, ROOT))}
    assert "train_sft" not in found
    assert found["validate_base"].completions == workload.questions(study)["validation"]
    assert set(found) <= set(RULES)
    tests, grid = workload.questions(study)["tests"], len(layout.rl_runs(study))
    samples = study["evaluation"]["samples"]
    assert found["generate"].completions == tests * ((1 + grid) * samples + 1 + 2 * grid)
    assert found["benchmark_items"].completions == 50 * (4 + 1)
    jobs = memory.jobs(study, LENGTHS)
    assert "train_sft" not in jobs
    assert jobs["validate_base"].states["weights"] == jobs["train_rl, grpo"].states["weights"]
    assert jobs["train_rl, grpo"].states["base model"] > 0


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"system": "Hi"}, r"solution: system: needs the chat template; write `chat: true`"),
        ({"chat_template_kwargs": {"a": 1}}, r"solution: chat_template_kwargs: need the chat template"),
        ({"chat": True, "chat_template_kwargs": {"messages": 1}}, r"'messages' is set by Gavel itself"),
        ({"chat": True, "chat_template_kwargs": {"api_key": "x"}}, r"solution.chat_template_kwargs"),
        ({"chat": True, "sistem": "Hi"}, r"unknown key 'solution.sistem'; did you mean 'solution.system'\?"),
    ],
)
def test_a_chat_that_cannot_be_is_refused_by_the_config(section, message):
    with pytest.raises(InputError, match=message):
        resolve.resolve(shipped(solution=section), ROOT)


def test_a_student_made_from_scratch_has_no_chat_template():
    with pytest.raises(InputError, match=r"solution.chat: a student made from scratch has no chat template"):
        resolve.resolve(shipped(solution={"chat": True}, student={"model": "scratch"}), ROOT)
