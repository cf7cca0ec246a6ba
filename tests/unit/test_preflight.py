"""What is caught before the first job: tokenizers, labels, prompts, and weights from another pretrain split."""

import json
import shutil

import pytest

from gavel.errors import InputError
from gavel.files import write_json
from gavel.preflight import ORIGIN, check, check_origin
from gavel.provenance import file_digest

SOLUTION = {"prompt": "solve"}


def judge(model, **changes):
    return {"model": model, "prompt": "judge", "labels": [" Yes", " No"], "swap_labels": False, "chat": False} | changes


def test_good_models_pass(tiny):
    check({"model": tiny}, judge(tiny), SOLUTION)


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
        ({"chat": True}, "judge.chat: the judge's tokenizer has no chat template"),
        ({"prompt": "solve"}, r"no slot \{solution\}"),
        ({"pad_token": "<nothing>"}, "judge.pad_token: '<nothing>' is not in the vocabulary"),
    ],
)
def test_a_judge_that_cannot_work_is_refused(tiny, changes, message):
    with pytest.raises(InputError, match=message):
        check({"model": tiny}, judge(tiny, **changes), SOLUTION)


def test_a_tokenizer_without_pad_or_end_token_says_which_key_sets_it(tiny, tmp_path):
    """Galactica's tokenizer has neither."""
    folder = tmp_path / "galactica"
    shutil.copytree(tiny, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    for token in ("pad_token", "eos_token"):
        settings.pop(token)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"has no pad_token; set student.pad_token in the config"):
        check({"model": str(folder)}, judge(tiny), SOLUTION)
    check({"model": str(folder), "pad_token": "<pad>", "eos_token": "</s>"}, judge(tiny), SOLUTION)
    with pytest.raises(InputError, match="pad and end token of .* are both '</s>'"):
        check({"model": str(folder), "pad_token": "</s>", "eos_token": "</s>"}, judge(tiny), SOLUTION)


def test_weights_from_another_pretrain_split_are_refused(tmp_path):
    pretrain = tmp_path / "pretrain.jsonl"
    pretrain.write_text("{}\n")
    write_json(tmp_path / ORIGIN, {"pretrain_sha256": file_digest(pretrain)})
    check_origin(str(tmp_path), "student.model", pretrain)
    pretrain.write_text('{"question": "other"}\n')
    with pytest.raises(InputError, match="student.model: .* was made from another pretrain split"):
        check_origin(str(tmp_path), "student.model", pretrain)
