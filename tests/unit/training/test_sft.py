"""SFT trains on the labelled questions that have a solution; the others are labels for RL only."""

from dataclasses import replace
from pathlib import Path

import pytest

from gavel.common.errors import InputError
from gavel.common.files import read_json, write_jsonl
from gavel.jobs.launch import RunFolders
from gavel.models.loading import Student
from gavel.models.task import Task
from gavel.study.schema.training import Sft
from gavel.training import sft
from gavel.training.sft import SFTSettings

TASK = Task("solve", "program", 8)
SETTINGS = SFTSettings(
    **{key: value for key, value in Sft().model_dump().items() if key != "seed"}
    | {"epochs": 2, "batch_size": 2, "warmup": 0}
)


def unsolved(row):
    return {key: value for key, value in row.items() if key != "program"}


@pytest.fixture
def job(tiny, rows, tmp_path):
    """Arguments of an SFT run on ten labelled questions, six of which have a program."""
    labeled = [row if i % 5 in (0, 2, 4) else unsolved(row) for i, row in enumerate(rows[:10])]
    write_jsonl(tmp_path / "labeled.jsonl", labeled)
    write_jsonl(tmp_path / "validation.jsonl", rows[10:14])
    return {
        "student": Student(tiny),
        "task": TASK,
        "labeled": str(tmp_path / "labeled.jsonl"),
        "validation": str(tmp_path / "validation.jsonl"),
        "run": RunFolders(str(tmp_path / "out"), str(tmp_path / "state"), "d"),
        "settings": SETTINGS,
        "seed": 0,
    }


def test_only_rows_with_a_solution_are_trained_on_and_counted(job, capsys):
    summary = sft.train(**job)
    assert (summary["labels"], summary["steps"]) == (6, 6), "two epochs of three batches"
    assert read_json(Path(job["run"].output) / "run.json")["labels"] == 6
    log = capsys.readouterr().err
    assert "training on 6 of 10 labelled questions, those with a solution" in log
    assert "solution.max_new_tokens is 8, but 6 of 6 solutions have more tokens, up to " in log


def test_a_completion_stands_after_its_own_question(rows, tokenizer):
    some = [(rows[4], "four"), (rows[2], "two")]
    asked = TASK.prompts([rows[4]["question"], rows[2]["question"]], tokenizer)
    made = [tokenizer.decode(example.ids) for example in sft.examples(some, TASK, tokenizer)]
    whole = [prompt + text + tokenizer.eos_token for prompt, (_, text) in zip(asked, some, strict=True)]
    assert made == [tokenizer.decode(tokenizer(text)["input_ids"]) for text in whole]


@pytest.mark.parametrize("form", ["program", "text"])
def test_targets(form):
    rows = [{"program": "p", "solution": "s"}, {"solution": "s"}, {"solution": None}, {}]
    assert sft.solutions(rows, form) == (["p", "", "", ""] if form == "program" else ["s", "s", "", ""])


def test_too_few_solutions_are_refused_before_anything_is_loaded(job):
    changed = job | {"settings": replace(SETTINGS, batch_size=7), "student": Student("nowhere")}
    with pytest.raises(InputError, match=r"sft.batch_size: is 7, but only 6 of 10 .* lower it to at most 6"):
        sft.train(**changed)
    write_jsonl(job["labeled"], [{"id": "a", "question": "Q?", "gold": "1", "solution": "One"}])
    with pytest.raises(InputError, match="sft: none of 1 labelled questions has a solution to train on; name the"):
        sft.train(**changed)


def test_a_solution_that_does_not_fit_is_named_by_its_line_in_the_file(job, rows):
    labeled = [unsolved(row) for row in rows[:3]]
    labeled += [rows[3], rows[4] | {"id": "wordy", "program": rows[4]["program"] + "\n    # and so on" * 400}]
    write_jsonl(job["labeled"], labeled)
    with pytest.raises(InputError, match=r"labeled.jsonl:5: row wordy .* tokens, its solution adds"):
        sft.train(**job)
