"""The sizes of student and judge, from a table of hub models, or from the files of a model that is there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import safe_open

from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.common.paths import ROOT, is_gguf
from gavel.models.gguf import Header, read_header
from gavel.study import layout
from gavel.study.named_judge import judge_settings, parts, watching_judges


@dataclass(frozen=True)
class Size:
    """A model's size.

    Attributes:
        parameters: all weights, with embeddings.
        layers: their number.
        kv_width: width of a token's key (or value) in a layer.
        width: hidden size.
        inner: width of a layer's feed-forward network.
        heads: attention heads.
        vocabulary: number of embeddings.
        gated: whether the feed-forward network has a gate (Llama, Qwen2, Gemma; not OPT).
    """

    parameters: float
    layers: int
    kv_width: int
    width: int
    inner: int
    heads: int
    vocabulary: int
    gated: bool = True


# From the models' cards and configs on the hub.
SIZES = {
    "facebook/galactica-125m": Size(125e6, 12, 768, 768, 3072, 12, 50000, gated=False),
    "facebook/galactica-1.3b": Size(1.3e9, 24, 2048, 2048, 8192, 32, 50000, gated=False),
    "facebook/galactica-6.7b": Size(6.7e9, 32, 4096, 4096, 16384, 32, 50000, gated=False),
    "Qwen/Qwen2.5-1.5B-Instruct": Size(1.54e9, 28, 256, 1536, 8960, 12, 151936),
    "Qwen/Qwen2.5-7B-Instruct": Size(7.61e9, 28, 512, 3584, 18944, 28, 152064),
    "Qwen/Qwen2.5-32B-Instruct": Size(32.5e9, 64, 1024, 5120, 27648, 40, 152064),
}

# Keys of config.json by architecture, and of GGUF files.
LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
WIDTH = ("hidden_size", "n_embd", "d_model")
HEADS = ("num_attention_heads", "n_head")
INNER = ("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size")
NOT_GATED = {"opt", "gpt2", "gpt_neo", "gpt_neox", "gptj", "bloom", "falcon", "phi", "starcoder2"}

SCRATCH_VOCABULARY = 1024  # at most, of a model trained from scratch


def size_of(name: str, key: str) -> Size:
    """The size of a hub model in `SIZES`, of a model folder with config.json, or of a GGUF file.

    Raises:
        InputError: the model is none of them; the message names the config's `key`.
    """
    if name in SIZES:
        return SIZES[name]
    if is_gguf(name):
        return _of_header(read_header(name, key))
    config = Path(name, "config.json")
    if not config.is_file():
        known = ", ".join(SIZES)
        raise InputError(
            f"{key}: the size of {name!r} is unknown; give a folder with its weights, a GGUF file, or one of {known}"
        )
    return of_config(read_json(config), sum(map(_numbers, Path(name).glob("*.safetensors"))) or None)


def of_config(config: Mapping[str, Any], parameters: int | None = None) -> Size:
    """The size of a model with this config.json; its parameters are counted from the shapes unless they are given.

    Raises:
        KeyError: the configuration lacks a size.
    """
    config = config.get("text_config") or config

    layers, width, heads = (_first(config, names) for names in (LAYERS, WIDTH, HEADS))
    inner = _first(config, INNER, 4 * width)
    head = config.get("head_dim") or width // heads
    kv_width = (config.get("num_key_value_heads") or heads) * head
    gated = config.get("model_type") not in NOT_GATED
    vocabulary = int(config["vocab_size"])
    if parameters is None:
        layer = 2 * width * (heads * head + kv_width) + (3 if gated else 2) * width * inner
        parameters = layers * layer + vocabulary * width * (1 if config.get("tie_word_embeddings", True) else 2)
    return Size(parameters, layers, kv_width, width, inner, heads, vocabulary, gated)


def _first(config: Mapping[str, Any], names: tuple[str, ...], default: int | None = None) -> int:
    """The value of the first of some keys that the configuration has. Raises `KeyError` if it has none."""
    found = next((config[name] for name in names if config.get(name)), default)
    if found is None:
        raise KeyError(names[0])
    return int(found)


def _of_header(header: Header) -> Size:
    """The size of a GGUF file's model; a file that names no heads for keys and values has as many as for queries."""
    value, heads = header.value, header.value("attention.head_count")
    width = value("embedding_length")
    head = value("attention.key_length") or width // heads
    kv_width = (value("attention.head_count_kv") or heads) * head
    vocabulary = header.values["tokenizer.ggml.tokens"]
    sizes = (value("block_count"), kv_width, width, value("feed_forward_length"), heads, vocabulary)
    return Size(header.parameters, *sizes, gated=header.architecture not in NOT_GATED)


def _numbers(path: Path) -> int:
    """Number of parameters in a safetensors file; only its header is read."""
    with safe_open(path, "numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


def sizes(config: dict[str, Any], known: Mapping[str, Size] | None = None) -> tuple[Size, Size | None]:
    """The sizes of student and judge; None for a judge without a model, or on a server (not the study's memory).

    Args:
        known: `student` or `judge` -> its size.

    Raises:
        InputError: as `size_of`.
    """
    known = known or {}
    student = known.get("student") or _size(config, "student")
    return student, known.get("judge") or _size(config, "judge") if layout.judge_is_local(config) else None


class OtherJudge(NamedTuple):
    """A judge besides `judge.model` that a job loads: its size, and the data type of its weights."""

    size: Size
    dtype: str


def panel_sizes(config: dict[str, Any]) -> list[OtherJudge]:
    """The members of a panel that have a model; none for another judge. Raises `InputError` as `size_of`."""
    return _others(judge_settings(config), "judge.panel.judges") if config["judge"]["panel"] else []


def watcher_sizes(config: dict[str, Any]) -> list[OtherJudge]:
    """The judges of `judge.watch`, without those that have no model or run on a server.

    Raises:
        InputError: as `size_of`, or a judge is not there.
    """
    judges = watching_judges(config, ROOT)
    return [one for judge in judges.values() for one in _others(judge.settings, "judge.watch")]


def _others(settings: dict[str, Any], key: str) -> list[OtherJudge]:
    """The models that a job loads for a judge with these settings."""
    return [
        OtherJudge(size_of(part["model"], key), part.get("dtype", "float32"))
        for part in parts(settings)
        if part["model"] and not part.get("server")
    ]


def _size(config: dict[str, Any], which: str) -> Size:
    # Training does not change a judge's size, and may not have happened yet.
    place = layout.model_or_hub_name(config, which, trained=False)
    recipe = config[which]["scratch"]
    if config[which]["model"] == "scratch" and not Path(place).exists():
        shape = {
            "hidden_size": recipe["width"],
            "num_hidden_layers": recipe["layers"],
            "vocab_size": SCRATCH_VOCABULARY,
        }
        return of_config(shape | {"num_attention_heads": recipe["heads"], "intermediate_size": 3 * recipe["width"]})
    return size_of(place, f"{which}.model")
