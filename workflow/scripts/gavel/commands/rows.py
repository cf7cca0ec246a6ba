"""JSON Lines files as commands read them: each row with its place, and bad rows left out where that is asked for."""

import json
import sys
from collections.abc import Iterator

from gavel.errors import InputError


def add_options(parser) -> None:
    """The options that every command over rows has."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be read, and count them")


class Skipped:
    """The rows that `--skip-bad` left out: their number, and what was wrong with the first of them."""

    SHOWN = 10

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, problem: InputError) -> None:
        self.count += 1
        if len(self.first) < self.SHOWN:
            self.first.append(str(problem))

    def tell(self, path: str) -> None:
        for problem in self.first:
            print(f"gavel: left out {problem}", file=sys.stderr)
        more = self.count - len(self.first)
        rows = "1 row" if self.count == 1 else f"{self.count} rows"
        print(f"gavel: {path}: {rows} left out{f', {more} of them not shown' if more else ''}", file=sys.stderr)


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
