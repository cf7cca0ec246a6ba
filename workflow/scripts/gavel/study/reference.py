"""The reference of all config keys, generated from the schema."""

from typing import Any

from gavel.study.schema.study import definition, schema


def reference() -> str:
    """The reference of all keys as Markdown, with a table per section, in the config's order."""
    root = schema()
    lines: list[str] = []
    sections = {", ".join(paths): root["$defs"][name] for name, paths in _sections(root).items()}
    for title, node in {"(top level)": root, **sections}.items():
        lines += [
            "",
            f"### {title}",
            "",
            node.get("description", ""),
            "",
            "| key | default | meaning |",
            "|---|---|---|",
        ]
        for key, field in node["properties"].items():
            default = "required" if key in node.get("required", ()) else _default(field)
            meaning = field.get("description") or definition(root, field)["description"]
            lines.append(f"| `{key}` | {default} | {meaning}{_choices(field, meaning)} |")
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


def _choices(field: dict[str, Any], meaning: str) -> str:
    """The values of a key with a fixed set of them, unless its meaning names them all."""
    options = [field, *field.get("anyOf", ())]
    values: list[Any] = next((option["enum"] for option in options if "enum" in option), [])
    return "" if all(f"`{value}`" in meaning for value in values) else f" One of {', '.join(f'`{v}`' for v in values)}."


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "see the section"
    value = field["default"]
    return "null" if value is None else f"`{value}`" if not isinstance(value, bool) else f"`{str(value).lower()}`"
