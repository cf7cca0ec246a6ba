"""The process group of the ranks that train one policy: NCCL with GPUs, gloo on CPUs.

accelerate and transformers shard over CPUs only if told so: with `use_cpu` they ignore FSDP and DeepSpeed without a
word, and every rank trains a full replica. `join` therefore enters the group in another way, and
`gavel.training.trl_config` tells transformers to keep it.
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


def shards_on_cpus() -> bool:
    """Whether ranks without GPUs shard their training state."""
    return sharding() is not None and not torch.cuda.is_available()


def join() -> int:
    """Join the process group; returns this process's rank."""
    if not shards_on_cpus():
        return int(PartialState(cpu=not torch.cuda.is_available(), timeout=TIMEOUT).process_index)
    if sharding() == "deepspeed":
        from deepspeed import ops

        # Or DeepSpeed compiles an all-reduce of its own first: minutes, a compiler, and a lock that a kill leaves.
        ops.__compatible_ops__["deepspeed_shm_comm"] = False
    state = PartialState(backend="gloo", timeout=TIMEOUT)
    if sharding() == "fsdp":
        # accelerate enables FSDP for a list of kinds of groups, in which CPUs are missing; the device stays the CPU.
        state.distributed_type = DistributedType.MULTI_GPU
    return int(state.process_index)


def rejoin() -> None:
    """Enter the group again, for the next trainer: accelerate's state is one trainer's, the connections remain."""
    AcceleratorState._reset_state(reset_partial_state=True)
    join()
