"""The baseline of a study without SFT: the student as it is. It is validated like a training run, but not trained."""

import csv
from typing import cast

from gavel.common.files import open_atomically, read_jsonl, write_json
from gavel.data.records import Record
from gavel.models.context import check_questions
from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.task import Task
from gavel.training.monitor import Monitor
from gavel.training.records import RunSummary


def validate(
    *,
    model: str,
    student: Student,
    task: Task,
    validation: str,
    monitor: str,
    summary: str,
    limits: Limits | None = None,
) -> dict[str, float]:
    """Validate the student, and write its `monitor.csv` (step 0 alone) and `run.json`.

    Args:
        model: the student's folder.
        student: how it is loaded.
        validation: JSONL file of records with gold answers.
        monitor, summary: files to write.
        limits: of generation batches, `gavel.models.limits.limits`.

    Returns:
        The monitor's figures of greedy decoding (`gavel.training.monitor.Monitor`).

    Raises:
        InputError: the model or the prompt cannot be used, or a question does not fit the model.
    """
    rows = [cast(Record, row) for row in read_jsonl(validation)]
    check_questions(rows, source=validation, model=model, student=student, task=task)
    policy = Policy.load(model, student, task, limits)
    found = Monitor(rows, task, limits=limits)(policy.model, policy.tokenizer, 0)
    with open_atomically(monitor, newline="") as handle:
        writer = csv.DictWriter(handle, ["step", *found])
        writer.writeheader()
        writer.writerow({"step": 0, **found})
    about: RunSummary = {
        "run": "base",
        "algorithm": "base",
        "lambda": None,
        "seed": None,
        "steps": 0,
        "best_step": None,
        "labels": 0,
        "unlabeled": 0,
        "completions": 0,
        "settings": {},
        "algorithm_notes": None,
        "seconds": 0.0,
        "status": "finished",
    }
    write_json(summary, about)
    return found
