"""The process group of the ranks that train one policy: NCCL with GPUs, gloo on CPUs.

accelerate and transformers shard over CPUs only if told so: with `use_cpu` they ignore FSDP and DeepSpeed without a
word, and every rank trains a full replica. `join` therefore enters the group itself, and transformers is told to keep
it (`keeps_group`).
"""

import os
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

TIMEOUT = timedelta(hours=6)  # how long other ranks wait for rank 0 to validate


def sharding() -> str | None:
    """What shards this process's training state: `fsdp`, `deepspeed`, or None (one process, DDP)."""
    for name in ("fsdp", "deepspeed"):
        if os.environ.get(f"ACCELERATE_USE_{name.upper()}", "false").lower() == "true":
            return name
    return None


def join() -> int:
    """Join the process group; returns this process's rank."""
    if torch.cuda.is_available():
        return int(PartialState(timeout=TIMEOUT).process_index)
    kind = sharding()
    if kind is None:
        return int(PartialState(cpu=True, timeout=TIMEOUT).process_index)
    if kind == "deepspeed":
        from deepspeed import ops

        # Or DeepSpeed compiles an all-reduce of its own first: minutes, a compiler, and a lock that a kill leaves.
        ops.__compatible_ops__["deepspeed_shm_comm"] = False
    state = PartialState(backend="gloo", timeout=TIMEOUT)
    if kind == "fsdp":
        # accelerate enables FSDP for a list of kinds of groups, in which CPUs are missing; the device stays the CPU.
        state.distributed_type = DistributedType.MULTI_GPU
    return int(state.process_index)


def keeps_group() -> bool:
    """Whether a trainer must use the group as it is, instead of making its own; the group is then ready for one.

    A trainer changes the group's state for itself, so each one needs a new state (the connections stay).
    """
    if torch.cuda.is_available() or sharding() is None:
        return False
    AcceleratorState._reset_state(reset_partial_state=True)
    join()
    return True
