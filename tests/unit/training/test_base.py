"""The baseline of a study without SFT: validated as it is, with the files of a run that was not trained."""

import csv
import json

import pytest

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.models import loading
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.training.base import validate
from gavel.training.monitor import Monitor
from gavel.training.records import RunSummary
from helpers.typed_rows import mismatch

TASK = Task("solve", "program", 8)


@pytest.fixture
def files(rows, tmp_path):
    write_jsonl(
        tmp_path / "validation.jsonl",
        [{"id": row["id"], "question": row["question"], "gold": row["gold"]} for row in rows[:5]],
    )
    return {
        "validation": str(tmp_path / "validation.jsonl"),
        "monitor": str(tmp_path / "base" / "monitor.csv"),
        "summary": str(tmp_path / "base" / "run.json"),
    }


def test_it_is_validated_as_it_is_and_not_trained(tiny, rows, files, tmp_path):
    found = validate(model=tiny, student=Student(), task=TASK, **files)
    assert found == Monitor(rows[:5], TASK)(loading.load_model(tiny), loading.load_tokenizer(tiny), 0)
    with open(files["monitor"], newline="") as handle:
        (row,) = csv.DictReader(handle)
    assert row == {"step": "0"} | {name: str(value) for name, value in found.items()}
    summary = json.loads((tmp_path / "base" / "run.json").read_text())
    assert mismatch(summary, RunSummary) is None
    assert (summary["run"], summary["lambda"], summary["labels"], summary["steps"]) == ("base", None, 0, 0)
    assert {path.name for path in (tmp_path / "base").iterdir()} == {"monitor.csv", "run.json"}


def test_a_student_that_cannot_be_asked_ends_the_job(tiny, files):
    chat = Task("solve", "program", 8, chat=True)
    with pytest.raises(InputError, match=r"^solution.chat: the student's tokenizer has no chat template"):
        validate(model=tiny, student=Student(), task=chat, **files)
