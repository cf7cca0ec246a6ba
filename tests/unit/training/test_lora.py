"""LoRA: adapters are trained, plain models are saved, and a run goes on from its adapters."""

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from gavel.common.dataclass_config import from_section
from gavel.common.files import write_jsonl
from gavel.jobs.launch import RunFolders
from gavel.models import loading
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.study.schema.training import Lora, Ppo, Sft
from gavel.training import lora, sft
from gavel.training.rl import grpo, validation_actions
from gavel.training.settings import LoraSettings
from gavel.training.sft import SFTSettings
from gavel.training.state import policy_state, save_policy
from helpers.small_run import small_job, small_run

LORA = {"lora": Lora(r=2, alpha=4).model_dump()}


def weights(folder):
    return loading.load_model(str(folder)).state_dict()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Cut(Exception):
    pass


class Cutter:
    """Ends the training once step 2 is saved."""

    def mirror(self, journal, up_to_step):
        if up_to_step == 2:
            raise Cut


def test_a_run_trains_adapters_and_leaves_a_plain_model(tiny, rows, tmp_path, record_run):
    record_run(algorithm="grpo", lora=True)
    small_run(tmp_path, tiny, rows, settings=LORA | {"gradient_checkpointing": True, "kl_coefficient": 0.1})
    start, final = weights(tiny), weights(tmp_path / "out" / "final")
    assert final.keys() == start.keys()
    moved = {name for name in start if not torch.equal(start[name], final[name])}
    assert moved == {name for name in start if name.endswith("_proj.weight")}
    (checkpoint,) = (tmp_path / "state" / "checkpoints").glob("checkpoint-*")
    assert (checkpoint / "adapter_model.safetensors").exists()
    assert not (checkpoint / "model.safetensors").exists()
    theirs = PeftModel.from_pretrained(loading.load_model(tiny), str(checkpoint)).merge_and_unload().state_dict()
    assert max((theirs[name] - final[name]).abs().max() for name in final) < 1e-6


@pytest.mark.parametrize(("algorithm", "trunk"), [("grpo", "own"), ("ppo", "own"), ("ppo", "shared")])
def test_a_resumed_run_is_the_uninterrupted_one(tiny, rows, tmp_path, algorithm, trunk, record_run):
    record_run(algorithm=algorithm, lora=True, resume=True)
    changes = {"algorithm": algorithm, "settings": LORA | {"ppo": Ppo(critic_warmup=1, trunk=trunk).model_dump()}}
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    small_run(tmp_path / "whole", tiny, rows, **changes)
    with pytest.raises(Cut):
        small_run(tmp_path / "cut", tiny, rows, mirror=Cutter(), **changes)
    small_run(tmp_path / "cut", tiny, rows, **changes)
    whole, cut = (weights(tmp_path / name / "out" / "final") for name in ("whole", "cut"))
    assert same(whole, cut)
    assert whole.keys() == weights(tiny).keys()
    assert not same(whole, weights(tiny))
    if algorithm == "ppo":
        (critic,) = (tmp_path / "cut" / "state").glob("checkpoints/*/critic.safetensors")
        assert load_file(critic)["head.weight"].abs().sum() > 0


@pytest.mark.parametrize("action", ["stop", "rollback"])
def test_a_run_that_ended_early_is_not_trained_further(tiny, rows, tmp_path, monkeypatch, action):
    monkeypatch.setattr(validation_actions, "has_collapsed", lambda validations, drop, patience: len(validations) > 3)
    changes = {"settings": LORA, "validation": {"on_collapse": action}}
    assert small_run(tmp_path, tiny, rows, **changes)["ended"] == {"step": 3, "action": action}
    monkeypatch.setattr(grpo.PackedGRPOTrainer, "train", lambda *args, **kwargs: pytest.fail("it trains again"))
    small_run(tmp_path, tiny, rows, "again", **changes)
    final = weights(tmp_path / "out" / "final")
    assert same(final, weights(tmp_path / "again" / "final"))
    assert not same(final, weights(tiny))
    if action == "rollback":
        assert same(final, weights(tmp_path / "out" / "best"))


def test_the_baseline_trains_adapters_too(tiny, rows, tmp_path, record_run):
    record_run(algorithm="sft", lora=True)
    files = {}
    for name, part in (("labeled", rows[:8]), ("validation", rows[8:12])):
        files[name] = str(tmp_path / f"{name}.jsonl")
        write_jsonl(files[name], [{"id": str(i)} | row for i, row in enumerate(part)])
    section = Sft(epochs=2, batch_size=4, warmup=0).model_dump(exclude={"seed"}) | LORA
    job = small_job(tmp_path, tiny, rows)
    sft.train(
        **files,
        run=RunFolders(**job["run"]),
        student=Student(tiny),
        task=Task(**job["task"]),
        settings=from_section(SFTSettings, section, "sft"),
        seed=0,
    )
    start, final = weights(tiny), weights(tmp_path / "out" / "final")
    assert final.keys() == start.keys()
    assert not same(start, final)
    assert torch.equal(start["model.embed_tokens.weight"], final["model.embed_tokens.weight"])


def test_saving_leaves_the_adapters_and_the_base_as_they_are(model, tokenizer, tmp_path):
    """Merging in place and back would leave rounding in the frozen weights."""
    from peft import get_peft_model

    plain = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = get_peft_model(model, lora.adapters(LoraSettings(**LORA["lora"]), "rl.lora"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    before = {name: value.clone() for name, value in adapted.state_dict().items()}
    save_policy(adapted, tokenizer, tmp_path)
    assert same(before, adapted.state_dict())
    merged = policy_state(adapted)
    assert merged.keys() == plain.keys()
    ids = tokenizer("Ben has 4 keys", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        wanted, found = adapted.eval()(ids).logits, loading.load_model(str(tmp_path))(ids).logits
    assert torch.allclose(wanted, found, atol=1e-4)
