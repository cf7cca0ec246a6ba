"""The reference of all config keys, generated from the schema."""

from typing import Any

from gavel.study.schema.study import definition, schema

SECTIONS = {
    "Source": "data.train, data.pretrain, data.tests.<name>",
    "StudentScratch": "student.scratch",
    "JudgeScratch": "judge.scratch",
    "Validation": "rl.validation",
    "LambdaSchedule": "rl.lambda_schedule",
    "Prompting": "judge.prompting",
    "Ppo": "rl.ppo",
}


def reference() -> str:
    """The reference of all keys as Markdown, with a table per section."""
    root = schema()
    lines: list[str] = []
    for title, node in [("(top level)", root), *root["$defs"].items()]:
        lines += [
            "",
            f"### {_heading(title)}",
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


def _choices(field: dict[str, Any], meaning: str) -> str:
    """The values of a key with a fixed set of them, unless its meaning names them all."""
    options = [field, *field.get("anyOf", ())]
    values: list[Any] = next((option["enum"] for option in options if "enum" in option), [])
    return "" if all(f"`{value}`" in meaning for value in values) else f" One of {', '.join(f'`{v}`' for v in values)}."


def _heading(title: str) -> str:
    return SECTIONS.get(title, title.lower())


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "see the section"
    value = field["default"]
    return "null" if value is None else f"`{value}`" if not isinstance(value, bool) else f"`{str(value).lower()}`"
