"""Several processes that train one policy: who writes, who decides, and how a sharded policy is read.

The main process (rank 0) validates, decides and writes; the others hear what it found. Every rank
samples and scores its own share of a rollout. In a single process all of this does nothing. It starts no processes:
that is `gavel.jobs.launch`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import distributed
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from gavel.common.errors import InputError

Found = TypeVar("Found")


def processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    """This process's number among those that train together."""
    return distributed.get_rank() if _together() else 0


def is_main() -> bool:
    return rank() == 0


def wait() -> None:
    """Go on when every process has got here."""
    if _together():
        distributed.barrier()


def on_main(function: Callable[[], Found]) -> Found:
    """What the function returns in the main process, which alone calls it; every process must get here."""
    if not _together():
        return function()
    box: list[Any] = [function() if is_main() else None]
    distributed.broadcast_object_list(box, src=0)
    found: Found = box[0]
    return found


def from_all(value: Found) -> list[Found]:
    """The values of all processes, by rank; every process must get here."""
    values = [value] * processes()
    if _together():
        distributed.all_gather_object(values, value)
    return values


def mean(value: float) -> float:
    """The mean of every process's value."""
    values = from_all(value)
    return sum(values) / len(values)


@contextmanager
def whole(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """The policy with all of its weights in this process, to sample from; its forward passes then need no other rank.

    Under FSDP every process gathers all shards here and drops them again at the end, so all must enter and leave.
    Elsewhere (one process, DDP, ZeRO 2) the policy is whole anyway.
    """
    units = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for unit in units:
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    try:
        yield model
    finally:
        for unit in units:
            unit.reshard()
            unit.set_reshard_after_forward(True, recurse=False)


def whole_state(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The state dict with every sharded tensor gathered; every process must get here."""
    return {name: gathered(value) for name, value in model.state_dict().items()}


def gathered(value: torch.Tensor) -> torch.Tensor:
    """A whole tensor of the shards, in the main process's memory; elsewhere a sharded one becomes empty."""
    if not isinstance(value, DTensor):
        return value
    full = value.full_tensor()
    return full.cpu() if is_main() else full[:0].cpu()


def sharding() -> str | None:
    """What cuts up the training state of this process: `fsdp`, `deepspeed`, or nothing (one process, DDP)."""
    for name in ("fsdp", "deepspeed"):
        if os.environ.get(f"ACCELERATE_USE_{name.upper()}", "false").lower() == "true":
            return name
    return None


def check(algorithm: str, critic: bool) -> None:
    """Refuse what would go wrong quietly.

    Raises:
        InputError: a critic with shards, shards that cannot be gathered for sampling, or no GPU to shard over.
    """
    kind = sharding()
    if kind and critic:
        raise InputError(
            f"compute.distributed: {algorithm!r} has a critic, whose passes go round {kind}'s hooks; take ddp"
        )
    if kind == "fsdp" and os.environ.get("FSDP_VERSION", "1") != "2":
        raise InputError("compute.distributed: fsdp needs fsdp_version 2 in workflow/accelerate/fsdp.yaml")
    if kind == "deepspeed" and os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3":
        raise InputError(
            "compute.distributed: zero_stage 3 in workflow/accelerate/deepspeed.yaml shards the policy, which the "
            "sampler cannot read; use stage 2, or fsdp"
        )
    if kind and not torch.cuda.is_available():
        raise InputError(f"compute.distributed: {kind} needs a GPU, but none is to be seen on this machine")


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
