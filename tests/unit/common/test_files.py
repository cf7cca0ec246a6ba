"""JSON from other people's files: one line for what cannot be read, and one JSON list in place of JSON Lines.

Files to write: what is there and is no regular file stays. Devices are made here; never are those of the machine tried.
"""

import json
import os
import stat
import threading

import pytest

from gavel.common.errors import InputError
from gavel.common.files import (
    is_replaceable,
    json_texts,
    jsonl_lines,
    open_atomically,
    read_json,
    read_jsonl,
    write_jsonl,
    write_text,
)
from helpers.devices import device, read_pipe

TOO_LONG = "9" * 5000
ROWS = [{"a": 1, "b": "ä\u2028 [ ] , {"}, {"a": [{"c": 2}]}, {"a": 3}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": "caf\xe9"}', "not UTF-8 text; convert the file to UTF-8"),
        (b'\xff\xfe{\x00"\x00a\x00"\x00', "not UTF-8 text"),
        (b'{"a": "\\ud800"}', "invalid Unicode: lone surrogate (\\ud800 to"),
        (b'{"\\uDFFF": 1}', "invalid Unicode: lone surrogate"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8 text"),
        (f'{{"a": {TOO_LONG}}}'.encode(), "an integer with more than 4,300 digits"),
        (f'{{"a": -{TOO_LONG}}}'.encode(), "an integer with more than 4,300 digits"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}", "nested too deeply"),
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_its_place(tmp_path, text, reason):
    whole = tmp_path / "rows.json"
    whole.write_bytes(text)
    with pytest.raises(InputError) as error:
        read_json(whole)
    assert reason in str(error.value) and str(error.value).startswith(str(whole))
    assert "\n" not in str(error.value) and len(str(error.value)) < 300
    if text:
        rows = tmp_path / "rows.jsonl"
        rows.write_bytes(b'{"a": 1}\n\n' + text + b"\n")
        with pytest.raises(InputError) as error:
            list(read_jsonl(rows))
        assert reason in str(error.value) and str(error.value).startswith(f"{rows}:3: ")
        assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_many_lists_are_not_deep(tmp_path):
    path = tmp_path / "rows.jsonl"
    row = {"a": [[[]]] * 1000, "b": "[" * 1000, "c": json.loads("[" * 99 + "]" * 99)}
    path.write_text(json.dumps(row))
    assert list(read_jsonl(path)) == [row]


def test_a_pair_of_surrogates_is_a_character(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "\\ud83d\\ude00"}\n')
    assert list(read_jsonl(path)) == [{"a": "😀"}]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS, indent=2, ensure_ascii=False),
        json.dumps(ROWS, indent=2),
        json.dumps(ROWS, indent="\t", ensure_ascii=False),
        json.dumps(ROWS),
        "\n  " + json.dumps(ROWS, indent=2).replace("\n", "\r\n") + "\n\n",
        "[" + ",\n".join(map(json.dumps, ROWS)) + "]",
        "\n".join(map(json.dumps, ROWS)),
    ],
)
def test_one_list_is_read_as_its_elements(tmp_path, text, mark):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(mark + text.encode())
    assert list(read_jsonl(path)) == ROWS


def test_elements_of_a_list_have_the_lines_on_which_they_begin(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS, indent=2))
    lines = path.read_text().splitlines()
    assert [number for number, _ in json_texts(path)] == [n for n, line in enumerate(lines, 1) if line == "  {"]


@pytest.mark.parametrize("text", ["[]", "[]\n", "\n[ ]\n\n", "[\n]\n", "\ufeff[]", ""])
def test_a_list_without_elements_has_no_rows(tmp_path, text):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    assert list(json_texts(path)) == []


def test_an_empty_list_among_rows_is_no_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('[]\n{"a": 1}\n')
    with pytest.raises(InputError, match=f"{path}:1: expected a JSON object, found list"):
        list(read_jsonl(path))


def test_a_list_may_come_through_a_pipe(tmp_path):
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=('\n[\n\n{"a": 1},\n\n{"a": 2}\n]\n',))
    writer.start()
    assert list(json_texts(path)) == [(4, b'{"a": 1}'), (6, b'{"a": 2}')]
    writer.join()


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ('[\n{"a": 1},\n{"a": 2}\n', 3, "expected ','"),
        ('[\n{"a": 1},\n]\n', 3, "expected ',' and another element"),
        ('[\n{"a": 1}\n{"a": 2}\n]', 3, "expected ','"),
        ('[\n{"a": 1}\n]\n{"a": 2}', 4, "unexpected text after the list"),
        ('[\n{"a": 1},\n{"a" 2}\n]', 3, "delimiter"),
        ('[\n{"a": 1},\n{"a": ' + "[" * 100_000, 3, "nested too deeply"),
        ('[\n{"a": 1},\n2]', 3, "expected a JSON object, found int"),
        ('[\n{"a": 1},\n{"a": ' + TOO_LONG + "}]", 3, "an integer with more than 4,300 digits"),
        ('[{"a": 1}]\n{"a": 2}', 1, "expected a JSON object, found list"),  # a bad row of JSON Lines
    ],
)
def test_a_broken_list_is_named_with_its_line(tmp_path, text, where, reason):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        list(read_jsonl(path))
    assert str(error.value).startswith(f"{path}:{where}: ") and reason in str(error.value)
    assert "\n" not in str(error.value)


