"""The rows of the data job's files are what `gavel.data.records` says."""

from gavel.common.files import read_jsonl
from gavel.data.fields import FIELDS
from gavel.data.prepare import prepare
from gavel.data.records import LabeledRecord, Record
from helpers.typed_rows import assert_typed

MAIN = {"reader": "generator", "set": "main"}


def test_the_fields_of_a_record_are_those_of_its_type():
    assert tuple(Record.__annotations__) == FIELDS


def test_every_file_of_a_study_s_data_has_records(tmp_path):
    tests = {
        "main": MAIN | {"size": 12, "seed": 1},
        "plus": MAIN | {"set": "plus", "perturbs": "main", "size": 16, "seed": 2},
    }
    sizes = {"labeled": 8, "unlabeled": 12, "validation": 8}
    pretrain = MAIN | {"set": "pretrain", "size": 12, "seed": 3}
    train = MAIN | {"size": 40, "seed": 4}
    prepare(train=train, tests=tests, pretrain=pretrain, **sizes, seed=0, solution_format="program", output=tmp_path)
    files = {path.relative_to(tmp_path).as_posix(): list(read_jsonl(path)) for path in tmp_path.rglob("*.jsonl")}
    assert len(files) == 7
    assert_typed(files["labeled.jsonl"], LabeledRecord)
    assert all(list(row) == [*FIELDS, "program"] for row in files.pop("labeled.jsonl"))
    for name, rows in files.items():
        assert_typed(rows, Record)
        assert all(list(row) == list(FIELDS) for row in rows), name
    assert {row["gold"] for row in files["unlabeled.jsonl"]} == {None}
    assert None not in {row["gold"] for name, rows in files.items() if name != "unlabeled.jsonl" for row in rows}
