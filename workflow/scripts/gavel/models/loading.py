"""Load and save causal language models and their tokenizers, from the hub, local folders or GGUF files.

`gavel.training.scratch.student` trains tiny models from scratch.
"""

import copy
import json
import os
from collections.abc import Iterable, Mapping, Sequence
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
    PreTrainedTokenizerFast,
)
from transformers.utils import logging
from transformers.utils.quantization_config import GgufConfig

from gavel.common.errors import InputError
from gavel.common.log import info
from gavel.common.paths import is_gguf

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def device() -> torch.device:
    """This process's GPU (the first one without `LOCAL_RANK`), or the CPU if there is no GPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


# Parts of the names of special tokens that no text contains, those that are made for padding first. `endoftext` comes
# last: it ends documents in pretraining, but an instruct model ends its turns with another token.
SPARE = ("pad", "reserved", "unused", "placeholder", "endoftext", "end_of_text")
_told: set[str] = set()  # tokenizers whose chosen pad token is in the log


def load_tokenizer(
    path: str, *, key: str = "student.model", pad_token: str | None = None, eos_token: str | None = None
) -> PreTrainedTokenizerBase:
    """Load a tokenizer with left padding and different pad and end tokens.

    If the pad token is missing or is the end token, it becomes a free special token of the vocabulary (`free_token`),
    and the log says so. With the end token as padding, the end of a solution would be masked, and the model would never
    learn to stop. The vocabulary never grows.

    Args:
        path: hub name, local folder or GGUF file.
        key: the config key of `path`, for messages.
        pad_token, eos_token: tokens to set, whatever the checkpoint says (Galactica names no end token: `</s>`).

    Raises:
        InputError: there is no tokenizer, a given token is not in its vocabulary, there is no end token, no token is
            free for padding, or `pad_token` is the end token.
    """
    tokenizer = plain_tokenizer(path, key)
    prefix = key.rsplit(".", 1)[0]
    for name, token in (("eos_token", eos_token), ("pad_token", pad_token)):
        if token is not None:
            if token not in tokenizer.get_vocab():
                raise InputError(f"{prefix}.{name}: {token!r} is not in the vocabulary of {path!r}")
            setattr(tokenizer, name, token)
    if tokenizer.eos_token is None:
        raise InputError(f"{key}: the tokenizer of {path!r} has no eos_token; set {prefix}.eos_token in the config")
    if pad_token is None and tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        _pad_with_free_token(tokenizer, path, key)
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise InputError(
            f"{key}: pad and end token of {path!r} are both {tokenizer.pad_token!r}; "
            f"set {prefix}.pad_token to another token of its vocabulary"
        )
    return tokenizer


def plain_tokenizer(path: str, key: str) -> PreTrainedTokenizerBase:
    """A tokenizer as its files have it. Raises `InputError` if it cannot be loaded."""
    folder, options = _source(path)
    # For a GGUF file, AutoTokenizer gives the same class after reading all metadata again, which takes seconds.
    kind = PreTrainedTokenizerFast if options else AutoTokenizer
    try:
        return kind.from_pretrained(folder, padding_side="left", trust_remote_code=False, **options)
    except Exception as error:  # the tokenizers library raises plain exceptions
        advice = (
            "name another GGUF file, or the original model"
            if options
            else "a local folder needs tokenizer.json and tokenizer_config.json beside the weights"
        )
        raise InputError(f"{key}: no tokenizer can be loaded from {path!r} ({_reason(error)}); {advice}") from None


def _source(path: str) -> tuple[str, dict[str, str]]:
    """The folder or hub name of a model, and transformers' options for it."""
    if not is_gguf(path):
        return path, {}
    return str(Path(path).parent), {"gguf_file": Path(path).name}


def _pad_with_free_token(tokenizer: PreTrainedTokenizerBase, path: str, key: str) -> None:
    """Choose the pad token. Raises `InputError` if no token is free."""
    before = tokenizer.pad_token
    problem = "no pad token" if before is None else f"{before!r} as both pad and end token"
    found = free_token(tokenizer, _end_tokens(path), _vocabulary(path))
    if found is None:
        raise InputError(
            f"{key}: the tokenizer of {path!r} has {problem}, and no special token that is free for padding; set "
            f"{key.rsplit('.', 1)[0]}.pad_token to a token of its vocabulary that no text contains"
        )
    tokenizer.pad_token = found
    if path not in _told:
        _told.add(path)
        info(f"{key}: {path} has {problem}; {found!r} is used for padding")


