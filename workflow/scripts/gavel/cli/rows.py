"""JSON Lines files as commands read them: each row with its place (skipped rows: `gavel.data.sources`)."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from gavel.common.files import json_texts
from gavel.solutions.numbers import TOO_LONG, too_long


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that every command over rows has."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be read, and count them")


def located(path: str) -> Iterator[tuple[str, bytes]]:
    """The lines of a file, or the elements of its one list, each with its `file:line`; blank lines are passed over."""
    for number, text in json_texts(path):
        yield f"{path}:{number}", text


def shown(row: dict[str, Any], key: str) -> str:
    if key not in row:
        return "no such key"
    return json.dumps(row[key])[:60]


def answer_shown(row: dict[str, Any], key: str) -> str:
    """As `shown`, of an answer: also why it is none, where that cannot be seen."""
    found = shown(row, key)
    if found == "null":
        return "null (no label; such rows cannot be scored)"
    return f"{found} ({TOO_LONG})" if too_long(row.get(key)) else found
