"""What the schema says of one config key: its type, default, values and meaning, and a section's keys."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from gavel.common.errors import InputError
from gavel.study.schema.renamed import RENAMED, renamed
from gavel.study.schema.study import definition, schema

NAME, PLACE = "<name>", "[]"  # in a key's path: a name that the user chooses, and an entry of a list
PROPOSED = 4  # at most so many of the keys that were perhaps meant
SIMILAR, ALMOST_EQUAL = 0.6, 0.8  # difflib's similarity of a key that was perhaps meant


@dataclass(frozen=True)
class Key:
    """A key of the config, or a section.

    Attributes:
        path: dotted; the complete config's is empty.
        type: such as `a number, at least 0`; of a section `a section`.
        default: as YAML; None if the key is required, or if it is a section, whose keys have defaults.
        required: whether the section around the key needs it.
        values: as YAML, if only these are allowed.
        meaning: the description.
        keys: of a section, in the config's order.
    """

    path: str
    type: str
    default: str | None
    required: bool
    values: tuple[str, ...]
    meaning: str
    keys: tuple["Key", ...] = ()


def find(path: str) -> Key:
    """The key with a dotted path, such as `rl.kl_coefficient`; with an empty path the complete config.

    A name that the user chooses, such as a test set's, may be any name or `<name>`; an entry of a list is `[]`.

    Raises:
        InputError: there is no such key; the message gives its new name, or the nearest keys.
    """
    root = _root()
    field, required, found = root, True, list[str]()
    for part in re.sub(r"\[\w*\]", f".{PLACE}", path).split(".") if path else []:
        section = definition(root, field)
        named = section.get("additionalProperties")
        if part in section.get("properties", {}):
            required = part in section.get("required", ())
            field = section["properties"][part]
        elif isinstance(named, dict) and part:
            part, field, required = NAME, named, False
        elif part == PLACE and (items := _list_items(field)) is not None:
            field, required = items, False
        else:
            raise InputError(_unknown(path, found, section))
        found.append(part)
    return _key(root, ".".join(found).replace(f".{PLACE}", PLACE), field, required, deep=True)


def paths() -> list[str]:
    """The dotted paths of all keys and sections, in the config's order."""
    root = _root()
    return list(_below(root, root, ""))


@cache
def _root() -> dict[str, Any]:
    """The schema, which takes a tenth of a second to make."""
    return schema()


