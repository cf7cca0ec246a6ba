"""LoRA through peft: only small adapters are trained, and a saved policy is the merged, plain model.

Generation, scoring and the next stage read a run's folder like any other model. Checkpoints hold the adapters alone.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import PreTrainedModel

from gavel.common.requirements import require_package
from gavel.training.distributed import gather_state
from gavel.training.settings import LoraSettings

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel


def adapters(settings: LoraSettings | None, key: str) -> "LoraConfig | None":
    """peft's configuration; None without LoRA.

    Args:
        key: the config key, for messages.

    Raises:
        InputError: peft is not installed.
    """
    if settings is None:
        return None
    require_package("peft", key)
    from peft import LoraConfig

    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # only a scale: peft takes any number
        lora_dropout=settings.dropout,
        target_modules=list(settings.target_modules) if settings.target_modules else "all-linear",
        task_type="CAUSAL_LM",
    )


def load(model: PreTrainedModel, checkpoint: str | Path) -> torch.nn.Module:
    """The adapters' base model, with the adapters of a checkpoint."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(checkpoint)).eval()


def has_adapters(model: torch.nn.Module) -> bool:
    """Whether peft has put adapters into the model; an attribute shows it, because peft need not be installed."""
    return hasattr(model, "peft_config")


def base_model(model: torch.nn.Module) -> PreTrainedModel:
    """The transformers model below the adapters, or the model itself if it has none."""
    return cast("PeftModel", model).get_base_model() if has_adapters(model) else model


def merged_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """State dict of the plain model, with the adapters merged into the base; the model itself is not changed.

    Merging in place and undoing it would leave rounding errors in the frozen weights, and a resumed run would differ
    from an uninterrupted one. Every process must call this.
    """
    from peft.tuners.lora import LoraLayer

    inner = base_model(model)
    layers: dict[str, Any] = {name: layer for name, layer in inner.named_modules() if isinstance(layer, LoraLayer)}
    state = {}
    for name, value in inner.state_dict(keep_vars=True).items():
        if ".lora_" in name:
            continue
        layer = layers.get(name.removesuffix(".base_layer.weight"))
        if layer is not None:
            for adapter in layer.active_adapters:
                value = value + layer.get_delta_weight(adapter).to(value.dtype)
        state[name.replace(".base_layer.", ".")] = value
    return gather_state(state)
