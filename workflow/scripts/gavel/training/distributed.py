"""Several processes that train one policy: who writes, who decides, and how a sharded policy is read.

The main process (rank 0) validates, decides and writes, and sends the others its results. Every rank samples and scores
its own part of a rollout. In a single process none of this has an effect. `gavel.jobs.launch` starts the processes.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import distributed
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from gavel.common.errors import InputError
from gavel.jobs.process_group import sharding

Result = TypeVar("Result")


def processes() -> int:
    """Number of processes that train together."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    """This process's rank among those that train together."""
    return distributed.get_rank() if _together() else 0


def is_main() -> bool:
    return rank() == 0


def barrier() -> None:
    """Wait until every process has called this."""
    if _together():
        distributed.barrier()


def on_main(function: Callable[[], Result]) -> Result:
    """Call the function in the main process only, and return its result in every process; all must call this."""
    if not _together():
        return function()
    box: list[Any] = [function() if is_main() else None]
    distributed.broadcast_object_list(box, src=0)
    result: Result = box[0]
    return result


def all_gather(value: Result) -> list[Result]:
    """The values of all processes, by rank; every process must call this."""
    values = [value] * processes()
    if _together():
        distributed.all_gather_object(values, value)
    return values


def mean(value: float) -> float:
    """The mean of all processes' values; every process must call this."""
    values = all_gather(value)
    return sum(values) / len(values)


@contextmanager
def unsharded(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """The unsharded policy in this process, to sample from; its forward passes then need no other rank.

    Under FSDP every process gathers all shards on entry and drops them on exit, so all must enter and leave. Otherwise
    (one process, DDP, ZeRO 2) the policy is unsharded already.
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


def gather_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict with every sharded tensor gathered; every process must call this.

    Args:
        state: of `state_dict(keep_vars=True)`, whose tied weights are one tensor, not one view each. They remain one
            tensor, so that they are saved once.
    """
    gathered = {id(value): gather_tensor(value.detach()) for value in state.values()}
    return {name: gathered[id(value)] for name, value in state.items()}


def gather_tensor(value: torch.Tensor) -> torch.Tensor:
    """The unsharded tensor, on the CPU in the main process; in the others a sharded tensor becomes empty."""
    if not isinstance(value, DTensor):
        return value
    full = value.full_tensor()
    return full.cpu() if is_main() else full[:0].cpu()


def check(algorithm: str, critic: bool) -> None:
    """Reject settings that would fail silently.

    Raises:
        InputError: a critic with shards, or shards that cannot be gathered for sampling.
    """
    kind = sharding()
    if kind and critic:
        raise InputError(
            f"compute.distributed: {algorithm!r} has a critic, whose forward passes bypass {kind}'s hooks; use ddp"
        )
    if kind == "fsdp" and os.environ.get("FSDP_VERSION", "1") != "2":
        raise InputError("compute.distributed: fsdp needs fsdp_version 2 in workflow/accelerate/fsdp.yaml")
    if kind == "deepspeed" and os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3":
        raise InputError(
            "compute.distributed: zero_stage 3 in workflow/accelerate/deepspeed.yaml shards the policy, which the "
            "sampler cannot read; use stage 2, or fsdp"
        )


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
