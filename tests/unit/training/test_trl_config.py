"""What every TRL configuration is given, whatever it trains, and that a trainer shards what it was asked to shard."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from trl import DPOConfig, SFTConfig

from gavel.common.errors import InputError
from gavel.study.schema.training import Sft
from gavel.training import distributed, trl_config
from gavel.training.sft import SFTSettings
from gavel.training.state import RunState

SECTION = Sft(
    learning_rate=1e-3, max_grad_norm=0.5, gradient_checkpointing=True, batch_size=12, micro_batch_size=4
).model_dump(exclude={"seed"})
SETTINGS = SFTSettings(**SECTION)


@pytest.mark.parametrize("kind", [SFTConfig, DPOConfig])
def test_a_trainer_saves_and_reports_nothing_itself(kind, tmp_path):
    made = trl_config.supervised(kind, SETTINGS, tmp_path, "sft", max_steps=7, seed=5)
    assert (made.save_strategy, made.report_to, made.disable_tqdm) == ("no", [], True)
    assert (made.learning_rate, made.max_grad_norm, made.gradient_checkpointing) == (1e-3, 0.5, True)
    assert (made.max_steps, made.seed, made.max_length, made.logging_steps) == (7, 5, None, 1)
    assert (made.per_device_train_batch_size, made.gradient_accumulation_steps) == (4, 3)
    assert made.use_cpu and made._n_gpu <= 1 and made.output_dir == str(tmp_path)


def test_a_batch_that_does_not_divide_is_named_by_its_section(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"judge\.self_taught\.micro_batch_size: 12 examples a step do not divide"):
        trl_config.supervised(SFTConfig, replace(SETTINGS, micro_batch_size=5), tmp_path, "judge.self_taught")
    monkeypatch.setattr(distributed, "processes", lambda: 5)
    with pytest.raises(InputError, match=r"sft\.batch_size is 12, which 5 processes"):
        trl_config.supervised(SFTConfig, SETTINGS, tmp_path, "sft")


@pytest.mark.parametrize("kind", ["fsdp", "deepspeed"])
def test_a_trainer_that_has_ignored_the_sharding_does_not_train(tmp_path, monkeypatch, kind):
    """As accelerate does on CPUs, without a word."""
    monkeypatch.setenv(f"ACCELERATE_USE_{kind.upper()}", "true")
    trained = []
    trainer = SimpleNamespace(
        is_fsdp_enabled=False,
        is_deepspeed_enabled=False,
        accelerator=SimpleNamespace(distributed_type="MULTI_CPU"),
        train=lambda resume_from_checkpoint: trained.append(resume_from_checkpoint),
    )
    state = RunState(tmp_path, "d")
    with pytest.raises(RuntimeError, match=f"MULTI_CPU instead of {kind}"):
        trl_config.resume(trainer, state)
    setattr(trainer, f"is_{kind}_enabled", True)
    trl_config.resume(trainer, state)
    assert trained == [None]
