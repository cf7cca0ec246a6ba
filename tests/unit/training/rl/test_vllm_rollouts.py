"""What TRL's correction for vLLM does to a rollout, and the options of its engine, on a stand-in for the engine."""

import sys
from types import ModuleType

import pytest
import torch
from datasets import Dataset
from trl.generation import vllm_generation
from trl.trainer import grpo_trainer

from gavel.common import requirements
from gavel.common.dataclass_config import from_section
from gavel.models.sampling import sample
from gavel.study import params
from gavel.study.schema import training
from gavel.training.rl import algorithms, grpo_config, vllm_rollouts
from gavel.training.rl.algorithms import Passes
from gavel.training.rl.grpo import PackedGRPOTrainer
from gavel.training.rl.settings import RLSettings, VllmSettings
from gavel.training.rl.vllm_rollouts import LOGP_DIFFERENCE, CorrectionMonitor, engine_options

SECTION = training.Rl(steps=1, prompts_per_step=2, num_generations=4, warmup=0, temperature=0.7, learning_rate=1e-3)
SETTINGS = from_section(RLSettings, params.rl({"rl": SECTION.model_dump(by_alias=True)}), "rl")


def vllm(**changes) -> VllmSettings:
    return from_section(VllmSettings, training.Vllm(**changes).model_dump(), "rl.vllm")


def measured(settings, ratio, mask=None, difference=0.01):
    monitor = CorrectionMonitor.of(settings)
    ratio = torch.tensor(ratio)
    mask = torch.ones_like(ratio) if mask is None else torch.tensor(mask)
    return monitor({"importance_sampling_ratio": ratio, "completion_mask": mask}, {LOGP_DIFFERENCE: [9.0, difference]})


def test_masked_completions_are_counted():
    found = measured(vllm(), [[1.1], [0.0], [2.9], [0.0]])
    assert found == {"sampling/masked": 2, "sampling/masked_fraction": 0.5}


def test_masked_tokens_are_counted_among_those_of_completions_only():
    found = measured(vllm(importance_sampling_mode="token_mask"), [[1.0, 0.0], [0.0, 0.0]], [[1, 1], [1, 0]])
    assert found == {"sampling/masked": 2, "sampling/masked_fraction": 2 / 3}


def test_truncated_ratios_are_counted_at_both_limits():
    limits = {"importance_sampling_clip_max": 1.2, "importance_sampling_clip_min": 0.7}
    settings = vllm(importance_sampling_mode="sequence_truncate", **limits)
    ratio = torch.tensor([[0.1], [5.0], [1.0], [1.19]]).clamp(min=0.7, max=1.2).tolist()
    assert measured(settings, ratio) == {"sampling/truncated": 2, "sampling/truncated_fraction": 0.5}


def test_without_a_correction_nothing_is_measured():
    assert CorrectionMonitor.of(vllm(importance_sampling_mode=None)) is None
    assert CorrectionMonitor.of(None) is None


def test_a_large_difference_is_told_once(capsys):
    monitor = CorrectionMonitor.of(vllm(warn_logp_difference=0.1))
    rollout = {"importance_sampling_ratio": torch.ones(2, 1), "completion_mask": torch.ones(2, 3)}
    for difference in (0.09, 0.25, 0.3):
        monitor(rollout, {LOGP_DIFFERENCE: [difference]})
    told = capsys.readouterr().err
    assert told.count("warning:") == 1
    assert "differ by 0.25 nats a token on average, more than rl.vllm.warn_logp_difference (0.1)" in told


@pytest.mark.parametrize(
    ("settings", "bf16", "dtype"),
    [(vllm(), False, "float32"), (vllm(), True, "bfloat16"), (vllm(dtype="float16"), True, "float16")],
)
def test_the_engine_computes_as_training_does_with_random_numbers_of_its_run(monkeypatch, settings, bf16, dtype):
    started = []
    monkeypatch.setattr(vllm_generation, "LLM", lambda **options: started.append(options), raising=False)
    for seed in (0, 1):
        with engine_options(settings, dtype=torch.float32, bf16=bf16, seed=seed):
            vllm_generation.LLM(model="m", seed=1)
    vllm_generation.LLM(model="m", seed=1)
    assert [options.get("dtype") for options in started] == [dtype, dtype, None]
    assert [options.get("enforce_eager") for options in started] == [True, True, None]
    assert started[0]["seed"] == started[2]["seed"] == 1
    assert started[1]["seed"] not in (0, 1)


