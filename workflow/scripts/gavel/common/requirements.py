"""Packages that only some keys need."""

from importlib.util import find_spec

from gavel.common.errors import InputError

INSTALL = {
    "peft": "pip install peft",
    "vllm": "pip install 'trl[vllm]', which takes a version that TRL speaks to",
    "deepspeed": "pip install deepspeed",
}


def need(package: str, key: str) -> None:
    """Raises `InputError` where a package is missing: the key that asks for it, and how to install it."""
    if find_spec(package) is None:
        raise InputError(f"{key} needs the package {package}, which is not installed: {INSTALL[package]}")
