"""A user's own files: JSON Lines, JSON, CSV, TSV and Parquet, with columns of any name, and what is wrong with them."""

import datetime
import decimal
import json

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from gavel.common.errors import InputError
from gavel.data import tables
from gavel.data.check_sizes import check_references, check_solutions
from gavel.data.prepare import prepare
from gavel.data.sources import SkippedRows, load
from gavel.solutions.verifier import extract
from gavel.study.schema import study as config_study
from helpers.configs import default

COLUMNS = {"question": "problem", "answer": "final", "solution": "rationale"}
ROWS = [
    {"problem": "Ann has 2 cats, and\n3 dogs. How many?", "final": "5", "rationale": "2 + 3 = <<2+3=5>>5 pets"},
    {"problem": 'Bob says "7". How many?', "final": "7", "rationale": None},
    {"problem": "Nobody knows?", "final": "None", "rationale": None},
]


def write_csv(path, rows, delimiter=",", newline="\n", bom=""):
    def cell(value):
        return "" if value is None else '"' + value.replace('"', '""') + '"'

    lines = [delimiter.join(rows[0]), *(delimiter.join(map(cell, row.values())) for row in rows)]
    path.write_bytes((bom + "".join(line + newline for line in lines)).encode())


def write(path, rows):
    """The rows in the format of the file's extension."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        write_csv(path, rows, delimiter=tables.DELIMITERS[path.suffix])


def read(path, columns=None, reader="rows", **options):
    return load(reader, path=str(path), columns=columns, label="data.train.path", **options)


def refused(path, columns=None, **options) -> str:
    with pytest.raises(InputError) as error:
        read(path, columns, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.json", "mine.csv", "mine.tsv", "mine.parquet"])
def test_each_format_gives_the_same_records(tmp_path, name):
    write(tmp_path / name, ROWS)
    first, second, third = read(tmp_path / name, COLUMNS)
    assert first["id"] == "mine-00000" and first["question"] == ROWS[0]["problem"]
    assert (first["gold"], first["solution"]) == ("5", "2 + 3 = <<2+3=5>>5 pets\n#### 5")
    assert extract(first["solution"]) == "5"
    assert (second["question"], second["gold"], second["solution"]) == (ROWS[1]["problem"], "7", None)
    assert third["gold"] == "None"
    assert tables.count_rows(tmp_path / name, "x") == 3
    assert [row["id"] for row in read(tmp_path / name, COLUMNS, limit=2)] == ["mine-00000", "mine-00001"]


def test_a_folder_in_the_hubs_layout_takes_columns_too(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "train.csv", [row for row in ROWS if row["rationale"]])
    (row,) = read(tmp_path / "set", COLUMNS, split="train")
    assert (row["id"], row["gold"]) == ("rows-train-00000", "5")
    assert "has no column 'fnal'; did you mean 'final'?" in refused(
        tmp_path / "set", COLUMNS | {"answer": "fnal"}, split="train"
    )


def test_gsm8k_under_other_names(tmp_path):
    write(tmp_path / "mine.csv", [{"problem": "One and one?", "worked": "It is <<1+1=2>>2.\n#### 2"}])
    (row,) = read(tmp_path / "mine.csv", {"question": "problem", "answer": "worked"}, reader="gsm8k")
    assert (row["gold"], row["solution"]) == ("2", "It is <<1+1=2>>2.\n#### 2")


def test_a_named_column_is_preferred_to_one_of_the_readers_name(tmp_path):
    row = {"question": "no", "answer": "8", "gold": "9", "q": "Yes?", "final": 5, "solution": "5 = 5"}
    write(tmp_path / "mine.jsonl", [row])
    (found,) = read(tmp_path / "mine.jsonl", {"question": "q", "answer": "final"})
    assert (found["question"], found["gold"], found["solution"]) == ("Yes?", "5", "5 = 5\n#### 5")


@pytest.mark.parametrize(
    ("solution", "read_as"),
    [
        ("2 + 3 = 5\n#### 5", "2 + 3 = 5\n#### 5"),
        ("It is $\\boxed{5}$.", "It is $\\boxed{5}$."),
        ("Five", "Five\n#### 5"),
        ("Two\r\nand three", "Two\nand three\n#### 5"),
        ("#### 5 cats", "#### 5 cats"),
        ("", None),
        (None, None),
    ],
)
def test_a_solution_ends_with_its_answer(tmp_path, solution, read_as):
    write(tmp_path / "mine.jsonl", [{"question": "Q?", "answer": "5", "solution": solution}])
    (row,) = read(tmp_path / "mine.jsonl")
    assert row["solution"] == read_as
    assert read_as is None or extract(read_as) == "5"


# What is wrong with a file


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.json", "mine.csv", "mine.parquet"])
def test_a_column_that_is_not_there(tmp_path, name):
    write(tmp_path / name, ROWS)
    path = tmp_path / name
    assert refused(path, COLUMNS | {"answer": "finale"}) == (
        f"data.train.columns.answer: {path} has no column 'finale'; did you mean 'final'? Its columns: 'problem', "
        "'final', 'rationale'"
    )
    assert refused(path, COLUMNS | {"kind": "zzz"}).startswith(
        f"data.train.columns.kind: {path} has no column 'zzz'; its"
    )
    assert refused(path).startswith(
        f"data.train: {path} has no column 'question'; name the one that holds it in data.train.columns, such as "
    )
    assert "has no column 'answer'" in refused(path, {"question": "problem"})


def test_a_long_list_of_columns_is_cut(tmp_path):
    write(tmp_path / "mine.jsonl", [{f"column{n}": n for n in range(40)}])
    assert refused(tmp_path / "mine.jsonl").endswith("'column11', ...")


def test_a_missing_cell_is_named_by_its_line_and_can_be_skipped(tmp_path):
    rows = [ROWS[0], ROWS[1] | {"final": None}, ROWS[1] | {"problem": None}, ROWS[2]]
    write_csv(tmp_path / "mine.csv", rows)
    path = tmp_path / "mine.csv"
    message = refused(path, COLUMNS)
    assert message.startswith(f"{path}:4: no answer; expected a number"), "the first row takes two lines"
    assert "answer in column 'final'" in message and message.endswith("skip such rows with skip_bad")
    skipped = SkippedRows()
    assert [row["gold"] for row in read(path, COLUMNS, skipped=skipped)] == ["5", "None"]
    assert [reason.split(" (")[0] for reason in skipped.first] == [
        f"{path}:4: no answer; expected a number or the word None",
        f"{path}:5: no text in 'question'",
    ]


@pytest.mark.parametrize(("row", "cells"), [("a,1,2", 3), ("a", 1), ('"a""b"', 1)])
def test_a_row_with_another_number_of_cells(tmp_path, row, cells):
    (tmp_path / "mine.csv").write_text(f'question,answer\n"two\nlines",5\n\n{row}\nb,6\n')
    assert refused(tmp_path / "mine.csv").startswith(
        f"{tmp_path / 'mine.csv'}:5: {cells} cells, but the header has 2; put text with commas"
    )


def test_an_open_quote(tmp_path):
    (tmp_path / "mine.csv").write_text('question,answer\na,1\n"b,2\nc,3\n')
    assert refused(tmp_path / "mine.csv").startswith(f"{tmp_path / 'mine.csv'}:3: 1 cells, but the header has 2")


def test_other_separators(tmp_path):
    (tmp_path / "mine.csv").write_text("question;answer\na;1\n")
    message = refused(tmp_path / "mine.csv")
    assert message.endswith("its columns: 'question;answer' (columns must be separated by commas)")


@pytest.mark.parametrize("name", ["mine.csv", "mine.tsv"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_bom_and_crlf(tmp_path, name, bom, newline):
    path = tmp_path / name
    rows = [{"question": "One?\r\nTwo?", "answer": "1,200"}, {"question": "Ünïcödé 数?", "answer": " 007 "}]
    write_csv(path, rows, tables.DELIMITERS[path.suffix], newline, bom)
    assert [(row["question"], row["gold"]) for row in read(path)] == [("One?\nTwo?", "1200"), ("Ünïcödé 数?", "7")]


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.json"])
def test_bom_and_crlf_in_json(tmp_path, name):
    rows = [{"question": "One?", "answer": 1}, {"question": "Two?", "answer": 2}]
    text = json.dumps(rows) if name.endswith("json") else "\r\n".join(map(json.dumps, rows))
    (tmp_path / name).write_bytes(("\ufeff" + text + "\r\n").encode())
    assert [row["gold"] for row in read(tmp_path / name)] == ["1", "2"]


def test_blanks_around_the_names_of_columns_do_not_matter(tmp_path):
    (tmp_path / "mine.csv").write_text(" question , answer\na, 1\n")
    assert [row["gold"] for row in read(tmp_path / "mine.csv")] == ["1"]


@pytest.mark.parametrize("header", ["question,answer,answer", "question,answer, answer", "question,answer,,"])
def test_two_columns_of_one_name_in_csv(tmp_path, header):
    (tmp_path / "mine.csv").write_text(f"{header}\n{'a,' * header.count(',')}1\n")
    name = "''" if header.endswith(",") else "'answer'"
    assert refused(tmp_path / "mine.csv").endswith(f"has 2 columns named {name}; rename or remove all but one")


def test_two_columns_of_one_name_in_parquet_and_json(tmp_path):
    table = pyarrow.table([["a"], ["1"], ["2"]], names=["question", "answer", "answer"])
    pyarrow.parquet.write_table(table, tmp_path / "mine.parquet")
    assert "has 2 columns named 'answer'" in refused(tmp_path / "mine.parquet")
    for name, text in {"mine.jsonl": "{0}\n", "mine.json": "[{0}]"}.items():
        (tmp_path / name).write_text(text.format('{"question": "a", "answer": 1, "answer": 2}'))
        assert "key 'answer' is given twice in one object" in refused(tmp_path / name)


@pytest.mark.parametrize("text", ["", "\n\n", "question,answer\n", "question,answer"])
def test_an_empty_csv_file(tmp_path, text):
    (tmp_path / "mine.csv").write_text(text)
    assert refused(tmp_path / "mine.csv", COLUMNS).endswith("mine.csv has no rows; give a data set with at least one")


def test_an_empty_parquet_file(tmp_path):
    (tmp_path / "mine.parquet").write_bytes(b"")
    assert "cannot be read as Parquet" in refused(tmp_path / "mine.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"question": [], "answer": []}), tmp_path / "mine.parquet")
    assert "has no rows" in refused(tmp_path / "mine.parquet")
    pyarrow.parquet.write_table(pyarrow.table({}), tmp_path / "mine.parquet")
    assert "has no rows" in refused(tmp_path / "mine.parquet")


@pytest.mark.parametrize("content", ["{}", '{"rows": []}', "5", '"text"', "[1, 2]", '[{"question": "a"}, "b"]', "null"])
def test_json_that_is_not_a_list(tmp_path, content):
    (tmp_path / "mine.json").write_text(content)
    assert "is not a JSON list of objects" in refused(tmp_path / "mine.json")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings(tmp_path, encoding):
    (tmp_path / "mine.csv").write_bytes("question,answer\ncafé,1\n".encode(encoding))
    assert refused(tmp_path / "mine.csv").endswith("as CSV (not UTF-8 text; convert the file to UTF-8)")


@pytest.mark.parametrize(
    ("value", "gold"),
    [(5, "5"), (5.0, "5"), (2.5, "2.5"), (decimal.Decimal("7.50"), "7.5"), ("1/2", "0.5"), ("$1,200", "1200")],
)
def test_answers_of_several_types_in_parquet(tmp_path, value, gold):
    write(tmp_path / "mine.parquet", [{"question": "Q?", "answer": value}])
    assert read(tmp_path / "mine.parquet")[0]["gold"] == gold


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"question": 5, "answer": 5}, "'question' must be text, found int '5'"),
        ({"question": ["Q?"], "answer": 5}, "'question' must be text, found list"),
        ({"question": b"Q?", "answer": 5}, "'question' must be text, found bytes"),
        ({"question": "Q?", "answer": True}, "the answer 'True' is not a number or the word None"),
        ({"question": "Q?", "answer": [5]}, "the answer '[5]' is not a number or the word None"),
        ({"question": "Q?", "answer": float("nan")}, "the answer 'nan' is not a number or the word None"),
        (
            {"question": "Q?", "answer": datetime.date(2024, 1, 1)},
            "the answer '2024-01-01' is not a number or the word None",
        ),
        ({"question": "Q?", "answer": 5, "solution": {"steps": 5}}, "'solution' must be text, found dict"),
        ({"question": "Q?", "answer": 5, "id": 1.5}, "'id' must be text or a whole number, found float"),
    ],
)
def test_a_wrong_type_in_parquet_is_named_by_its_row(tmp_path, row, problem):
    write(tmp_path / "mine.parquet", [row])
    assert refused(tmp_path / "mine.parquet").startswith(f"{tmp_path / 'mine.parquet'}: row 0: {problem}")


def test_ids_may_be_numbers_but_not_repeated(tmp_path):
    write(
        tmp_path / "mine.parquet",
        [{"question": "Q?", "answer": 5, "key": 17}, {"question": "R?", "answer": 5, "key": 18}],
    )
    assert [row["id"] for row in read(tmp_path / "mine.parquet", {"id": "key"})] == ["17", "18"]
    write(tmp_path / "mine.csv", [{"question": "Q?", "answer": "5", "key": "a"}] * 2)
    assert ":3: the id 'a' is also the id of row 0" in refused(tmp_path / "mine.csv", {"id": "key"})


# What the data job says of solutions


def settings(path, **changes):
    raw = default()
    raw["data"] |= {
        "pretrain": None,
        "train": {"reader": "rows", "path": str(path), "columns": COLUMNS},
        "labeled": 12,
        "unlabeled": 4,
        "validation": 4,
    }
    raw["student"] = {"model": "x"}
    raw["judge"] = {"model": "x"}
    raw["data"] |= changes
    return {key: value for key, value in config_study.load(raw)["data"].items() if key != "ngram"}


def problems(count, solution):
    return [
        {"problem": f"Tom has {n} cats and 1 dog. How many?", "final": str(n + 1), "rationale": solution(n)}
        for n in range(count)
    ]


def test_the_summary_and_the_log_say_which_rows_have_a_solution(tmp_path, capsys):
    def solution(n):
        kinds = [f"{n} + 1 = <<{n}+1={n + 1}>>{n + 1} pets", None, "Count them.", f"<<{n}+2={n + 2}>>"]
        return kinds[n % 4]

    write(tmp_path / "mine.csv", problems(20, solution))
    summary = prepare(**settings(tmp_path / "mine.csv"), solution_format="program", output=tmp_path / "data")
    found = summary["notes"]["solutions"]
    assert json.loads((tmp_path / "data/splits.json").read_text()) == summary
    assert summary["counts"]["labeled"] == 12 and found["labeled"] + found["validation"] == 5
    rows = [json.loads(line) for line in (tmp_path / "data/labeled.jsonl").read_text().splitlines()]
    assert sum("program" in row for row in rows) == found["labeled"] and all(row["gold"] for row in rows)
    reasons = found["not_converted"]
    assert set(reasons) == {"no calculation", "another answer"}
    for reason in reasons.values():
        for shown in reason["first"]:
            path, line, _ = shown.split(":", 2)
            row = problems(20, solution)[int(line) - 2]
            assert path == str(tmp_path / "mine.csv") and row["rationale"]
            expected = "it has no calculation" if row["rationale"] == "Count them." else "its last calculation gives"
            assert expected in shown
    log = capsys.readouterr().err
    assert f"{found['labeled']} of 12 labelled questions have a solution that SFT can train on" in log
    count = reasons["another answer"]["count"]
    assert f"{count} solutions do not convert to a program (another answer); the first: " in log


def test_sft_without_enough_solutions_is_refused(tmp_path):
    write(tmp_path / "mine.csv", problems(20, lambda n: "Count them." if n % 2 else None))
    options = settings(tmp_path / "mine.csv") | {"output": tmp_path / "data"}
    found = prepare(**options, solution_format="program")["notes"]["solutions"]
    with pytest.raises(InputError) as error:
        check_solutions(found["labeled"], 12, 16, found["not_converted"])
    message = str(error.value)
    assert message.startswith("sft: none of 12 labelled questions has a solution to train on (")
    assert f"do not convert (no calculation): {tmp_path / 'mine.csv'}:" in message
    for advice in ("data.train.columns.solution", "`solution: {format: text}`", "`sft: null`"):
        assert advice in message
    assert "\n" not in message
    text = prepare(**options, solution_format="text")["notes"]["solutions"]
    assert 5 <= text["labeled"] <= 10 and text["not_converted"] == {}
    check_solutions(text["labeled"], 12, text["labeled"])
    with pytest.raises(
        InputError, match=r"sft.batch_size: is 16, but only \d+ of 12 .*; lower it to at most \d+, name"
    ):
        check_solutions(text["labeled"], 12, 16)


def test_judges_that_need_references_are_refused_without_any():
    check_references(1, "judge.benchmark", "validation")
    with pytest.raises(InputError, match=r"judge.benchmark: compares with .* none of the validation questions has one"):
        check_references(0, "judge.benchmark", "validation")
