"""The folder of a model: a copy of the checkpoint that loads, or the adapters of a run with LoRA."""

import json
import shutil

import pytest
import torch
import yaml
from peft import AutoPeftModelForCausalLM
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from gavel.common.errors import InputError
from gavel.common.files import read_json, write_json
from gavel.publish.chosen import Plan, choose
from gavel.publish.model import write_model
from gavel.publish.model_card import model_card
from gavel.study.schema.training import Lora
from helpers.publishable import RUN
from helpers.small_run import small_run


@pytest.fixture(scope="module")
def trained(tiny, rows, made, tmp_path_factory):
    """A study whose run was really trained with LoRA."""
    folder = tmp_path_factory.mktemp("lora")
    root = shutil.copytree(made, folder / "results")
    shutil.rmtree(root / "runs" / RUN)
    shutil.rmtree(root / "state" / RUN)
    small_run(folder, tiny, rows, settings={"lora": Lora(r=2, alpha=4).model_dump()})
    shutil.move(folder / "out", root / "runs" / RUN)
    shutil.move(folder / "state", root / "state" / RUN)
    about = read_json(root / "runs" / RUN / "run.json")
    write_json(root / "runs" / RUN / "run.json", about | {"run": RUN})
    return root


@pytest.fixture
def lora(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "lora")


def publish(results, folder, run=RUN, **plan):
    write_model(choose(str(results), run), Plan(**plan), folder)
    return folder


@pytest.mark.parametrize("run", ["sft", RUN])
def test_it_is_the_checkpoint_of_the_main_results(results, tmp_path, run):
    main = results / "runs" / run / ("best" if run == "sft" else "final")
    (main / "generation_config.json").write_text('{"max_new_tokens": 7}')
    (main / "training_args.bin").write_bytes(b"of the trainer")
    (main / "README.md").write_text("# Another card")
    folder = publish(results, tmp_path / "model", run)
    left_out = {"training_args.bin", "README.md"}
    assert {path.name for path in folder.iterdir()} == {path.name for path in main.iterdir()} - left_out
    for path in folder.iterdir():
        assert path.read_bytes() == (main / path.name).read_bytes()
    assert AutoModelForCausalLM.from_pretrained(folder).generation_config.max_new_tokens == 7
    assert AutoTokenizer.from_pretrained(folder)("one?").input_ids


def test_deleted_weights_are_an_error(results, tmp_path):
    (results / "runs" / RUN / "final/model.safetensors").unlink()
    with pytest.raises(InputError, match="final: has no weights .* deleted to save space; run the study again"):
        publish(results, tmp_path / "model")


def test_adapters_on_their_base_are_the_published_policy(lora, tiny, tmp_path):
    folder = publish(lora, tmp_path / "model", adapters=True, base="me/base")
    assert {path.name for path in folder.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "tokenizer_config.json"
    }  # fmt: skip
    config = read_json(folder / "adapter_config.json")
    assert (config["base_model_name_or_path"], config["revision"]) == ("me/base", None)
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": tiny}))
    merged = AutoPeftModelForCausalLM.from_pretrained(folder).merge_and_unload().state_dict()
    final = load_file(lora / "runs" / RUN / "final/model.safetensors")
    start = load_file(f"{tiny}/model.safetensors")
    assert max((merged[name] - final[name]).abs().max() for name in final) < 1e-6
    assert any(not torch.equal(start[name], final[name]) for name in final)


def test_the_card_of_adapters_names_their_base(lora):
    text = model_card(choose(str(lora), RUN), Plan(adapters=True, base="me/base"))
    found = yaml.safe_load(text.split("---")[1])
    assert (found["base_model"], found["base_model_relation"], found["library_name"]) == ("me/base", "adapter", "peft")
    assert 'AutoPeftModelForCausalLM.from_pretrained("PATH_OF_THIS_FOLDER")  # adapters of me/base' in text
    assert "| LoRA | rank 2 |" in text


def test_without_sft_the_base_is_the_student_from_the_hub(lora, tmp_path):
    config = yaml.safe_load((lora / "config.yaml").read_text())
    (lora / "config.yaml").write_text(yaml.safe_dump(config | {"sft": None}))
    shutil.rmtree(lora / "runs/sft")
    with pytest.raises(InputError, match="its adapters fit only the student, which is not from the hub"):
        publish(lora, tmp_path / "none", adapters=True)
    about = {"kind": "model", "name": "owner/student", "revision": None, "commit": "c" * 40}
    write_json(lora / "hub/student/.hub.json", about)
    found = read_json(publish(lora, tmp_path / "model", adapters=True) / "adapter_config.json")
    assert (found["base_model_name_or_path"], found["revision"]) == ("owner/student", "c" * 40)


def test_adapters_on_an_unpublished_policy_are_refused(lora, tmp_path):
    with pytest.raises(InputError, match="fit only the SFT policy; publish that first and name it with --base-model"):
        publish(lora, tmp_path / "model", adapters=True)


def test_runs_without_adapters_say_so(results, lora, tmp_path):
    plan = {"adapters": True, "base": "me/base"}
    for run in ("sft", RUN):
        with pytest.raises(InputError, match=f"{run}: only RL runs with rl.lora keep their adapters"):
            publish(results, tmp_path / run, run, **plan)
    path = lora / "runs" / RUN / "run.json"
    about = read_json(path)
    write_json(path, about | {"ended": {"step": 3, "action": "rollback"}})
    with pytest.raises(InputError, match="its result is its best checkpoint, whose adapters are not kept"):
        publish(lora, tmp_path / "rollback", **plan)
    write_json(path, about)
    shutil.rmtree(lora / "state" / RUN)
    with pytest.raises(InputError, match="checkpoints: has no adapter_config.json, as if the run's state was deleted"):
        publish(lora, tmp_path / "deleted", **plan)
