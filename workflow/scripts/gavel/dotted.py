"""Nested settings under dotted names, as the config's messages write them."""

from collections.abc import Mapping


def dotted(section: Mapping, prefix: str = "") -> dict:
    """`{"rl": {"kl": 0.1}}` as `{"rl.kl": 0.1}`."""
    flat = {}
    for key, value in section.items():
        flat |= dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
