"""JSON Lines files as commands read them: each row with its place. What is left out is counted by `gavel.skipped`."""

import json
from collections.abc import Iterator

from gavel.errors import InputError


def add_options(parser) -> None:
    """The options that every command over rows has."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be read, and count them")


def located(path: str) -> Iterator[tuple[str, bytes]]:
    """The lines of a file, each with its `file:line`; blank lines are passed over."""
    try:
        with open(path, "rb") as handle:
            for number, line in enumerate(handle, start=1):
                if line.strip():
                    yield f"{path}:{number}", line
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def parsed(line: bytes, where: str) -> dict:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{where}: not UTF-8 text; convert the file to UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error})") from None
    if b"\\u" in line and any("\ud800" <= c <= "\udfff" for c in json.dumps(row, ensure_ascii=False)):
        raise InputError(
            f"{where}: half a character (a lone surrogate, \\ud800 to \\udfff); write the text anew as UTF-8"
        )
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(row).__name__}")
    return row


def shown(row: dict, key: str) -> str:
    if key not in row:
        return "no such key"
    text = json.dumps(row[key])
    return "null (no label; such rows cannot be scored)" if text == "null" else text[:60]