def _below(root: dict[str, Any], section: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, field in section.get("properties", {}).items():
        yield f"{prefix}{key}"
        entry, end = field, ""
        if isinstance(named := field.get("additionalProperties"), dict):
            entry, end = named, f".{NAME}"
        elif (items := _list_items(field)) is not None:
            entry, end = items, PLACE
        if (inner := definition(root, entry)) is not entry:
            yield from _below(root, inner, f"{prefix}{key}{end}.")


def _list_items(field: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of a list's entries; None if the field is no list of sections."""
    items = field.get("items")
    return items if isinstance(items, dict) and "$ref" in items else None


def _key(root: dict[str, Any], path: str, field: dict[str, Any], required: bool, deep: bool) -> Key:
    named, items = field.get("additionalProperties"), _list_items(field)
    end, entry = (f".{NAME}", named) if isinstance(named, dict) else (PLACE, items) if items else ("", field)
    section, inside = definition(root, entry), f"{path}{end}"
    keys = [
        _key(root, f"{inside}.{key}" if inside else key, inner, key in section.get("required", ()), deep=False)
        for key, inner in (section.get("properties", {}) if deep else {}).items()
    ]
    about = [field.get("description"), section.get("description")]
    return Key(
        path=path,
        type=_type(field),
        default=json.dumps(field["default"], ensure_ascii=False) if "default" in field else None,
        required=required,
        values=tuple(json.dumps(value, ensure_ascii=False).strip('"') for value in _values(field)),
        meaning=" ".join(dict.fromkeys(" ".join(text.split()) for text in about if text)),
        keys=tuple(keys),
    )


def _values(field: dict[str, Any]) -> list[Any]:
    """The values that a key, or an entry of its list, may have; none if they are not a fixed set."""
    options = [field, *field.get("anyOf", ()), field.get("items", {})]
    found: list[Any] = next((option["enum"] for option in options if "enum" in option), [])
    return found


def _type(field: dict[str, Any]) -> str:
    if "properties" in field or "$ref" in field or any("$ref" in option for option in field.get("allOf", ())):
        return "a section"
    if options := field.get("anyOf"):
        kinds = [_type(option) for option in options]
        return "".join(f"{kind}, or " if "," in kind else f"{kind} or " for kind in kinds[:-1]) + kinds[-1]
    if field.get("type") == "array":
        entries = field.get("items") or field["prefixItems"][0]
        few = f"{field['maxItems']} " if "maxItems" in field and field["maxItems"] == field.get("minItems") else ""
        return f"a list of {few}{_plural(_type(entries))}"
    if field.get("type") == "object":
        named = field.get("additionalProperties")
        return f"names, each with {_type(named)}" if isinstance(named, dict) else "keys and values"
    kind = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
    return kind.get(field.get("type", ""), "null") + _limits(field)


def _limits(field: dict[str, Any]) -> str:
    low, high, above, below = (field.get(key) for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    limits = [f"at least {low:g}"] if low is not None else []
    limits += [f"above {above:g}"] if above is not None else []
    limits += [f"at most {high:g}"] if high is not None else []
    limits += [f"below {below:g}"] if below is not None else []
    return f", {' and '.join(limits)}" if limits else ""


def _plural(kind: str) -> str:
    for one, many in (("a whole number", "whole numbers"), ("a number", "numbers"), ("a section", "sections")):
        kind = kind.replace(one, many)
    return kind.replace("text", "texts")


def _unknown(path: str, found: list[str], section: dict[str, Any]) -> str:
    """The message for a path of which only the parts in `found` exist, the last of them a section."""
    parts = re.sub(r"\[\w*\]", f".{PLACE}", path).split(".")
    for end in range(len(parts), 0, -1):
        if new := renamed(parts[:end]):
            return f"{path}: no such key; {'.'.join(parts[:end])!r} is now {new!r}"
    near = _near(path, parts, found, section)
    if near:
        *first, last = [repr(key) for key in near]
        return f"{path}: no such key; did you mean {', '.join(first) + ' or ' if first else ''}{last}?"
    if not found:
        return f"{path}: no such key; `gavel explain` lists the sections"
    where = ".".join(found).replace(f".{PLACE}", PLACE)
    return f"{path}: no such key; {where!r} has {'others' if section.get('properties') else 'no keys'}"


def _near(path: str, parts: list[str], found: list[str], section: dict[str, Any]) -> list[str]:
    """The keys that were perhaps meant: of the section in which the path ends, or of that name elsewhere."""
    here = ".".join(found).replace(f".{PLACE}", PLACE)
    cutoff = SIMILAR if found else ALMOST_EQUAL
    if similar := _similar(parts[len(found)], section.get("properties", {}), cutoff):
        return [".".join([*([here] if here else []), key, *parts[len(found) + 1 :]]) for key in similar]
    everywhere = paths()
    lasts: dict[str, list[str]] = {}
    for known in everywhere:
        lasts.setdefault(known.rpartition(".")[2], []).append(known)
    last = parts[-1]
    old = {name.rpartition(".")[2]: new for name, new in RENAMED.items()}
    if last in lasts:
        return sorted(lasts[last], key=lambda known: known.count("."))[:PROPOSED]
    if len(parts) == 1 and last in old:
        return [old[last].replace(".*", f".{NAME}")]
    if whole := _similar(path, everywhere):
        return whole
    return [known for name in _similar(last, lasts) for known in lasts[name]][:PROPOSED]


def _similar(name: str, names: Iterable[str], cutoff: float = SIMILAR) -> list[str]:
    return difflib.get_close_matches(name, list(names), n=PROPOSED, cutoff=cutoff)
