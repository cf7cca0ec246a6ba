"""Text, tables and code in Markdown. What a model or a user wrote is escaped, so that it cannot change the page."""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import CardData
from huggingface_hub.repocard import RepoCard

from gavel.common.redaction import redact
from gavel.report.cells import Cell, Table

_SPECIAL = re.compile(r"([\\`*_\[\]|~#$])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# At the beginning of a line these would start a list or a heading.
_MARK = re.compile(r"^(?:(\d+)([.)])(?=\s|$)|([-+=])(?=\s|$|[-=]))")


class Markdown(str):
    """Text that is Markdown already."""


def escape(value: object) -> Markdown:
    """A value as one line of Markdown that shows its text."""
    if isinstance(value, Markdown):
        return value
    line = _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))
    line = re.sub("[&<>]", lambda match: _ENTITIES[match[0]], line)
    return Markdown(_MARK.sub(lambda match: f"{match[1]}\\{match[2]}" if match[1] else f"\\{match[3]}", line))


def code(text: str) -> Markdown:
    """One line of text as a code span."""
    text = " ".join(str(text).split())
    fence = _fence(text, 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return Markdown(f"{fence}{pad}{text}{pad}{fence}")


def block(text: str, language: str = "") -> Markdown:
    """Text as a code block, in which a line ends as on Unix."""
    text = re.sub(r"\r\n?", "\n", str(text)).rstrip("\n")
    fence = _fence(text, 3)
    return Markdown(f"{fence}{language}\n{text}\n{fence}")


def _fence(text: str, least: int) -> str:
    """More backticks in a row than the text has anywhere."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))


def table(found: Table) -> Markdown:
    """A table of the report; a cell's second line follows in brackets, and tooltips are left out."""
    columns = [escape(title) for title, _ in found.columns]
    marks = ["---:" if cells and cells[0].number else "---" for cells in zip(*found.rows, strict=True)]
    lines: list[list[Any]] = [
        columns,
        marks or ["---"] * len(columns),
        *([_cell(cell) for cell in row] for row in found.rows),
    ]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _cell(cell: Cell) -> Markdown:
    shown = escape(cell.text)
    shown = Markdown(f"**{shown}**") if cell.bold else shown
    return Markdown(f"{shown} ({escape(cell.sub)})") if cell.sub else shown


def items(lines: Sequence[object]) -> Markdown:
    """A list with an item for each line."""
    return Markdown("\n".join(f"- {escape(line)}" for line in lines))


def render(template: str, context: dict[str, Any]) -> str:
    """Fill in a template of this folder; every value is escaped, unless it is `Markdown`."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: files("gavel.publish").joinpath(name).read_text(encoding="utf-8")),
        autoescape=False,
        finalize=escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"code": code, "block": block, "table": table, "items": items, "raw": Markdown}
    return environment.get_template(template).render(context)


def with_metadata(card: type[RepoCard], data: CardData, body: str) -> str:
    """A card with its metadata, as huggingface_hub reads it back; secrets and the name of the home folder are left out.

    Raises:
        ValueError: it would not read the same metadata again.
    """
    content = f"---\n{data.to_yaml()}\n---\n\n{_without_home(redact(body))}"
    if card(content).data.to_yaml() != data.to_yaml():
        raise ValueError(f"the metadata of the card does not survive:\n{data.to_yaml()}")
    return content


def _without_home(text: str) -> str:
    home = str(Path.home())
    return text if home == "/" else re.sub(rf"{re.escape(home)}(?=/)", "~", text)
