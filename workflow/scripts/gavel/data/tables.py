"""Rows of local data files: JSON Lines, JSON, CSV, TSV, Parquet and ASDiv's XML.

A row is a dict from column (or JSON key) to value. Cells of CSV and TSV files are text; an empty one is None.
"""

import codecs
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from gavel.common.errors import InputError, first_line
from gavel.common.files import NOT_UTF8, json_texts, read_json, read_jsonl

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".jsonl", ".json", *DELIMITERS, ".parquet", ".xml")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # how spreadsheets begin "Unicode text"
BLOCK_SIZE = 64 << 20  # bytes of a CSV file read at once; a longer row cannot be read


def read_rows(path: Path, label: str) -> Iterator[dict[str, Any]]:
    """The rows of a file, in order.

    Args:
        path: an existing file.
        label: the config key that holds it, for messages.

    Raises:
        InputError: the file cannot be read in the format of its extension, or two columns have one name.
    """
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    if path.suffix == ".json":
        return _json_rows(path, label)
    if path.suffix in DELIMITERS:
        return _csv_rows(path, label)
    if path.suffix == ".parquet":
        return _parquet_rows(path, label)
    if path.suffix == ".xml":
        return _xml_rows(path, label)
    raise InputError(f"{label}: {path} has none of the known extensions {', '.join(SUFFIXES)}; rename it")


def count_rows(path: Path, label: str) -> int:
    """The number of rows of a file. Raises `InputError` as `read_rows`."""
    if path.suffix == ".jsonl":
        return sum(1 for _ in json_texts(path))
    return sum(1 for _ in read_rows(path, label))


def places(path: str) -> Callable[[int], str]:
    """A function from a row's number, counted from 0, to its place: `file:line`, or path and row number."""
    local = Path(path)
    lines: list[int] = []
    with suppress(InputError, csv.Error):  # a later line may be invalid; the lines before it are enough
        if local.is_file() and local.suffix == ".jsonl":
            lines.extend(line for line, _ in json_texts(path))
        elif local.is_file() and local.suffix in DELIMITERS:
            lines.extend(_csv_lines(local))
    return lambda number: f"{path}:{lines[number]}" if number < len(lines) else f"{path}: row {number}"


def _json_rows(path: Path, label: str) -> Iterator[dict[str, Any]]:
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(
            f"{label}: {path} is not a JSON list of objects; if it has one object per line, rename it to .jsonl"
        )
    return iter(rows)


def _csv_rows(path: Path, label: str) -> Iterator[dict[str, Any]]:
    import pyarrow.csv

    bad: list[Any] = []

    def refuse(row: Any) -> str:
        bad.append(row)
        return "error"

    reading: dict[str, Any] = {
        "read_options": pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_SIZE),  # else rows have no number
        "parse_options": pyarrow.csv.ParseOptions(
            delimiter=DELIMITERS[path.suffix], newlines_in_values=True, invalid_row_handler=refuse
        ),
    }
    unreadable = f"{label}: {path} cannot be read as {path.suffix[1:].upper()}"
    try:
        with open(path, "rb") as handle:
            if handle.read(2) in UTF16:
                raise InputError(f"{unreadable} ({NOT_UTF8})")
        with pyarrow.csv.open_csv(path, **reading) as opened:
            names = opened.schema.names
        # Without types, 007 would become a number, and two dates a date.
        as_text = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pyarrow.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        )
        table = pyarrow.csv.read_csv(path, **reading, convert_options=as_text)
    except (pyarrow.ArrowException, OSError) as error:
        if bad:
            row = bad[0]
            place = places(str(path))(row.number - 2)  # Arrow counts from 1, and the header
            raise InputError(
                f"{place}: {row.actual_columns} cells, but the header has {row.expected_columns}; put text with "
                'commas, tabs or line breaks in double quotes, and write a double quote within it twice ("")'
            ) from None
        if "empty csv" in str(error).lower():
            return iter(())
        reason = NOT_UTF8 if "utf8" in str(error).lower() else first_line(error)
        raise InputError(f"{unreadable} ({reason})") from None
    names = [name.strip() for name in names]
    _check_distinct(names, path, label)
    return (dict(zip(names, row.values(), strict=True)) for row in _without_names(table).to_pylist())


def _without_names(table: Any) -> Any:
    """The table with numbers for column names, which may be equal apart from blanks."""
    return table.rename_columns([str(place) for place in range(table.num_columns)])


def _csv_lines(path: Path) -> Iterator[int]:
    """The line where each row begins, without the header's."""
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as handle:
        reader = csv.reader(handle, delimiter=DELIMITERS[path.suffix])
        start, header = 1, True
        for row in reader:
            if row and not header:
                yield start
            header = header and not row
            start = reader.line_num + 1


def _parquet_rows(path: Path, label: str) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    try:
        _check_distinct(pyarrow.parquet.read_schema(path).names, path, label)
        return iter(pyarrow.parquet.read_table(path).to_pylist())
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{label}: {path} cannot be read as Parquet ({first_line(error)})") from None


def _check_distinct(names: Sequence[str], path: Path, label: str) -> None:
    name, count = Counter(names).most_common(1)[0] if names else ("", 1)
    if count > 1:
        raise InputError(f"{label}: {path} has {count} columns named {name!r}; rename or remove all but one")


class _Builder(ElementTree.TreeBuilder):
    """Rejects a document type: its entity declarations can expand a few lines to gigabytes."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise InputError("it declares a document type (<!DOCTYPE ...>); remove that line")


def _xml_rows(path: Path, label: str) -> Iterator[dict[str, Any]]:
    """Attributes and child texts of ASDiv's `Problem` elements, with names in lower case and `_` for `-`."""
    try:
        root = ElementTree.parse(path, ElementTree.XMLParser(target=_Builder())).getroot()
    except (ElementTree.ParseError, ValueError, OSError, LookupError) as error:
        reason = error if isinstance(error, InputError) else first_line(error)
        raise InputError(f"{label}: {path} cannot be read as XML ({reason})") from None
    for problem in root.iter("Problem"):
        fields = problem.attrib | {part.tag: "".join(part.itertext()).strip() for part in problem}
        yield {name.lower().replace("-", "_"): value for name, value in fields.items()}