def others(folder):
    """What lies beside the files that a test has made itself."""
    return {path.name for path in folder.iterdir()}


def test_a_file_takes_the_place_of_another_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "old")
    before = path.stat().st_ino
    with pytest.raises(KeyError), open_atomically(path) as handle:
        handle.write("half")
        raise KeyError
    assert path.read_text() == "old"
    write_text(path, "whole")
    assert path.read_text() == "whole" and path.stat().st_ino != before
    assert others(path.parent) == {"a.txt"}


def test_a_folder_is_not_made_where_that_is_not_asked(tmp_path):
    with pytest.raises(FileNotFoundError), open_atomically(tmp_path / "new" / "a.txt", make_folder=False):
        pass
    assert others(tmp_path) == set()


@pytest.mark.parametrize("there", [True, False])
def test_of_a_link_the_target_is_replaced(tmp_path, there):
    (tmp_path / "far").mkdir()
    target, between, link = tmp_path / "far" / "target", tmp_path / "far" / "between", tmp_path / "link"
    between.symlink_to("target")
    link.symlink_to(between)
    if there:
        target.write_text("old")
    before = target.stat().st_ino if there else None
    write_text(link, "new")
    assert link.is_symlink() and between.is_symlink() and not target.is_symlink()
    assert target.read_text() == "new" and target.stat().st_ino != before
    assert others(tmp_path) == {"far", "link"} and others(tmp_path / "far") == {"target", "between"}


def test_a_link_that_leads_to_itself_is_an_error_and_stays(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").is_symlink() and (tmp_path / "b").is_symlink()


@pytest.mark.parametrize("linked", [False, True])
def test_a_device_is_written_into_and_stays(tmp_path, linked):
    null, full = device(tmp_path / "null", 3), device(tmp_path / "full", 7)
    if linked:
        for name in ("null", "full"):
            (tmp_path / f"{name}-link").symlink_to(name)
    suffix = "-link" if linked else ""
    write_text(tmp_path / f"null{suffix}", "gone")
    with pytest.raises(OSError, match="No space left on device"):
        write_text(tmp_path / f"full{suffix}", "more")
    assert stat.S_ISCHR(null.stat().st_mode) and stat.S_ISCHR(full.stat().st_mode)
    assert not is_replaceable(null)
    assert others(tmp_path) == {"null", "full"} | ({"null-link", "full-link"} if linked else set())


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_written_into_and_stays(tmp_path, linked):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    if linked:
        (tmp_path / "link").symlink_to(pipe)
    with read_pipe(pipe) as found:
        write_text(tmp_path / ("link" if linked else "pipe"), "through")
    assert found == ["through"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path, "new")
    assert others(tmp_path.parent) >= {tmp_path.name} and others(tmp_path) == set()


@pytest.mark.parametrize("linked", [False, True])
def test_what_this_process_has_open_is_written_on_and_not_from_its_beginning(tmp_path, linked):
    """As `--details /dev/stdout > out.txt` has it, where opening the file anew would write over it."""
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("no /proc here")
    with open(tmp_path / "out.txt", "w") as out:
        out.write("first\n")
        out.flush()
        path = f"/proc/self/fd/{out.fileno()}"
        if linked:
            (tmp_path / "link").symlink_to(path)
            path = tmp_path / "link"
        assert not is_replaceable(path)
        write_text(path, "second\n")
        out.write("third\n")
    assert (tmp_path / "out.txt").read_text() == "first\nsecond\nthird\n"
    assert others(tmp_path) == {"out.txt"} | ({"link"} if linked else set())


def test_rows_are_lines_that_are_read_as_the_same_rows(tmp_path):
    lines = ['{"a": 1, "b": "ä\u2028 [ ] , {"}\n', '{"a": [{"c": 2}]}\n', '{"a": 3}\n']
    assert list(jsonl_lines(ROWS)) == lines
    write_jsonl(tmp_path / "rows.jsonl", iter(ROWS))
    assert (tmp_path / "rows.jsonl").read_bytes() == "".join(lines).encode()
    assert list(read_jsonl(tmp_path / "rows.jsonl")) == ROWS
