"""Sections of the config, or of a job's JSON file, as dataclasses."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Settings = TypeVar("Settings")


def from_section(kind: type[Settings], section: Mapping[str, Any], name: str) -> Settings:
    """A dataclass whose fields have the section's values, with nested sections and lists converted as in `convert`.

    Args:
        kind: the dataclass; a field without a default must be in the section.
        name: of the section, for messages.

    Raises:
        TypeError: the section lacks a key, or has one that is no field; the message names it.
    """
    for field in fields(kind):  # type: ignore[arg-type]  # a dataclass
        if field.name not in section and field.default is MISSING and field.default_factory is MISSING:
            raise TypeError(f"{name}: key {field.name!r} of {kind.__name__} is missing")
    if unknown := sorted(section.keys() - _names(kind)):
        raise TypeError(f"{name}: {kind.__name__} has no key {unknown[0]!r}")
    hints = get_type_hints(kind)
    return kind(**{key: convert(hints[key], value, f"{name}.{key}") for key, value in section.items()})


def convert(hint: object, value: object, name: str) -> object:
    """A plain value as its annotation has it: a section as a dataclass, a list as a tuple, everything else unchanged.

    Where several dataclasses are possible, the section becomes the one whose fields are most like its keys.

    Args:
        hint: the annotation of a field or an argument.
        name: of the value, for messages.

    Raises:
        TypeError: as `from_section`.
    """
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if isinstance(value, Mapping):
        kinds = [option for option in options if isinstance(option, type) and is_dataclass(option)]
        if kinds:
            return from_section(min(kinds, key=lambda kind: len(_names(kind) ^ value.keys())), value, name)
    arrays = [option for option in options if get_origin(option) is tuple]
    if isinstance(value, list) and arrays:
        kind = get_args(arrays[0])[0]  # of the first element, and of all others if they are alike
        return tuple(convert(kind, element, f"{name}[{place}]") for place, element in enumerate(value))
    return value


def _names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}
