"""Load and save causal language models and their tokenizers: hub names and local folders, the same way.

Not a trainer and not a recipe: tiny models from scratch are `gavel.training.scratch.student`.
"""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from gavel.common.errors import InputError
from gavel.common.log import say

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def device() -> torch.device:
    """The first GPU where there is one, or that of this process among several; else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def load_tokenizer(
    path: str, *, key: str = "student.model", pad_token: str | None = None, eos_token: str | None = None
) -> PreTrainedTokenizerBase:
    """Load a tokenizer, left-padding, with a pad and an end token that differ.

    Args:
        path: hub name or local folder.
        key: the config key that named it, for messages.
        pad_token, eos_token: set these tokens where the checkpoint lacks them (Galactica does: `<pad>`, `</s>`).

    Raises:
        InputError: no tokenizer there, no pad or end token, or both the same (then the end of a solution is masked
            as padding and the model never learns to stop).
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left", trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises plain ones
        raise InputError(
            f"{key}: no tokenizer can be loaded from {path!r} ({_reason(error)}); "
            "a local folder needs tokenizer.json and tokenizer_config.json beside the weights"
        ) from None
    prefix = key.rsplit(".", 1)[0]
    for name, token in (("pad_token", pad_token), ("eos_token", eos_token)):
        if token is not None:
            if token not in tokenizer.get_vocab():
                raise InputError(f"{prefix}.{name}: {token!r} is not in the vocabulary of {path!r}")
            setattr(tokenizer, name, token)
        elif getattr(tokenizer, name) is None:
            raise InputError(f"{key}: the tokenizer of {path!r} has no {name}; set {prefix}.{name} in the config")
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise InputError(
            f"{key}: pad and end token of {path!r} are both {tokenizer.pad_token!r}; "
            f"set {prefix}.pad_token to another token of its vocabulary"
        )
    return tokenizer


def load_model(
    path: str, *, key: str = "student.model", dtype: str = "float32", revision: str | None = None
) -> PreTrainedModel:
    """Load a causal language model in evaluation mode, on the GPU where there is one.

    Every weight comes from the files: none is made up at random, and none may be NaN or infinite. A model's own code
    (`trust_remote_code`) is not run.

    Raises:
        InputError: nothing there that can be loaded, a file is cut off, weights are missing, have another shape than
            config.json says or are no numbers, or an unknown dtype (`auto` is bfloat16 where it is computed in).
    """
    if dtype == "auto":
        dtype = "bfloat16" if computes_bfloat16() else "float32"
    if dtype not in DTYPES:
        raise InputError(f"{key}: dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    # Eager attention on a CPU: scaled-dot-product attention with a single query took most of the decoding time.
    attention = {} if torch.cuda.is_available() else {"attn_implementation": "eager"}
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # what transformers warns of is raised below
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=DTYPES[dtype],
            revision=revision,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # to name them, instead of a table on the console
            output_loading_info=True,
            **attention,
        )
    except Exception as error:  # safetensors and torch raise kinds of their own for a file that is cut off
        raise InputError(
            f"{key}: no model can be loaded from {path!r} ({_reason(error)}); check that config.json and all weight "
            "files are there and whole, or fetch the model again"
        ) from None
    finally:
        logging.set_verbosity(before)
    _check_weights(model, report, f"{key}: the weights in {path!r}")
    return model.to(device()).eval()


@dataclass(frozen=True)
class Student:
    """The config's `student`: how each of its checkpoints is loaded.

    Attributes:
        model: hub name or folder of the student before any training; None where only later checkpoints are loaded.
        dtype: of the weights.
        pad_token, eos_token: as in `load_tokenizer`.
        revision: of `model` on the hub; other checkpoints have none.
    """

    model: str | None = None
    dtype: str = "float32"
    pad_token: str | None = None
    eos_token: str | None = None
    revision: str | None = None

    @property
    def start(self) -> str:
        """The student before any training. Raises `ValueError` where it is not named."""
        if self.model is None:
            raise ValueError("a student without a model of its own has nothing to start from")
        return self.model

    def load_tokenizer(self, folder: str) -> PreTrainedTokenizerBase:
        """As the function of this name."""
        return load_tokenizer(folder, pad_token=self.pad_token, eos_token=self.eos_token)

    def load_model(self, folder: str) -> PreTrainedModel:
        """As the function of this name."""
        return load_model(folder, dtype=self.dtype, revision=self.revision if folder == self.model else None)


