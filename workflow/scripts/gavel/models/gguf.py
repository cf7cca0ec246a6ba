"""GGUF files, the format of llama.cpp, Ollama and LM Studio: checked by their headers, and converted to model folders.

`gavel.models.loading` also loads such a file directly.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavel.common.errors import InputError
from gavel.common.files import replace_folder
from gavel.common.log import info

MAGIC = b"GGUF"
# What transformers reads from GGUF files besides causal language models.
NOT_LANGUAGE_MODELS = {"general", "tokenizer", "t5", "umt5", "t5encoder"}


@dataclass(frozen=True)
class Header:
    """The header of a GGUF file.

    Attributes:
        architecture: llama.cpp's name for it.
        parameters: number of weights.
        values: metadata, such as `llama.block_count`; of an array, its length.
    """

    architecture: str
    parameters: int
    values: dict[str, Any]

    def value(self, name: str) -> Any:
        """A value of this architecture, such as `block_count`; None if the file has none."""
        return self.values.get(f"{self.architecture}.{name}")


def read_header(path: str | Path, key: str) -> Header:
    """Read a file's header.

    Args:
        key: the config key that names the file, for messages.

    Raises:
        InputError: the file cannot be read, is not GGUF, is truncated, or is one of several parts.
    """
    from gguf import GGUFReader, GGUFValueType  # only studies of such files need it

    try:
        reader = GGUFReader(path)
    except OSError as error:
        raise InputError(f"{key}: {path} cannot be read ({error.strerror}); check the path") from None
    except Exception:  # numpy's and the reader's own, by the place where the file ends
        raise InputError(f"{key}: {path} is not {_article(path)} GGUF file; download or copy it again") from None
    values = {
        name: len(field.data) if GGUFValueType.ARRAY in field.types else field.contents()
        for name, field in reader.fields.items()
    }
    if (parts := values.get("split.count", 1)) > 1:
        raise InputError(
            f"{key}: {path} is one of {parts} parts of a model; join them with llama.cpp's `llama-gguf-split --merge`"
        )
    architecture = str(values.get("general.architecture"))
    return Header(architecture, sum(int(tensor.n_elements) for tensor in reader.tensors), values)


def check(path: str | Path, key: str) -> Header:
    """Check that a file holds a language model that transformers can load, with its tokenizer; returns its header.

    Raises:
        InputError: as `read_header`, or the architecture is unknown, or the file has no tokenizer.
    """
    from transformers.integrations.gguf import GGUF_CONFIG_ARCHS
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    header = read_header(path, key)
    known = {*GGUF_SUPPORTED_ARCHITECTURES, *GGUF_CONFIG_ARCHS} - NOT_LANGUAGE_MODELS
    if _spelled(header.architecture) not in map(_spelled, known):
        raise InputError(
            f"{key}: {path} has the architecture {header.architecture!r}, which transformers cannot read from a GGUF "
            f"file (it reads {', '.join(sorted(known))}); use the model's original folder or hub repository"
        )
    if not header.values.get("tokenizer.ggml.tokens"):
        raise InputError(
            f"{key}: {path} has no tokenizer; use a GGUF file that was converted with its vocabulary, or the model's "
            "original folder or hub repository"
        )
    return header


def convert(path: str, folder: str | Path, *, key: str, dtype: str) -> None:
    """Save a GGUF file as a Hugging Face folder: dequantised weights, configuration, tokenizer and chat template.

    The tokenizer is saved as the file has it, so the jobs that load the folder say which pad token they choose.

    Args:
        folder: replaced if it exists.
        key: the config key that names the file, for messages.
        dtype: of the weights, as in `gavel.models.loading.load_model`; `auto` saves float32, because jobs may run on
            other hardware.

    Raises:
        InputError: the file is not a complete GGUF file, or not one of a language model that transformers can load.
    """
    from gavel.models import loading  # takes seconds; the workflow imports this module for its checks

    header = check(path, key)
    tokenizer = loading.plain_tokenizer(path, key)
    model = loading.load_model(path, key=key, dtype="float32" if dtype == "auto" else dtype)
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
        loading.save(model, tokenizer, Path(made, "model"))
        replace_folder(Path(made, "model"), folder)
    chat = "a" if tokenizer.chat_template else "no"
    info(
        f"{path}: {header.architecture}, {header.parameters / 1e6:,.0f} million parameters, {chat} chat template",
        console=True,
    )


def _article(path: str | Path) -> str:
    """What a message says before `GGUF file`: `a complete` of a file that begins as GGUF files do, else `a`."""
    with open(path, "rb") as file:
        return "a complete" if file.read(len(MAGIC)) == MAGIC else "a"


def _spelled(architecture: str) -> str:
    """llama.cpp's `gpt-oss` and `qwen2moe` are transformers' `gpt_oss` and `qwen2_moe`."""
    return re.sub("[-_]", "", architecture)
