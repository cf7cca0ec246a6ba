"""Nested settings under dotted names, as in the config's messages."""

import copy
from collections.abc import Mapping
from typing import Any


def flatten(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"rl": {"steps": 8}}` as `{"rl.steps": 8}`."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def merge(common: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`common` with the keys of `overlay` added; mappings are merged, everything else is replaced."""
    result = copy.deepcopy(dict(common))
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merge(result[key], value) if both else copy.deepcopy(value)
    return result


def lookup(settings: Mapping[str, Any], path: str) -> Any:
    """The value under a dotted name. Raises `KeyError` if there is none."""
    value: Any = settings
    for key in path.split("."):
        value = value[key]
    return value
