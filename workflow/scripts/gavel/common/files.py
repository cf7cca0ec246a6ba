"""Read and write small structured files; a file or folder under its final name is always complete.

This holds after `kill -9` and, because content is on disk before it gets its name, after a power cut.
"""

import json
import os
import re
import shutil
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from gavel.common.errors import InputError

NOT_UTF8 = "not UTF-8 text; convert the file to UTF-8"
TOO_DEEP = "nested too deeply"
MAX_DEPTH = 100  # levels of nested lists and objects; values much deeper than this cannot be written again
MAX_LINKS = 40  # symbolic links in a row; the kernel follows no more
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_BLANK = b" \t\r\n\xef\xbb\xbf"  # including the byte order mark
_SPACE = re.compile(r"[ \t\r\n]*")


def read_jsonl(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file, in order, without loading it all; of one JSON list, its elements.

    Raises:
        InputError: the file is missing, or a line is not a JSON object; the message has `file:line`.
    """
    for number, text in json_texts(path):
        yield json_object(text, f"{path}:{number}")


def json_texts(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Yield the JSON texts of a file with their line numbers: its lines, or the elements of its only list.

    Blank lines are skipped. A file is one list if its first non-blank line is `[` or begins with `[{`, and is either
    not valid JSON by itself or the only line. Such a file is loaded completely. A file that contains only `[]` has no
    texts.

    Raises:
        InputError: the file is missing, or is a malformed list.
    """
    try:
        with open(path, "rb") as handle:
            lines = ((number, line) for number, line in enumerate(handle, start=1) if line.strip(_BLANK))
            first, second = next(lines, None), next(lines, None)
            if first is None:
                return
            if _opens_list(first[1], alone=second is None):
                # A pipe cannot be read twice: what was read precedes the rest again, on its original lines.
                read = b"".join(_on_lines(filter(None, (first, second))))
                yield from _elements(read + handle.read(), path)
                return
            yield first
            if second:
                yield second
            yield from lines
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def _on_lines(lines: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """The lines with blank lines between them, so that each keeps its line number."""
    last = 0
    for number, line in lines:
        yield b"\n" * (number - last - 1) + line
        last = number


def _opens_list(line: bytes, alone: bool) -> bool:
    if not re.match(rb"(\xef\xbb\xbf)?\s*\[\s*(\{|\]?\s*$)", line):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return alone


def _elements(data: bytes, path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Yield the elements of one JSON list: the line where each begins, and its bytes as in the file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{number}: {NOT_UTF8}") from None
    # Numbers are parsed later: one with too many digits makes its own element invalid, not the whole file.
    decode = json.JSONDecoder(parse_int=len).raw_decode
    place, line, counted = _skip(text, text.index("[") + 1), 1, 0

    def wrong(reason: str) -> InputError:
        number = text.count("\n", 0, min(place, len(text.rstrip()))) + 1
        return InputError(f"{path}:{number}: not valid JSON ({reason})")

    while text[place : place + 1] != "]":
        try:
            _, end = decode(text, place)
        except json.JSONDecodeError as error:
            place = error.pos
            raise wrong(error.msg) from None
        except RecursionError:
            raise wrong(TOO_DEEP) from None
        line, counted = line + text.count("\n", counted, place), place
        yield line, text[place:end].encode(errors="surrogatepass")
        place = _skip(text, end)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)
            if text[place : place + 1] != "]":
                continue
        if text[place : place + 1] != "]" or text[end:place].strip():
            raise wrong("expected ',' and another element, or the list's end ']'")
    place = _skip(text, place + 1)
    if place < len(text):
        raise wrong("unexpected text after the list")


def _skip(text: str, place: int) -> int:
    """The index of the next character that is not white space."""
    space = _SPACE.match(text, place)
    return space.end() if space else place


def json_object(text: bytes, where: str) -> dict[str, Any]:
    """Parse one JSON object.

    Args:
        text: as in a file; a byte order mark may precede it.
        where: `file:line`, for messages.

    Raises:
        InputError: the text is not UTF-8, not JSON, not an object, gives a key twice, or contains a lone surrogate.
    """
    row = _loaded(text, where)
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(row).__name__}")
    return row


def read_json(path: str | Path) -> Any:
    """Load one JSON document. Raises `InputError` if it is missing or malformed."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return _loaded(text, str(path))


def _loaded(text: bytes, where: str) -> Any:
    try:
        value = json.loads(text.decode("utf-8-sig"), object_pairs_hook=_object)
        if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
            raise RecursionError
        # Python reads a lone surrogate, but could neither write nor show it later.
        if _HALF.search(text) and has_lone_surrogate(json.dumps(value, ensure_ascii=False)):
            raise InputError("invalid Unicode: lone surrogate (\\ud800 to \\udfff); re-encode the text as UTF-8")
    except UnicodeDecodeError:
        raise InputError(f"{where}: {NOT_UTF8}") from None
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise InputError(f"{where}: not valid JSON ({error.msg}, {line}column {error.colno})") from None
    except RecursionError:
        raise InputError(f"{where}: not valid JSON ({TOO_DEEP})") from None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except ValueError:
        limit = sys.get_int_max_str_digits()
        raise InputError(f"{where}: not valid JSON (an integer with more than {limit:,} digits)") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises `InputError` if a key is given twice, since readers differ in which value they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        key, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InputError(f"key {key[:60]!r} is given twice in one object")
    return found


def _depth(value: object) -> int:
    """How deeply lists and objects are nested."""
    deepest = 0
    left: list[tuple[object, int]] = [(value, 1)]
    while left:
        inner, depth = left.pop()
        if isinstance(inner, dict | list):
            deepest = max(deepest, depth)
            left += [(each, depth + 1) for each in (inner.values() if isinstance(inner, dict) else inner)]
    return deepest


def has_lone_surrogate(text: str) -> bool:
    """Whether a text contains a lone surrogate, which UTF-8 cannot encode."""
    return any("\ud800" <= character <= "\udfff" for character in text)


@contextmanager
def open_atomically(path: str | Path, newline: str | None = None, make_folder: bool = True) -> Iterator[TextIO]:
    """Open a text file that replaces `path` if the block succeeds and is deleted if it fails.

    If `path` is a link, its target is replaced. Anything that is not a regular file, such as a device or a pipe, is not
    replaced but written to directly.

    Args:
        make_folder: whether to create the folder of `path` if it is missing.

    Raises:
        OSError: the file cannot be written; a folder never can.
    """
    if make_folder:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    if not is_replaceable(path):
        # A device or pipe has nothing to sync to disk.
        number = _own_descriptor(path)
        with open(path if number is None else os.dup(number), "w", encoding="utf-8", newline=newline) as handle:
            yield handle
        return
    with partial_file(path) as partial, open(partial, "w", encoding="utf-8", newline=newline) as handle:
        yield handle


@contextmanager
def partial_file(path: str | Path) -> Iterator[Path]:
    """Yield the path of a file to write, which replaces `path` if the block succeeds and is deleted if it fails.

    If `path` is a link, its target is replaced. The folder must exist.
    """
    path = Path(os.path.realpath(path))
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def is_replaceable(path: str | Path) -> bool:
    """Whether `open_atomically` creates a new file; not for a device, a pipe, a folder, or a file that is already
    open."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and _own_descriptor(path) is None
    except FileNotFoundError:
        return True


def _own_descriptor(path: str | Path) -> int | None:
    """The file descriptor of this process that a path such as /dev/stdout stands for; None for any other path.

    If the descriptor is a regular file, opening it again would overwrite what has been written to it.
    """
    path = os.path.abspath(path)
    for _ in range(MAX_LINKS):
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if match := re.fullmatch(rf"/proc/{os.getpid()}/fd/([0-9]+)", path):
            return int(match[1])
        if not os.path.islink(path):
            return None
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return None


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically (`open_atomically`), creating its folder."""
    with open_atomically(path) as handle:
        handle.write(text)


def write_json(path: str | Path, value: object) -> None:
    """Write one JSON document atomically; floats keep full precision, NaN is rejected."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as JSON Lines atomically."""
    with open_atomically(path) as handle:
        handle.writelines(jsonl_lines(rows))


def jsonl_lines(rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """Each row as a line of JSON Lines, with its line break."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def sync_folder(folder: str | Path) -> None:
    """Wait until a folder, its contents and its own name are on disk."""
    for path in (*Path(folder).rglob("*"), Path(folder), Path(folder).parent):
        _sync(path)


def replace_folder(partial: Path, folder: Path) -> None:
    """Give a finished folder its final name; a kill in between may lose an older one of that name, never mix them."""
    sync_folder(partial)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
