"""Packages and hardware that only some keys need; asked for before the first job, and again where a job runs."""

from importlib.util import find_spec

from gavel.errors import InputError

INSTALL = {
    "peft": "pip install peft",
    "vllm": "pip install 'trl[vllm]', which takes a version that TRL speaks to",
    "deepspeed": "pip install deepspeed",
}


def need(package: str, key: str) -> None:
    """Raises `InputError` where a package is missing: the key that asks for it, and how to install it."""
    if find_spec(package) is None:
        raise InputError(f"{key} needs the package {package}, which is not installed: {INSTALL[package]}")


def need_packages(sft: dict, rl: dict, compute: dict, evaluation: dict) -> None:
    """What the training and sampling jobs of a study need beyond the pinned packages.

    Raises:
        InputError: one is missing.
    """
    for key, settings in (("sft.lora", sft), ("rl.lora", rl)):
        if settings["lora"]:
            need("peft", key)
    for key, settings in (("rl.vllm", rl), ("evaluation.vllm", evaluation)):
        if settings["vllm"]:
            need("vllm", key)
    if compute["distributed"] == "deepspeed":
        need("deepspeed", "compute.distributed 'deepspeed'")


def need_gpus(sft: dict, rl: dict, compute: dict, evaluation: dict) -> None:
    """Whether this machine's GPUs can do what the training and sampling jobs are asked to do.

    Raises:
        InputError: there are none, too few, or they do not compute in bfloat16.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for key, asked in (
        ("rl.vllm", rl["vllm"]),
        ("evaluation.vllm", evaluation["vllm"]),
        (f"compute.distributed {compute['distributed']!r}", compute["distributed"] != "ddp"),
    ):
        if asked and not count:
            raise InputError(f"{key} needs a GPU, but none is to be seen on this machine")
    if compute["gpus"] and not count:
        raise InputError(
            f"compute.gpus is {compute['gpus']}, but no GPU is to be seen on this machine; set it to 0 to compute on "
            "the processor"
        )
    if 0 < count < compute["processes"]:
        raise InputError(
            f"compute.processes is {compute['processes']}, but this machine has {count} GPUs: one for each"
        )
    for key, settings in (("sft.bf16", sft), ("rl.bf16", rl)):
        if settings["bf16"] and count and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise InputError(f"{key}: {torch.cuda.get_device_name(0)} does not compute in bfloat16; set it to false")
