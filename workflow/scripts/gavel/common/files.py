"""Reading and writing small structured files; a file or folder under its final name is always whole.

That holds after `kill -9` and, since what is written is on disk before it gets its name, after a power cut.
"""

import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from gavel.common.errors import InputError

NOT_UTF8 = "not UTF-8 text; convert the file to UTF-8"
TOO_DEEP = "nested too deeply"
DEEPEST = 100  # of lists and objects in each other; far more than this cannot be written again
LINKS = 40  # that lead to each other; the kernel follows no more
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_BLANK = b" \t\r\n\xef\xbb\xbf"  # with the byte order mark
_SPACE = re.compile(r"[ \t\r\n]*")


def read_jsonl(path: str | Path) -> Iterator[dict]:
    """Yield the objects of a JSON Lines file, in order, without loading it whole; of one JSON list, its elements.

    Raises:
        InputError: the file is missing, or a line is not a JSON object; the message has `file:line`.
    """
    for number, text in json_texts(path):
        yield json_object(text, f"{path}:{number}")


def json_texts(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """The JSON texts of a file, each with the number of its line: its lines, or the elements of its one list.

    Blank lines are passed over. A file is one list where its first line that is not blank is `[` or begins with `[{`
    and is no JSON by itself, or is the only one; it is then loaded whole. A file with nothing but `[]` has no texts.

    Raises:
        InputError: the file is missing, or is a list that cannot be taken apart.
    """
    try:
        with open(path, "rb") as handle:
            lines = ((number, line) for number, line in enumerate(handle, start=1) if line.strip(_BLANK))
            first, second = next(lines, None), next(lines, None)
            if first is None:
                return
            if _opens_list(first[1], alone=second is None):
                # A pipe cannot be read again: what was read stands once more before the rest, on its own lines.
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
    """Lines with blank ones between them, so that each has its number again."""
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
    """The elements of one JSON list, each as the bytes that it has in the file, with the line on which it begins."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{number}: {NOT_UTF8}") from None
    # Numbers are looked at later: one that is too long makes its own element bad, not the whole file.
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
        raise wrong("something follows the list")


def _skip(text: str, place: int) -> int:
    """The place of the next character that is no white space."""
    found = _SPACE.match(text, place)
    return found.end() if found else place


def json_object(text: bytes, where: str) -> dict:
    """One JSON object.

    Args:
        text: as it stands in a file; a byte order mark may stand before it.
        where: `file:line`, for messages.

    Raises:
        InputError: it is not UTF-8, no JSON, no object, or holds half a character.
    """
    row = _loaded(text, where)
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(row).__name__}")
    return row


def read_json(path: str | Path) -> Any:
    """Load one JSON document. Raises `InputError` when it is missing or malformed."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return _loaded(text, str(path))


def _loaded(text: bytes, where: str) -> Any:
    try:
        value = json.loads(text.decode("utf-8-sig"))
        if text.count(b"[") + text.count(b"{") > DEEPEST and _depth(value) > DEEPEST:
            raise RecursionError
        # What Python reads as half a character could be neither written nor shown later.
        if _HALF.search(text) and half_a_character(json.dumps(value, ensure_ascii=False)):
            raise InputError(
                f"{where}: half a character (a lone surrogate, \\ud800 to \\udfff); write the text anew as UTF-8"
            )
    except UnicodeDecodeError:
        raise InputError(f"{where}: {NOT_UTF8}") from None
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise InputError(f"{where}: not valid JSON ({error.msg}, {line}column {error.colno})") from None
    except RecursionError:
        raise InputError(f"{where}: not valid JSON ({TOO_DEEP})") from None
    except InputError:
        raise
    except ValueError:
        most = sys.get_int_max_str_digits()
        raise InputError(f"{where}: not valid JSON (a whole number of more than {most:,} digits)") from None
    return value


def _depth(value: object) -> int:
    """How deep lists and objects lie in each other."""
    deepest = 0
    left: list[tuple[object, int]] = [(value, 1)]
    while left:
        inner, depth = left.pop()
        if isinstance(inner, dict | list):
            deepest = max(deepest, depth)
            left += [(each, depth + 1) for each in (inner.values() if isinstance(inner, dict) else inner)]
    return deepest


def half_a_character(text: str) -> bool:
    """Whether a text holds a lone surrogate, which UTF-8 cannot express."""
    return any("\ud800" <= character <= "\udfff" for character in text)


@contextmanager
def replacing(path: str | Path, newline: str | None = None, make_folder: bool = True) -> Iterator[TextIO]:
    """A text file to write that takes the place of `path` when the block ends well, and is gone when it does not.

    Of a link it is the target whose place is taken. What is there and is no regular file, such as a device or a pipe,
    stays and is written into as the block goes.

    Args:
        make_folder: whether to make the folder of `path` where it is missing.

    Raises:
        OSError: it cannot be written; a folder never can.
    """
    if make_folder:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    if not is_replaced(path):
        # Nothing of a device or pipe is on a disk to wait for.
        number = _own_descriptor(path)
        with open(path if number is None else os.dup(number), "w", encoding="utf-8", newline=newline) as handle:
            yield handle
        return
    path = Path(os.path.realpath(path))
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "w", encoding="utf-8", newline=newline) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def is_replaced(path: str | Path) -> bool:
    """Whether `replacing` puts a new file there; not where a device, a pipe or a folder is, or is opened already."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and _own_descriptor(path) is None
    except FileNotFoundError:
        return True


def _own_descriptor(path: str | Path) -> int | None:
    """The number of this process's open file that a path such as /dev/stdout stands for; None of another path.

    Where that is a regular file, opening it once more would write over what has been written into it.
    """
    path = os.path.abspath(path)
    for _ in range(LINKS):
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if match := re.fullmatch(rf"/proc/{os.getpid()}/fd/([0-9]+)", path):
            return int(match[1])
        if not os.path.islink(path):
            return None
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return None


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically (`replacing`), making its folder."""
    with replacing(path) as handle:
        handle.write(text)


def write_json(path: str | Path, value: object) -> None:
    """Write one JSON document atomically; floats keep full precision, NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as JSON Lines atomically."""
    with replacing(path) as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")


def sync_folder(folder: str | Path) -> None:
    """Wait until a folder, all that is in it and its own name are on disk."""
    for path in (*Path(folder).rglob("*"), Path(folder), Path(folder).parent):
        _sync(path)


def replace_folder(partial: Path, folder: Path) -> None:
    """Give a finished folder its final name; a kill in between may lose an older one of that name, never mixes them."""
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
