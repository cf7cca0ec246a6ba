"""The GPU check's models, sizes and figures; on a CPU the models are small ones of the same architectures."""

import json
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, TrainerCallback

from gavel.common.paths import ROOT
from gavel.models import loading

ASKED = os.environ.get("GAVEL_GPU_CHECK")
ON_GPU = ASKED == "cuda"
STUDENT, JUDGE = (str(ROOT / "resources" / "models" / name) for name in ("student", "judge"))
ADAM = 16  # bytes a trained parameter: its float32 weight and gradient, and Adam's two moments
ADAPTED = 2 * 4  # bytes a parameter under LoRA: its float32 weight, and as much again for adapters and rounding up

SMALL = {"vocab_size": 2048, "num_hidden_layers": 2, "max_position_embeddings": 2048}


class Shape(NamedTuple):
    """An architecture, and its sizes on a GPU and on a CPU."""

    architecture: str
    sizes: dict[str, int]
    small: dict[str, int]


# As their config.json has them; both tie their embeddings.
SHAPES = {
    "SmolLM2-135M": Shape(
        "llama",
        {
            "vocab_size": 49152,
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "max_position_embeddings": 8192,
        },
        {"hidden_size": 72, "intermediate_size": 192, "num_attention_heads": 9, "num_key_value_heads": 3},
    ),
    "Qwen2.5-1.5B": Shape(
        "qwen2",
        {
            "vocab_size": 151936,
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_hidden_layers": 28,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32768,
        },
        {"hidden_size": 96, "intermediate_size": 288, "num_attention_heads": 12, "num_key_value_heads": 2},
    ),
}


@dataclass(frozen=True)
class Sizes:
    """How much is computed.

    Attributes:
        sft_batch, sft_steps: examples in an optimiser step of SFT, and steps.
        prompts, generations: questions in a rollout, and completions of each.
        new_tokens: in a completion.
        rl_steps: rollouts.
        micro: examples or completions in a forward and backward pass.
        judged: questions whose responses are judged, eight of each.
        square: rows and columns of the matrices whose product gives the device's rate.
    """

    sft_batch: int
    sft_steps: int
    prompts: int
    generations: int
    new_tokens: int
    rl_steps: int
    micro: int
    judged: int
    square: int


SIZES = Sizes(16, 4, 8, 8, 96, 3, 8, 64, 8192) if ON_GPU else Sizes(4, 3, 2, 4, 12, 3, 4, 4, 512)


def config(shape: str):
    """The configuration of a shape, with the pad and end tokens of the shipped tokenizer."""
    about = SHAPES[shape]
    sizes = about.sizes if ON_GPU else SMALL | about.small
    tokens = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None, "tie_word_embeddings": True}
    return AutoConfig.for_model(about.architecture, **sizes, **tokens)


def parameters(shape: str) -> int:
    """Number of parameters of a shape."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config(shape)).num_parameters()


def build(shape: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A model of random weights, the same at every call, with the attention that `load_model` chooses on a GPU.

    As weights are initialised, attention is close to uniform, and with tied embeddings the model repeats its last
    token. So the layers' matrices are doubled, embeddings are a tenth, and logits have a standard deviation of 2.
    """
    torch.manual_seed(0)
    with torch.device(loading.device()):
        model = AutoModelForCausalLM.from_config(config(shape), attn_implementation="sdpa", dtype=dtype).eval()
    embeddings, norm = model.get_input_embeddings().weight, model.base_model.norm.weight
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(0.1 if parameter is embeddings else 2)
        norm.fill_(2 / (embeddings.float().std() * math.sqrt(embeddings.shape[1])))
    return model


def tokenizer(shape: str, folder: Path):
    """The shipped student's tokenizer with the vocabulary of a shape: further tokens are numbers of several digits.

    No text becomes one of them, but a model of random weights writes hardly anything else.
    """
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes(Path(STUDENT, name).read_bytes())
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    known = content["model"]["vocab"]
    first = len(known) + sum(token["id"] >= len(known) for token in content["added_tokens"])
    known |= {f"Ġ{number}": number for number in range(first, config(shape).vocab_size)}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return loading.load_tokenizer(str(folder))


def need(gib: float) -> None:
    """Skip the test on a GPU with less memory than this."""
    if ON_GPU:
        there = torch.cuda.get_device_properties(0).total_memory / 2**30
        if there < gib:
            pytest.skip(f"needs {gib:.0f} GiB of GPU memory; {torch.cuda.get_device_name()} has {there:.0f}")


def clock() -> float:
    """Seconds, once the GPU has done all that it was asked for."""
    if ON_GPU:
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """Median seconds of some work, after a round that does not count."""
    found = []
    for _ in range(rounds + 1):
        started = clock()
        work()
        found.append(clock() - started)
    return statistics.median(found[1:])


class Steps(TrainerCallback):
    """Seconds of each step, and of what `timed` wraps within it."""

    def __init__(self):
        self.steps: list[float] = []
        self.parts: list[float] = []

    def on_step_begin(self, args, state, control, **_):
        self.parts.append(0.0)
        self.started = clock()

    def on_step_end(self, args, state, control, **_):
        self.steps.append(clock() - self.started)

    def timed(self, work: Callable) -> Callable:
        def call(*args, **kwargs):
            started = clock()
            result = work(*args, **kwargs)
            self.parts[-1] += clock() - started
            return result

        return call


class PeakMemory:
    """Peak memory within a block, in GiB: the GPU's, or the process's where there is none."""

    def __enter__(self):
        if ON_GPU:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        return self

    def __exit__(self, *_):
        if ON_GPU:
            self.gib = torch.cuda.max_memory_allocated() / 2**30
        else:
            lines = Path("/proc/self/status").read_text().splitlines()
            self.gib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20
