"""Refuse a study whose training jobs would not fit into memory, before its first job."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.common.log import info
from gavel.study import layout

if TYPE_CHECKING:
    from gavel.study.cost.memory import Job
    from gavel.study.cost.sizes import Size

GIB = 2**30
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


class Memory(NamedTuple):
    """Memory in bytes that a job, or on GPUs each of its processes, can have, and what has so much."""

    size: float
    owner: str


def check_memory(study: dict[str, Any], *, here: bool, attempts: int = 1) -> None:
    """Compare what SFT and RL will take (`gavel.study.cost.memory`) with what they can have.

    The sizes of models on the hub are read from their config.json. A study with a model of unknown size is passed over,
    and so are GPUs of other machines.

    Args:
        study: the resolved config.
        here: the jobs run on this machine, not on a cluster's nodes.
        attempts: how often a job may start; each attempt requests more memory.

    Raises:
        InputError: a job needs more, and `compute.on_low_memory` is `stop`.
    """
    if find_spec("torch") is None:
        return  # Snakemake runs in its own environment (--sdm conda), which lacks what the estimate needs
    from gavel.study.cost.estimate import Assumptions
    from gavel.study.cost.lengths import lengths_of
    from gavel.study.cost.memory import jobs

    memory = available(study["compute"], here, attempts)
    if memory is None:
        return
    assumed = Assumptions()
    lengths = lengths_of(study, prompt=assumed.prompt, judging=assumed.judging, length=assumed.length)
    try:
        estimated = jobs(study, lengths, _hub_sizes(study))
    except InputError:
        return
    together = 1 if study["compute"]["gpus"] else study["compute"]["processes"]
    training = {name: job for name, job in estimated.items() if name.startswith("train_")}
    name, job = max(training.items(), key=lambda item: item[1].peak)
    if (needed := together * job.peak) <= memory.size:
        return
    problem = _problem(name, job, needed, memory)
    if study["compute"]["on_low_memory"] == "stop":
        raise InputError(f"{problem}; write `compute: {{on_low_memory: warn}}` to try nevertheless")
    info(f"WARNING: {problem}")


def _hub_sizes(study: dict[str, Any]) -> "dict[str, Size]":
    """The sizes of the models that are still on the hub: `student` or `judge` -> size."""
    from gavel.study.cost.sizes import SIZES, of_config

    found = {}
    for which, wanted in layout.hub(study).items():
        if wanted["kind"] != "model" or "file" in wanted or wanted["name"] in SIZES:
            continue
        if Path(layout.start_model(study, which)).exists():
            continue
        try:
            found[which] = of_config(read_json(_hub_config(wanted["name"], wanted["revision"])))
        except Exception:  # the job that downloads the model says what is wrong with it
            continue
    return found


def _hub_config(name: str, revision: str | None) -> str:
    """A model's `config.json`, from the cache or the hub.

    Raises:
        Exception: the hub or the file cannot be reached. It is asked once, since `hf_hub_download` retries for 20 s.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    cached = try_to_load_from_cache(name, "config.json", revision=revision)
    if isinstance(cached, str):
        return cached
    get_hf_file_metadata(hf_hub_url(name, "config.json", revision=revision))
    return hf_hub_download(name, "config.json", revision=revision)


def _problem(name: str, job: "Job", needed: float, memory: Memory) -> str:
    section = "sft" if name == "train_sft" else "rl"
    largest = sorted(job.parts.items(), key=lambda item: -item[1])[:3]
    parts = ", ".join(f"{part} {size / GIB:.1f}" for part, size in largest)
    return (
        f"{name.replace('train_', '')} needs about {needed / GIB:.1f} GiB of memory ({parts}; `gavel cost` shows all), "
        f"but {memory.owner} {memory.size / GIB:.1f} GiB; lower {section}.micro_batch_size, train adapters "
        f"({section}.lora), or give it more memory"
    )


def available(compute: dict[str, Any], here: bool, attempts: int) -> Memory | None:
    """The memory that a training job can have; None if it is not known."""
    if compute["gpus"]:
        return _smallest_gpu() if here else None
    if not here:
        return Memory(compute["mem_mb"] * attempts * 2**20, _requested(compute, attempts))
    found = [Memory(psutil.virtual_memory().total, "this machine has")]
    if (limit := cgroup_limit()) is not None:
        found.append(Memory(limit, "this process may use (cgroup)"))
    return min(found)


def _requested(compute: dict[str, Any], attempts: int) -> str:
    last = f", in its last of {attempts} attempts," if attempts > 1 else ""
    return f"with compute.mem_mb {compute['mem_mb']} a job requests{last}"


def _smallest_gpu() -> Memory | None:
    import torch

    if not torch.cuda.is_available():
        return None
    sizes = [torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count())]
    return Memory(min(sizes), "a GPU of this machine has")


def cgroup_limit(own: Path = OWN_CGROUP, root: Path = CGROUPS) -> int | None:
    """The smallest memory limit of this process's control groups (version 1 or 2), in bytes; None without one."""
    try:
        lines = own.read_text().splitlines()
    except OSError:  # not Linux
        return None
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, file = root, "memory.max"
        elif "memory" in controllers.split(","):
            folder, file = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        place = folder / path.lstrip("/")
        for group in (place, *place.parents):
            if group.is_relative_to(folder):
                limits.append(_limit(group / file))
    return min((limit for limit in limits if limit is not None), default=None)


def _limit(file: Path) -> int | None:
    """A limit in a file; None without one: version 2 writes `max`, version 1 a number near 2 ** 63."""
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() and int(text) < 2**62 else None
