"""The fixed text of the messages in Gavel's code, to check that a message on a page exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from gavel.common.paths import ROOT

PLACEHOLDER = re.compile(r"<[^<>]*>")  # in a message on a page: what differs
SHORTEST = 4  # characters of a part that is looked for


@cache
def fixed_text() -> str:
    """All texts in the code of library and scripts; what an f-string fills in is a line break."""
    scripts = sorted((ROOT / "workflow" / "scripts").rglob("*.py"))
    return "\n\n".join(text for path in scripts for text in _texts(ast.parse(path.read_bytes())))


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\n" for part in node.values)


def unknown_parts(message: str) -> list[str]:
    """The parts of a message, between its placeholders and commas, that are in no text of the code."""
    parts = [part.strip() for piece in PLACEHOLDER.split(message) for part in piece.split(", ")]
    return [part for part in parts if len(part) >= SHORTEST and part not in fixed_text()]
