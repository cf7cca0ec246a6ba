"""Reading JSON Lines files for commands: each row with its location (skipped rows: `gavel.data.sources`)."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from gavel.common.files import json_texts
from gavel.solutions.numbers import too_long_note


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that reads rows."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--skip-bad", action="store_true", help="skip rows that cannot be read, and count them")


def located_rows(path: str) -> Iterator[tuple[str, bytes]]:
    """The lines of a file, or the elements of its single list, each with its `file:line`; skips blank lines."""
    for number, text in json_texts(path):
        yield f"{path}:{number}", text


def quote_value(row: dict[str, Any], key: str) -> str:
    if key not in row:
        return "no such key"
    return json.dumps(row[key])[:60]


def quote_answer(row: dict[str, Any], key: str) -> str:
    """Like `quote_value`, for an answer: also says why it is not one, if that is not obvious."""
    value = quote_value(row, key)
    if value == "null":
        return "null (no label; such rows cannot be scored)"
    return value + too_long_note(row.get(key))
