"""JSON from other people's files: one line for what cannot be read, and one JSON list in place of JSON Lines."""

import json
import os
import threading

import pytest

from gavel.common.errors import InputError
from gavel.common.files import json_texts, read_json, read_jsonl

TOO_LONG = "9" * 5000
ROWS = [{"a": 1, "b": "ä\u2028 [ ] , {"}, {"a": [{"c": 2}]}, {"a": 3}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": "caf\xe9"}', "not UTF-8 text; convert the file to UTF-8"),
        (b'\xff\xfe{\x00"\x00a\x00"\x00', "not UTF-8 text"),
        (b'{"a": "\\ud800"}', "half a character (a lone surrogate"),
        (b'{"\\uDFFF": 1}', "half a character"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8 text"),
        (f'{{"a": {TOO_LONG}}}'.encode(), "a whole number of more than 4,300 digits"),
        (f'{{"a": -{TOO_LONG}}}'.encode(), "a whole number of more than 4,300 digits"),
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
    path.write_text("[]\n")
    assert list(json_texts(path)) == [(1, b"[]\n")]  # one line, on which no row stands
    path.write_text("[\n]\n")
    assert list(json_texts(path)) == []


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
        ('[\n{"a": 1}\n]\n{"a": 2}', 4, "something follows the list"),
        ('[\n{"a": 1},\n{"a" 2}\n]', 3, "delimiter"),
        ('[\n{"a": 1},\n{"a": ' + "[" * 100_000, 3, "nested too deeply"),
        ('[\n{"a": 1},\n2]', 3, "expected a JSON object, found int"),
        ('[\n{"a": 1},\n{"a": ' + TOO_LONG + "}]", 3, "a whole number of more than 4,300 digits"),
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
