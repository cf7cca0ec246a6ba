"""`gavel export`: a finished run's scored test samples in the files of another tool."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from gavel.cli.commands import Commands, add_command, aligned
from gavel.cli.finished_run import FinishedRun
from gavel.common.errors import InputError
from gavel.data.lm_eval_files import METRIC, AnsweredTask, write_results


def add_export(commands: Commands) -> None:
    parser = add_command(
        commands,
        "export",
        help="write a finished run's test samples as lm-evaluation-harness writes its own",
        description="Writes the results file and the sample logs that `lm_eval --output_path FOLDER --log_samples` "
        "would leave, and the test sets as tasks for `lm_eval --include_path FOLDER/tasks`.",
        examples=["export results sft --lm-eval", "export results grpo-lambda0.5-seed0 --lm-eval --append-answers"],
    )
    parser.add_argument("results", metavar="RESULTS", help="the results folder of a finished study")
    parser.add_argument("name", metavar="RUN", help="the run, such as sft or grpo-lambda0.5-seed0")
    parser.add_argument(
        "--lm-eval", action="store_true", required=True, help="write the files of lm-evaluation-harness 0.4"
    )
    parser.add_argument(
        "--append-answers",
        action="store_true",
        help="below each program, write what it returns as `#### 42`, which the harness's filters can read; without "
        "it, the responses are those of the student, and the filters read programs as text",
    )
    parser.add_argument("--out", metavar="FOLDER", help="the output folder (default: RESULTS/lm_eval)")
    parser.set_defaults(run=export)


def export(options: argparse.Namespace) -> None:
    """`gavel export`: write the files, and print what they say."""
    run = FinishedRun(options.results, options.name)
    if options.append_answers and run.format != "program":
        raise InputError("--append-answers: the responses of this study are texts; leave it out")
    answered = [each for test in run.tests for each in run.answered(test, options.append_answers)]
    out = Path(options.out or run.files.lm_eval)
    try:
        written = write_results(answered, model=run.name, model_args=run.model_args, out=out)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); name another folder") from None
    print("\n".join(_lines(answered)))
    if run.format == "program" and not options.append_answers:
        print(
            "\nThe responses are programs. The harness's filters read them as text, and do not see what they return; "
            "--append-answers adds it."
        )
    print(f"\nopen {written}")


def _lines(answered: Sequence[AnsweredTask]) -> Iterator[str]:
    """A table of each task's accuracy under each filter."""
    rows = [("task", "filter", METRIC)]
    for each in answered:
        metrics = each.metrics()
        for name in each.readings:
            value = metrics.get(f"{METRIC},{name}")
            rows.append((each.task.name, name, "none ran" if value is None else f"{value:.4f}"))
    return aligned(rows)