def test_vllm_for_cpus_keeps_the_weights_that_trl_replaces(monkeypatch):
    """It would multiply by a packed copy instead."""
    layers = ModuleType("layers")
    layers.dispatch_cpu_unquantized_gemm = packs = object()
    monkeypatch.setitem(sys.modules, "vllm.model_executor.layers.utils", layers)
    monkeypatch.setattr(vllm_rollouts, "vllm_is_for_cpus", lambda: True)
    monkeypatch.setattr(vllm_generation, "LLM", None, raising=False)
    with engine_options(vllm(), dtype=torch.float32, bf16=False, seed=0):
        layer = torch.nn.Linear(2, 3, bias=False)
        layers.dispatch_cpu_unquantized_gemm(layer, remove_weight=True)
    assert layers.dispatch_cpu_unquantized_gemm is packs
    layer.weight.data.fill_(2.0)
    assert layer.cpu_linear(torch.ones(1, 2), layer.weight, None).tolist() == [[4.0, 4.0, 4.0]]


def test_a_server_s_engine_is_not_ours(monkeypatch):
    monkeypatch.setattr(vllm_generation, "LLM", None, raising=False)
    for settings in (None, vllm(mode="server", base_url="http://x")):
        with engine_options(settings, dtype=torch.float32, bf16=False, seed=0):
            assert vllm_generation.LLM is None


class Engine:
    """Stands for TRL's `VLLMGeneration`: samples with the policy, and lies about some log-probabilities."""

    lie = 0.0  # what it adds to the log-probability of each token of every other completion

    def __init__(self, *, model, processing_class, max_completion_length, temperature, **options):
        self.model, self.tokenizer = model, processing_class
        self.options = {"max_new_tokens": max_completion_length, "temperature": temperature}

    def sync_weights(self):
        pass

    def generate(self, prompts, images, num_generations, profiler=None):
        texts = [self.tokenizer.decode(ids) for ids in prompts[::num_generations]]
        groups = sample(self.model, self.tokenizer, texts, n=num_generations, seed=0, batch_size=64, **self.options)
        completions = [one.ids for group in groups for one in group]
        logps = [
            [[value + Engine.lie * (i % 2)] for value in self.logps(prompt, completion)]
            for i, (prompt, completion) in enumerate(zip(prompts, completions, strict=True))
        ]
        return prompts, completions, logps, None

    def logps(self, prompt, completion) -> list[float]:
        with torch.no_grad():
            logits = self.model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        chosen = torch.log_softmax(logits / self.options["temperature"], -1)
        return chosen.gather(1, torch.tensor(completion).unsqueeze(1)).squeeze(1).tolist()


@pytest.fixture
def train(model, tokenizer, tmp_path, monkeypatch):
    """One rollout of two questions x four completions that the stand-in samples; gives TRL's metrics."""
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", Engine)
    monkeypatch.setattr(requirements, "find_spec", lambda name: name)

    def run(lie: float, **changes):
        monkeypatch.setattr(Engine, "lie", lie)
        asked = vllm(**changes)
        made = PackedGRPOTrainer(
            model=model,
            reward_funcs=lambda completions, **_: [float(len(text) % 5) for text in completions],
            args=grpo_config.trainer_config(algorithms.get("grpo"), SETTINGS, Passes(1, 1), 8, 0, str(tmp_path), asked),
            train_dataset=Dataset.from_list([{"prompt": f"Ben has {i} keys"} for i in range(4)]),
            processing_class=tokenizer,
            correction=CorrectionMonitor.of(asked),
        )
        before = {name: value.detach().clone() for name, value in made.model.named_parameters()}
        made.train()
        moved = any(not torch.equal(before[name], value) for name, value in made.model.named_parameters())
        return made.state.log_history[0] | {"moved": moved}

    return run


def test_an_engine_that_agrees_loses_nothing(train):
    found = train(0.0)
    assert found[LOGP_DIFFERENCE] < 1e-5
    assert found["sampling/importance_sampling_ratio/mean"] == pytest.approx(1, abs=1e-4)
    assert (found["sampling/masked"], found["sampling/masked_fraction"]) == (0, 0)
    assert found["moved"]


def test_one_that_does_not_loses_what_it_lied_about(train):
    found = train(-2.0)  # each such token is e**2 times as likely under the trainer
    assert found[LOGP_DIFFERENCE] == pytest.approx(1, abs=0.5)
    assert (found["sampling/masked"], found["sampling/masked_fraction"]) == (4, 0.5)


def test_a_wider_limit_keeps_it(train):
    assert train(-2.0, importance_sampling_clip_max=1e9)["sampling/masked"] == 0


def test_truncation_keeps_it_with_less_weight(train):
    found = train(-2.0, importance_sampling_mode="token_truncate", importance_sampling_clip_max=1.5)
    assert found["sampling/importance_sampling_ratio/max"] == pytest.approx(1.5)
    assert 0 < found["sampling/truncated_fraction"] < 1


def test_without_the_correction_trl_measures_nothing(train):
    found = train(-2.0, importance_sampling_mode=None)
    assert found["moved"]
    assert not [name for name in found if name.startswith("sampling/")]
