"""`gavel harness`: run lm-evaluation-harness itself on a finished run's checkpoint, with the study's prompts."""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

from gavel.cli.commands import Commands, add_command, aligned, count
from gavel.cli.finished_run import FinishedRun, Question
from gavel.common.errors import InputError
from gavel.common.files import read_json, read_jsonl
from gavel.data import lm_eval
from gavel.data.lm_eval_files import GAVEL, METRIC, HarnessTask, folder_of, write_tasks
from gavel.models.limits import limits
from gavel.solutions.other_verifiers import FILTERS

STDERR = 2  # its file descriptor


def add_harness(commands: Commands) -> None:
    parser = add_command(
        commands,
        "harness",
        help="run lm-evaluation-harness on a finished run's checkpoint, with the study's prompts",
        description="Writes the test sets as tasks, evaluates the run's main checkpoint on them with lm_eval (greedy "
        "responses), and compares responses and accuracy with the study's. lm_eval must be installed beside Gavel: "
        "`make install-lm-eval` makes .venv-lm-eval.",
        examples=["harness results sft", "harness results/mine grpo-lambda0.5-seed0 --limit 100"],
    )
    parser.add_argument("results", metavar="RESULTS", help="the results folder of a finished study")
    parser.add_argument("name", metavar="RUN", help="the run, such as sft or grpo-lambda0.5-seed0")
    parser.add_argument("--limit", type=count, metavar="N", help="only the first N questions of each test set")
    parser.add_argument(
        "--batch-size",
        type=count,
        metavar="N",
        help="questions per batch (default: evaluation.batch_size of the study, at most 256)",
    )
    parser.add_argument("--out", metavar="FOLDER", help="the output folder (default: RESULTS/lm_eval)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=harness)


class SetResult(NamedTuple):
    """A test set, answered by the study and by the harness with the same checkpoint.

    Attributes:
        questions: how many the harness was asked.
        same: how many of its responses are the study's greedy ones.
        study: the study's accuracy on these questions, without programs that did not run; None if none did.
        filters: the harness's accuracy under each filter.
        samples: its sample log.
    """

    task: str
    questions: int
    same: int
    study: float | None
    filters: dict[str, float]
    samples: str


def harness(options: argparse.Namespace) -> None:
    """`gavel harness`: write the tasks, run lm_eval, and print the comparison.

    Raises:
        InputError: lm_eval is not installed or fails, or the run or its checkpoint is missing.
    """
    if find_spec("lm_eval") is None:
        raise InputError(
            f"lm_eval is not installed beside {sys.executable}; run `make install-lm-eval`, and then this command with "
            ".venv-lm-eval/bin/gavel"
        )
    run = FinishedRun(options.results, options.name)
    if not Path(run.checkpoint).exists():
        raise InputError(f"{run.checkpoint}: no such folder; the run's checkpoint was moved or deleted")
    asked = {test: run.questions(test) for test in run.tests}
    tasks = [run.task(test, questions) for test, questions in asked.items()]
    out = Path(options.out or run.files.lm_eval)
    try:
        write_tasks(tasks, out / "tasks")
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); name another folder") from None
    _run_lm_eval(_command(run, tasks, out, options))
    results = [
        _result(run, task, questions, out / folder_of(run.checkpoint))
        for task, questions in zip(tasks, asked.values(), strict=True)
    ]
    if options.json:
        print(json.dumps([result._asdict() for result in results]))
        return
    print("\n".join(_lines(results)))
    if run.format == "program":
        print(f"\nThe responses are programs, which only the filter {GAVEL} runs; the others read them as text.")
    for result in results:
        print(f"\nwhere they differ: gavel verifiers {result.samples} --format {run.format} --layout lm-eval")


def _command(run: FinishedRun, tasks: Sequence[HarnessTask], out: Path, options: argparse.Namespace) -> list[str]:
    arguments = {
        "--model": "hf",
        "--model_args": json.dumps(run.model_args),  # as JSON, since a path may have a comma
        "--tasks": ",".join(task.name for task in tasks),
        "--include_path": str(out / "tasks"),
        "--output_path": str(out),
        "--batch_size": str(options.batch_size or limits(run.config["evaluation"])["batch_size"]),
    }
    arguments |= {"--limit": str(options.limit)} if options.limit else {}
    return [
        sys.executable,
        "-m",
        "lm_eval",
        "run",
        *(word for pair in arguments.items() for word in pair),
        "--log_samples",
    ]


def _run_lm_eval(command: Sequence[str]) -> None:
    """Run lm_eval, whose output goes to stderr. Raises `InputError` if it fails."""
    print(shlex.join(command), file=sys.stderr, flush=True)
    with TemporaryDirectory() as cache:  # of the questions, which the harness would keep in the home folder
        done = subprocess.run(command, stdout=STDERR, env=os.environ | {"HF_DATASETS_CACHE": cache})
    if done.returncode:
        raise InputError(f"lm_eval ended with exit status {done.returncode}; its messages are above")


def _result(run: FinishedRun, task: HarnessTask, questions: Sequence[Question], folder: Path) -> SetResult:
    path = max(folder.glob(f"samples_{task.name}_*.jsonl"))  # the newest; their names end in the time
    results = read_json(str(path).replace(f"samples_{task.name}_", "results_").removesuffix("l"))
    new = lm_eval.RepeatFilter()
    rows = [row for row in read_jsonl(path) if new(row)]
    theirs = [lm_eval.responses(row)[0] for row in rows]
    ours = [questions[int(lm_eval.doc_id(row))].greedy for row in rows]
    known = [row["correct"] for row in ours if row["correct"] is not None]
    return SetResult(
        task=task.name,
        questions=len(rows),
        same=sum(text == row["response"] for text, row in zip(theirs, ours, strict=True)),
        study=fmean(known) if known else None,
        filters={name: results["results"][task.name][f"{METRIC},{name}"] for name in (GAVEL, *FILTERS)},
        samples=str(path),
    )


def _lines(results: Sequence[SetResult]) -> Iterator[str]:
    """A table with a line for each test set."""
    header = ("task", "questions", "same response", "study", *results[0].filters)
    rows = [
        (
            each.task,
            str(each.questions),
            str(each.same),
            *("none ran" if value is None else f"{value:.2%}" for value in (each.study, *each.filters.values())),
        )
        for each in results
    ]
    return aligned([header, *rows])
