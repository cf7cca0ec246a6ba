"""How large a language model is: from a table for models on the hub, from its files for a local one."""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from gavel.errors import InputError
from gavel.files import read_json


@dataclass(frozen=True)
class Size:
    """`parameters` of all kinds, embeddings included; `kv_width`: numbers in one token's key (or value) in a layer."""

    parameters: float
    layers: int
    kv_width: int


# As the models' cards and configs on the hub give them.
SIZES = {
    "facebook/galactica-125m": Size(125e6, 12, 768),
    "facebook/galactica-1.3b": Size(1.3e9, 24, 2048),
    "facebook/galactica-6.7b": Size(6.7e9, 32, 4096),
    "Qwen/Qwen2.5-1.5B-Instruct": Size(1.54e9, 28, 256),
    "Qwen/Qwen2.5-7B-Instruct": Size(7.61e9, 28, 512),
    "Qwen/Qwen2.5-32B-Instruct": Size(32.5e9, 64, 1024),
}


def size_of(name: str, key: str) -> Size:
    """The size of a hub model of `SIZES`, or of a model folder with config.json and safetensors files.

    Raises:
        InputError: neither; names the config's `key`.
    """
    if name in SIZES:
        return SIZES[name]
    folder = Path(name)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        known = ", ".join(SIZES)
        raise InputError(f"{key}: the size of {name!r} is not known; give a folder with its weights, or one of {known}")
    config = read_json(folder / "config.json")
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    kv_heads = config.get("num_key_value_heads") or heads
    return Size(sum(map(_numbers, files)), config["num_hidden_layers"], kv_heads * width)


def _numbers(path: Path) -> int:
    """Numbers in a safetensors file, by its header: eight bytes of length, then JSON (the format's description)."""
    with open(path, "rb") as handle:
        header = json.loads(handle.read(struct.unpack("<Q", handle.read(8))[0]))
    return sum(math.prod(about["shape"]) for name, about in header.items() if name != "__metadata__")
