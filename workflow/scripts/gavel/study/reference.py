"""The reference of all config keys, generated from the schema."""

from collections.abc import Mapping
from typing import Any

from gavel.study.key_info import Key, find
from gavel.study.schema.study import definition, schema


def reference(examples: Mapping[str, str]) -> str:
    """The reference of all keys as Markdown, with a table per section, in the config's order.

    Args:
        examples: YAML to show at the top of a section, by the section's path.

    Raises:
        KeyError: an example is not of a section.
    """
    root = schema()
    left = dict(examples)
    lines: list[str] = []
    for paths, section in [([""], root), *((paths, root["$defs"][name]) for name, paths in _sections(root).items())]:
        title = ", ".join(f"`{path}`" for path in paths if path) or "(top level)"
        lines += ["", f"### {title}", "", section.get("description", ""), ""]
        if example := left.pop(paths[0], None):
            lines += ["```yaml", example.rstrip(), "```", ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        for name, field in section["properties"].items():
            key = find(f"{paths[0]}.{name}".lstrip("."))
            meaning = field.get("description") or definition(root, field)["description"]
            lines.append(f"| `{name}` | {_type(key)} | {_default(key)} | {_markdown(meaning)} |")
    if left:
        raise KeyError(*left)
    return "\n".join(lines).strip() + "\n"


def _sections(root: dict[str, Any]) -> dict[str, list[str]]:
    """Name of a definition -> the dotted paths of the sections that it defines."""
    paths: dict[str, list[str]] = {}

    def visit(node: dict[str, Any], *path: str) -> None:
        for key, field in node["properties"].items():
            entry, where = field, (*path, key)
            if isinstance(named := field.get("additionalProperties"), dict):
                entry, where = named, (*path, key, "<name>")
            elif isinstance(listed := field.get("items"), dict):
                entry, where = listed, (*path, f"{key}[]")
            section = definition(root, entry)
            if section is not entry:
                name = next(name for name, found in root["$defs"].items() if found is section)
                paths.setdefault(name, []).append(".".join(where))
                visit(section, *where)

    visit(root)
    return paths


def _type(key: Key) -> str:
    values = ", ".join(f"`{value}`" for value in key.values)
    return f"{key.type}: {values}" if values else key.type


def _markdown(meaning: str) -> str:
    """A meaning whose `<name>` outside code is no HTML."""
    parts = meaning.split("`")
    return "`".join(part if place % 2 else part.replace("<", "&lt;") for place, part in enumerate(parts))


def _default(key: Key) -> str:
    if key.default is None:
        return "required" if key.required else "see the section"
    text = key.default.strip('"')
    return text if text == "null" else f"`{text}`"
