"""Packages that only some config keys need."""

from importlib.util import find_spec

from gavel.common.errors import InputError

INSTALL = {
    "peft": "pip install peft",
    "vllm": "pip install 'trl[vllm]', which selects a version that TRL supports",
    "deepspeed": "pip install deepspeed",
}


def require_package(package: str, key: str) -> None:
    """Raises `InputError` if a package is missing; the message names the key that needs it and how to install it."""
    if find_spec(package) is None:
        raise InputError(f"{key} needs the package {package}, which is not installed: {INSTALL[package]}")
