"""LoRA through peft: only small adapters are trained, and what is saved as a policy is the merged, plain model.

Generation, scoring and the next stage read a run's folder like any other model's. Checkpoints hold the adapters alone.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import PreTrainedModel

from gavel.common.requirements import need
from gavel.training.distributed import gathered

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel


def adapters(settings: dict[str, Any] | None, key: str) -> "LoraConfig | None":
    """peft's configuration of `r`, `alpha`, `dropout` and `target_modules`; None where no LoRA is asked for.

    Args:
        key: the config key, for messages.

    Raises:
        InputError: peft is not installed.
    """
    if settings is None:
        return None
    need("peft", key)
    from peft import LoraConfig

    return LoraConfig(
        r=settings["r"],
        lora_alpha=settings["alpha"],
        lora_dropout=settings["dropout"],
        target_modules=settings["target_modules"] or "all-linear",
        task_type="CAUSAL_LM",
    )


def load(model: PreTrainedModel, checkpoint: str | Path) -> torch.nn.Module:
    """The model that the adapters were made for, with those of a checkpoint."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(checkpoint)).eval()


def has_adapters(model: torch.nn.Module) -> bool:
    """Whether peft has put adapters around the model; asked by an attribute, since peft need not be installed."""
    return hasattr(model, "peft_config")


def base(model: torch.nn.Module) -> PreTrainedModel:
    """The transformers model below the adapters, or the model itself where it has none."""
    return cast("PeftModel", model).get_base_model() if has_adapters(model) else model


def merged(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """State dict of the plain model that the base and its adapters amount to; the model itself is left as it is.

    Merging in place and undoing it would leave rounding in the frozen weights, and a resumed run would differ from an
    uninterrupted one. Every process must get here.
    """
    from peft.tuners.lora import LoraLayer

    inner = base(model)
    layers: dict[str, Any] = {name: layer for name, layer in inner.named_modules() if isinstance(layer, LoraLayer)}
    state = {}
    for name, value in inner.state_dict().items():
        if ".lora_" in name:
            continue
        layer = layers.get(name.removesuffix(".base_layer.weight"))
        if layer is not None:
            for adapter in layer.active_adapters:
                value = value + layer.get_delta_weight(adapter).to(value.dtype)
        state[name.replace(".base_layer.", ".")] = gathered(value)
    return state