def free_token(
    tokenizer: PreTrainedTokenizerBase, ends: Iterable[int] = (), vocabulary: int | None = None
) -> str | None:
    """A special token that neither text nor the chat template contains; None if there is none.

    Tokens whose names say that they are spare come first (`SPARE`), then the token for unknown text, which vocabularies
    of bytes never use, then the other special tokens.

    Args:
        ends: ids of further tokens that end a response.
        vocabulary: number of the model's embeddings; tokens beyond them have none.
    """
    template = str(tokenizer.chat_template or "")
    taken = {tokenizer.eos_token_id, tokenizer.bos_token_id, *ends}
    special: dict[str, int] = {
        token.content: number
        for number, token in sorted(tokenizer.added_tokens_decoder.items())
        if token.special and number not in taken and (vocabulary is None or number < vocabulary)
    }
    named = {name: number for name, number in special.items() if name not in template}
    for part in SPARE:
        if found := next((name for name in named if part in name.lower()), None):
            return found
    if tokenizer.unk_token in named:
        return str(tokenizer.unk_token)
    return next(iter(named), None)


def _end_tokens(path: str) -> list[int]:
    """The ids in a local model's generation_config.json that end a response (Llama 3 has three)."""
    ends = _json(Path(path, "generation_config.json")).get("eos_token_id")
    return ends if isinstance(ends, list) else []


def _vocabulary(path: str) -> int | None:
    size = _json(Path(path, "config.json")).get("vocab_size")
    return size if isinstance(size, int) else None


def _json(path: Path) -> dict[str, Any]:
    """A local model's JSON file; empty if there is none, or not one that transformers could read either."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def load_model(
    path: str, *, key: str = "student.model", dtype: str = "float32", revision: str | None = None
) -> PreTrainedModel:
    """Load a causal language model in evaluation mode, on the GPU if there is one.

    Every weight comes from the files: none is initialised at random, and none may be NaN or infinite. A model's own
    code (`trust_remote_code`) is not run. The weights of a GGUF file are dequantised.

    Args:
        path: hub name, local folder or GGUF file.
        dtype: a key of `DTYPES`, or `auto`: bfloat16 if the hardware supports it, else float32.

    Raises:
        InputError: there is no model, a file is truncated, weights are missing, do not match the shapes of config.json
            or are not finite, or the dtype is unknown.
    """
    if dtype == "auto":
        dtype = "bfloat16" if supports_bfloat16() else "float32"
    if dtype not in DTYPES:
        raise InputError(f"{key}: dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    # Eager attention on a CPU: with scaled-dot-product attention, single queries took most of the decoding time.
    attention = {} if torch.cuda.is_available() else {"attn_implementation": "eager"}
    folder, options = _source(path)
    if options:
        options = options | {"quantization_config": GgufConfig(dequantize=True)}
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # transformers' warnings are raised as errors below
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=DTYPES[dtype],
            revision=revision,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # to report them here, instead of a table on the console
            output_loading_info=True,
            **attention,
            **options,
        )
    except Exception as error:  # safetensors and torch raise their own types for a truncated file
        advice = (
            "name another GGUF file, or the original model"
            if options
            else "check that config.json and all weight files are there and complete, or fetch the model again"
        )
        raise InputError(f"{key}: no model can be loaded from {path!r} ({_reason(error)}); {advice}") from None
    finally:
        logging.set_verbosity(before)
    if options:  # or the model counts as quantised, which transformers neither saves nor trains
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.hf_quantizer, model.is_quantized = None, False
    _check_weights(model, report, f"{key}: the weights in {path!r}")
    return model.to(device()).eval()


@dataclass(frozen=True)
class Student:
    """The config's `student`: how each of its checkpoints is loaded.

    Attributes:
        model: hub name or folder of the student before training; None if only later checkpoints are loaded.
        dtype: type of the weights.
        pad_token, eos_token: as in `load_tokenizer`.
        revision: revision of `model` on the hub; does not apply to other checkpoints.
    """

    model: str | None = None
    dtype: str = "float32"
    pad_token: str | None = None
    eos_token: str | None = None
    revision: str | None = None

    @property
    def start(self) -> str:
        """The student before training. Raises `ValueError` if `model` is None."""
        if self.model is None:
            raise ValueError("a student without a model cannot be trained")
        return self.model

    def load_tokenizer(self, folder: str) -> PreTrainedTokenizerBase:
        """Load a checkpoint's tokenizer, as the function `load_tokenizer`."""
        return load_tokenizer(folder, pad_token=self.pad_token, eos_token=self.eos_token)

    def load_model(self, folder: str) -> PreTrainedModel:
        """Load a checkpoint, as the function `load_model`."""
        return load_model(folder, dtype=self.dtype, revision=self.revision if folder == self.model else None)