def _check_weights(model: PreTrainedModel, report: Mapping[str, Any], about: str) -> None:
    """Raises `InputError` where a weight is not what the files and the configuration say."""
    again = "; fetch the model again, or name another one"
    if wrong := sorted(report.get("mismatched_keys") or ()):
        name, found, wanted = wrong[0]
        raise InputError(
            f"{about} do not fit its config.json: {name} has shape {tuple(found)}, expected {tuple(wanted)}"
            f"{_more(wrong)}{again}"
        )
    if lost := sorted(report.get("missing_keys") or ()):
        raise InputError(f"{about} are not complete: no {lost[0]}{_more(lost)}{again}")
    if left := sorted(report.get("unexpected_keys") or ()):
        say(f"{about}: {left[0]}{_more(left)} not used by a {type(model).__name__}")
    broken = [name for name, value in model.named_parameters() if not torch.isfinite(value).all()]
    if broken:
        hint = again if model.dtype == torch.float32 else f" in {model.dtype}; try dtype float32, or another model"
        raise InputError(f"{about} are not all numbers: {broken[0]}{_more(broken)} has NaN or infinite values{hint}")


def _more(names: Sequence[object]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__


def context_length(config: PreTrainedConfig) -> int | None:
    """The most tokens that a model of this configuration was made for; None where it names no limit."""
    text = config.get_text_config()
    # Each architecture has its own name for it.
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length"):
        value = getattr(text, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return _stretched(text, value)
    return None


def _stretched(config: PreTrainedConfig, length: int) -> int:
    """A context with what rotary positions are stretched by, where its length leaves that out (YaRN's does)."""
    # Configurations without rotary positions have neither; files older than transformers 5 have the second.
    found = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None)
    if not isinstance(found, dict) or found.get("rope_type", found.get("type")) not in ("yarn", "linear", "dynamic"):
        return length
    made_for = found.get("original_max_position_embeddings") or length
    return max(length, int(made_for * (found.get("factor") or 1)))


def context_of(path: str, key: str = "student.model", revision: str | None = None) -> int | None:
    """`context_length` of a model that is not loaded.

    Raises:
        InputError: it has no configuration that can be read.
    """
    try:
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False)
    except Exception as error:
        raise InputError(f"{key}: no model can be loaded from {path!r} ({_reason(error)})") from None
    return context_length(config)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Save weights (safetensors), configuration and tokenizer as one Hugging Face folder."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def disable_dropout(model: torch.nn.Module) -> None:
    """Set every dropout probability of a network to 0, for good. The `config.json` saved with it keeps its values.

    TRL's own `disable_dropout` changes `nn.Dropout` modules only. OPT (and so Galactica), Bloom, Qwen2 and most others
    keep the probability as a number of a module and pass it to a function.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for name, value in _dropouts(module).items():
            setattr(module, name, type(value)(0))
    # Falcon reads its configuration in every forward pass. Only the layers' view of it changes.
    config = getattr(model, "config", None)
    if config is not None and _dropouts(config):
        silent = copy.deepcopy(config)
        for name, value in _dropouts(config).items():
            setattr(silent, name, type(value)(0))
        for module in model.modules():
            if vars(module).get("config") is config and not isinstance(module, PreTrainedModel):
                module.config = silent


def _dropouts(owner: object) -> dict[str, int | float]:
    """The attributes that hold a dropout probability above 0."""
    numbers = {name: value for name, value in vars(owner).items() if "drop" in name and isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if value > 0}


def computes_bfloat16() -> bool:
    """Whether the first GPU, or without one the processor, multiplies matrices in bfloat16 (AVX-512 BF16 or AMX)."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    checks = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(check() for check in checks if check)


def agree(model: PreTrainedModel, found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether two ways to compute a model's logits differ by rounding only, in the type that it computes in."""
    tolerance = 100 * torch.finfo(computed_in(model)).eps * max(1.0, wanted.float().abs().max().item())
    return (found.float() - wanted.float()).abs().max().item() <= tolerance


@torch.no_grad()
def computed_in(model: PreTrainedModel) -> torch.dtype:
    """The type of a model's matrix products: autocast's, around the call or within it (accelerate), or its weights'."""
    seen, place = [], model.device.type

    def look(*_: object) -> None:
        seen.append(torch.get_autocast_dtype(place) if torch.is_autocast_enabled(place) else model.dtype)

    handle = model.get_input_embeddings().register_forward_pre_hook(look)
    try:
        model(torch.tensor([[2]], device=model.device), use_cache=False)
    finally:
        handle.remove()
    return seen[0]


def attention_window(model: PreTrainedModel) -> int | None:
    """How many tokens back the shortest-sighted layer sees; None where all see everything.

    Of these attributes a configuration has those that its architecture knows.
    """
    kinds = getattr(model.config, "layer_types", None)
    window = getattr(model.config, "sliding_window", None)
    if kinds is not None:
        return window if {"sliding_attention", "chunked_attention"} & set(kinds) else None
    return window if getattr(model.config, "use_sliding_window", True) else None


def only_attends(model: PreTrainedModel) -> bool:
    """Whether every layer is attention, whose cache is keys and values of tokens (state spaces have another)."""
    kinds = getattr(model.config, "layer_types", None) or []
    return all(kind.endswith("attention") and not kind.startswith("linear") for kind in kinds)
