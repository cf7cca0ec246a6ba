"""SFT on packed rows: TRL's losses, metrics and weights, whatever the model's head and the batch's lengths."""

import random

import pytest
import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from gavel.models.loading import disable_dropout
from gavel.training.packing import IGNORED
from gavel.training.sft_trainer import PackedCollator, PackedSFTTrainer
from helpers.architectures import build


def examples(count=12, seed=0):
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        prompt, solution = rng.randint(1, 12), rng.randint(1, 20)
        ids = [rng.randrange(3, 64) for _ in range(prompt + solution)]
        rows.append({"input_ids": ids, "completion_mask": [0] * prompt + [1] * solution})
    return rows


def trained(kind, model, tokenizer, folder, **changes):
    """The logged metrics of three steps and the weights after them."""
    options = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1} | changes
    config = SFTConfig(
        output_dir=str(folder), max_steps=3, learning_rate=1e-2, lr_scheduler_type="constant", logging_steps=1,
        report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, completion_only_loss=True,
        save_strategy="no", disable_tqdm=True, shuffle_dataset=False, seed=0, **options,
    )  # fmt: skip
    trainer = kind(model=model, args=config, train_dataset=Dataset.from_list(examples()), processing_class=tokenizer)
    trainer.train()
    names = ("loss", "grad_norm", "entropy", "mean_token_accuracy", "num_tokens")
    return [[row[name] for name in names] for row in trainer.state.log_history if "loss" in row], trainer


@pytest.mark.parametrize("changes", [{}, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}])
@pytest.mark.parametrize("kind", ["llama", "opt", "gpt2", "qwen2", "bloom"])
def test_training_is_trls(kind, tokenizer, tmp_path, changes):
    models = [build(kind, scale=2) for _ in range(2)]
    for model in models:
        disable_dropout(model)
    theirs, _ = trained(SFTTrainer, models[0], tokenizer, tmp_path / "trl", **changes)
    ours, trainer = trained(PackedSFTTrainer, models[1], tokenizer, tmp_path / "packed", **changes)
    assert trainer.packs is (kind != "bloom")
    assert len(ours) == 3
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    for (name, mine), wanted in zip(models[1].named_parameters(), models[0].parameters(), strict=True):
        assert torch.allclose(mine, wanted, atol=2e-3), name


def test_trls_head_scores_packed_rows_too(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr("gavel.training.sft_trainer.has_plain_head", lambda model: False)
    theirs, _ = trained(SFTTrainer, build("llama", scale=2), tokenizer, tmp_path / "trl")
    ours, trainer = trained(PackedSFTTrainer, build("llama", scale=2), tokenizer, tmp_path / "packed")
    assert trainer.packs and not trainer.own_head
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


def test_a_batch_has_hardly_any_padding():
    rows = examples(count=64)
    masks = ((row["input_ids"], row["completion_mask"]) for row in rows)
    labels = [[i if trained else IGNORED for i, trained in zip(*row, strict=True)] for row in masks]
    packed = PackedCollator(tree=True)([row | {"labels": own} for row, own in zip(rows, labels, strict=True)])
    real = sum(len(row["input_ids"]) for row in rows)
    padded = len(rows) * max(len(row["input_ids"]) for row in rows)
    assert int(packed["count"]) == real
    assert packed["ids"].numel() < 1.1 * real < 0.8 * padded