def _check_weights(model: PreTrainedModel, report: Mapping[str, Any], label: str) -> None:
    """Raise `InputError` if weights are missing, have the wrong shape or are not finite; log unused ones."""
    advice = "; fetch the model again, or choose another one"
    if mismatched := sorted(report.get("mismatched_keys") or ()):
        name, actual, expected = mismatched[0]
        raise InputError(
            f"{label} do not fit its config.json: {name} has shape {tuple(actual)}, expected {tuple(expected)}"
            f"{_more(mismatched)}{advice}"
        )
    if missing := sorted(report.get("missing_keys") or ()):
        raise InputError(f"{label} are not complete: no {missing[0]}{_more(missing)}{advice}")
    if unused := sorted(report.get("unexpected_keys") or ()):
        info(f"{label}: {unused[0]}{_more(unused)} not used by a {type(model).__name__}")
    not_finite = [name for name, value in model.named_parameters() if not torch.isfinite(value).all()]
    if not_finite:
        hint = advice if model.dtype == torch.float32 else f" in {model.dtype}; try dtype float32, or another model"
        raise InputError(
            f"{label} are not all finite: {not_finite[0]}{_more(not_finite)} has NaN or infinite values{hint}"
        )


def _more(names: Sequence[object]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__


def context_length(config: PreTrainedConfig) -> int | None:
    """The context length of a configuration, in tokens; None if it has no limit."""
    text = config.get_text_config()
    # The name depends on the architecture.
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length"):
        value = getattr(text, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return _stretched(text, value)
    return None


def _stretched(config: PreTrainedConfig, length: int) -> int:
    """A context length with the scaling of rotary positions, if `length` does not include it (YaRN's does not)."""
    # Configurations without rotary positions have neither; files written before transformers 5 have the second.
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None)
    if not isinstance(rope, dict) or rope.get("rope_type", rope.get("type")) not in ("yarn", "linear", "dynamic"):
        return length
    original = rope.get("original_max_position_embeddings") or length
    return max(length, int(original * (rope.get("factor") or 1)))


def context_of(path: str, key: str = "student.model", revision: str | None = None) -> int | None:
    """`context_length` of a model, without loading its weights.

    Raises:
        InputError: its configuration cannot be read.
    """
    try:
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False)
    except Exception as error:
        raise InputError(f"{key}: no model can be loaded from {path!r} ({_reason(error)})") from None
    return context_length(config)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Save weights (safetensors), configuration and tokenizer as a Hugging Face folder."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def disable_dropout(model: torch.nn.Module) -> None:
    """Permanently set all dropout probabilities of a model to 0. The saved `config.json` keeps its values.

    TRL's `disable_dropout` changes `nn.Dropout` modules only. OPT (and so Galactica), Bloom, Qwen2 and most others
    store the probability as an attribute of a module and pass it to a function.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for name, value in _dropouts(module).items():
            setattr(module, name, type(value)(0))
    # Falcon reads its configuration in every forward pass. The layers get a changed copy.
    config = getattr(model, "config", None)
    if config is not None and _dropouts(config):
        without_dropout = copy.deepcopy(config)
        for name, value in _dropouts(config).items():
            setattr(without_dropout, name, type(value)(0))
        for module in model.modules():
            if vars(module).get("config") is config and not isinstance(module, PreTrainedModel):
                module.config = without_dropout


def _dropouts(owner: object) -> dict[str, int | float]:
    """The attributes that hold a dropout probability above 0."""
    numbers = {name: value for name, value in vars(owner).items() if "drop" in name and isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if value > 0}


def supports_bfloat16() -> bool:
    """Whether the first GPU, or the CPU if there is none, multiplies matrices in bfloat16 (AVX-512 BF16 or AMX)."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    checks = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(check() for check in checks if check)


def logits_agree(model: PreTrainedModel, found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether two computations of a model's logits differ only by rounding, in the dtype that it computes in."""
    tolerance = 100 * torch.finfo(compute_dtype(model)).eps * max(1.0, wanted.float().abs().max().item())
    return (found.float() - wanted.float()).abs().max().item() <= tolerance


@torch.no_grad()
def compute_dtype(model: PreTrainedModel) -> torch.dtype:
    """Dtype of a model's matrix products: autocast's, around the call or within it (accelerate), or the weights'."""
    dtypes, device_type = [], model.device.type

    def record_dtype(*_: object) -> None:
        dtypes.append(torch.get_autocast_dtype(device_type) if torch.is_autocast_enabled(device_type) else model.dtype)

    handle = model.get_input_embeddings().register_forward_pre_hook(record_dtype)
    try:
        model(torch.tensor([[2]], device=model.device), use_cache=False)
    finally:
        handle.remove()
    return dtypes[0]


def attention_window(model: PreTrainedModel) -> int | None:
    """The length of a model's sliding attention window, in tokens; None if all layers have full attention.

    Which of these attributes a configuration has depends on its architecture.
    """
    kinds = getattr(model.config, "layer_types", None)
    window = getattr(model.config, "sliding_window", None)
    if kinds is not None:
        return window if {"sliding_attention", "chunked_attention"} & set(kinds) else None
    return window if getattr(model.config, "use_sliding_window", True) else None


def is_attention_only(model: PreTrainedModel) -> bool:
    """Whether every layer is attention with a cache of keys and values per token (state-space layers are not)."""
    kinds = getattr(model.config, "layer_types", None) or []
    return all(kind.endswith("attention") and not kind.startswith("linear") for kind in kinds)
