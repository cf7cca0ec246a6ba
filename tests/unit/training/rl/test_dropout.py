"""Dropout is off during RL, however an architecture implements it."""

import copy

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from gavel.models import loading, sampling
from gavel.training import lora
from gavel.training.rl import rollout
from gavel.training.rl.ppo import PPOTrainer
from gavel.training.settings import LoraSettings
from helpers import architectures, gradients

IDS = torch.arange(3, 23).unsqueeze(0)
FALCON = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def with_dropout(kind: str, probability: float = 0.3):
    """A small model of this architecture with all of its kinds of dropout."""
    names = [name for name in vars(AutoConfig.for_model(kind)) if "drop" in name]
    changes = {name: probability for name in names if not name.startswith(("classifier", "summary"))}
    if kind == "falcon":
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **FALCON | changes))
    return architectures.build(kind, **changes)


@torch.no_grad()
def randomness(model) -> float:
    """The largest difference between a model's logits in training mode and in evaluation mode."""
    training, evaluation = (model.train(mode)(IDS, use_cache=False).logits for mode in (True, False))
    return (training - evaluation).abs().max().item()


@pytest.mark.parametrize("kind", [*architectures.OWN, "falcon"])
def test_no_architecture_keeps_dropout(kind):
    model = with_dropout(kind)
    settings = {name: value for name, value in vars(model.config).items() if "drop" in name}
    assert randomness(model) > 1e-3
    loading.disable_dropout(model)
    assert randomness(model) == 0
    assert settings == {name: value for name, value in vars(model.config).items() if "drop" in name}


@pytest.fixture
def opt(tokenizer):
    """An OPT as Galactica is, with the dropout that Galactica has."""
    torch.manual_seed(0)
    own = architectures.SIZES | architectures.OWN["opt"] | {"vocab_size": len(tokenizer)}
    config = AutoConfig.for_model("opt", **own, dropout=0.1, attention_dropout=0.1, layerdrop=0.1)
    config.pad_token_id, config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager")


@pytest.mark.parametrize("packs", [True, False], ids=["packed", "each alone"])
@pytest.mark.parametrize("kind", ["grpo", "ppo"])
def test_the_first_ratio_is_one_against_the_sampler(opt, tokenizer, tmp_path, monkeypatch, kind, packs):
    made = gradients.trainer(kind, opt, tokenizer, tmp_path)
    made.packs, made.rollout_func = packs, rollout.Rollout(0, 1, 64)
    stored, pick = [], sampling._pick

    def picked(logits, rows, temperature, uniforms):
        never_ending = logits.index_fill(1, torch.tensor(tokenizer.eos_token_id), float("-inf"))
        token = pick(never_ending, rows, temperature, uniforms)
        stored.append(torch.log_softmax(logits, -1)[rows, token])
        return token

    monkeypatch.setattr(sampling, "_pick", picked)
    output = made._generate_and_score_completions(next(iter(made.get_train_dataloader())))
    made.model.train()
    now, _, _ = made._get_per_token_logps_and_entropies(
        made.model,
        torch.cat([output["prompt_ids"], output["completion_ids"]], 1),
        torch.cat([output["prompt_mask"], output["completion_mask"]], 1),
        output["completion_ids"].shape[1],
    )
    sampled = torch.stack(stored, dim=1)
    # The sampler takes the shortest prompt first.
    order = sorted(range(gradients.QUESTIONS), key=lambda i: int(output["prompt_mask"][i * 8].sum()))
    rows = torch.tensor([8 * i + row for i in order for row in range(8)])
    assert sampled.shape == now.shape
    assert ((now[rows] - sampled).exp() - 1).abs().max() < 1e-4


@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_the_critic_and_the_reference_have_no_dropout(opt, tokenizer, tmp_path, trunk):
    opt.save_pretrained(tmp_path / "start")
    start = AutoModelForCausalLM.from_pretrained(tmp_path / "start")
    made = gradients.trainer("ppo", start, tokenizer, tmp_path, kl_coefficient=0.1, ppo={"trunk": trunk})
    assert isinstance(made, PPOTrainer)
    torch.nn.init.normal_(made.critic.head.weight)
    assert randomness(made.ref_model) == 0
    batch = {
        "prompt_ids": IDS[:, :8],
        "prompt_mask": torch.ones(1, 8, dtype=torch.long),
        "completion_ids": IDS[:, 8:],
        "completion_mask": torch.ones(1, 12, dtype=torch.long),
    }
    values = [made._values(batch) for mode in (True, False) if made.model.train(mode) is made.model]
    assert torch.equal(*values)
    assert values[0].std() > 0


def test_adapters_have_no_dropout_either(opt, tokenizer, tmp_path):
    adapters = lora.adapters(LoraSettings(r=4, alpha=8, dropout=0.5, target_modules=None), "rl.lora")
    made = gradients.trainer("grpo", copy.deepcopy(opt), tokenizer, tmp_path, adapters=adapters)
    with torch.no_grad():
        for name, parameter in made.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    assert randomness(made.model) == 0
