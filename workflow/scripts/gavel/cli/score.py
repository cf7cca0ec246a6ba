"""`gavel score`: accuracy, maj@k and pass@k of a file of responses, and a comparison with another system's file.

`gavel.cli.layouts` defines the rows, `gavel.cli.paired` the comparison.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import inf, nan
from typing import Any, Literal

from tqdm import tqdm

from gavel.cli import output_file
from gavel.cli.commands import Commands, add_command
from gavel.cli.layouts import SCORE_LAYOUTS, Item, ReadRow
from gavel.cli.paired import QuestionResult, Side, Tally, comparison, lines, question_result
from gavel.cli.rows import add_options, located_rows
from gavel.common.errors import InputError
from gavel.common.files import json_object as parsed
from gavel.common.files import jsonl_lines
from gavel.data.sources import SkippedRows
from gavel.solutions import answer_types
from gavel.solutions.answers import BATCH as PROGRAMS
from gavel.solutions.answers import BUDGET_S, use_budget
from gavel.solutions.verifier import verify
from gavel.stats.intervals import mean_interval
from gavel.stats.voting import maj_at_k_of_tally, pass_at_k, tally

# Responses per verification batch: enough to keep the program workers busy, small enough to stream.
BATCH = 1024
NO_VOTES: Tally = ((), (), 0)


class Summary:
    """The metrics of a set of scored questions; keeps only how often each vote tally occurred.

    Responses whose programs did not run are counted only in `missing`.
    """

    def __init__(self) -> None:
        self.tallies: Counter[Tally] = Counter()
        self.missing = 0
        self._same: dict[Tally, Tally] = {}

    def add(self, answers: Sequence[str | None], correct: Sequence[bool | None]) -> Tally:
        """Count one question. Returns its tally; equal tallies are the same object.

        `correct` is None for a response whose program did not run; a question with only such responses has no metrics.
        """
        known = [(answer, right) for answer, right in zip(answers, correct, strict=True) if right is not None]
        self.missing += len(correct) - len(known)
        votes = tally(*map(list, zip(*known, strict=True))) if known else NO_VOTES
        votes = self._same.setdefault(votes, votes)
        if known:
            self.tallies[votes] += 1
        return votes

    def metrics(self, ks: Sequence[int] | None = None) -> dict[str, Any]:
        """The metrics that `gavel score` prints.

        They are accuracy, and maj@k and pass@k for `ks`, which must not exceed the smallest number of responses per
        row; by default, `ks` are the powers of two up to that number, and the number itself. `missing` is added if
        programs did not run: a row then counts with its other responses, and is left out for any k above their number.

        Accuracy is the mean over a question's responses, then over questions. Its interval is Wilson's for single
        responses, otherwise a bootstrap over questions (`gavel.stats.intervals.mean_interval`).
        """
        n = self.tallies.total()
        if not n:
            raise InputError(
                f"none of {self.missing} programs ran within their batch's time limit; raise --batch-seconds"
            )
        rows = [(sum(right), sum(right) + sum(wrong) + none, none) for right, wrong, none in self.tallies]
        counts = list(self.tallies.values())
        smallest = min(size for _, size, _ in rows)
        ks = ks or sorted(
            {k for k in (2**power for power in range(smallest.bit_length())) if k <= smallest} | {smallest}
        )

        def spread(values: Iterable[float | None]) -> list[float]:
            """Expand one value per tally to one per question; drops missing values."""
            return [
                value for value, count in zip(values, counts, strict=True) for _ in range(count) if value is not None
            ]

        accuracy = spread(c / size for c, size, _ in rows)
        enough = [(k, [size >= k for _, size, _ in rows]) for k in ks]
        maj = {
            str(k): spread(
                maj_at_k_of_tally(*key, k) if has else None for key, has in zip(self.tallies, all_, strict=True)
            )
            for k, all_ in enough
        }
        passes = {
            str(k): spread(pass_at_k(size, c, k) if has else None for (c, size, _), has in zip(rows, all_, strict=True))
            for k, all_ in enough
        }
        for k, values in maj.items():
            if not values:
                raise InputError(
                    f"--k: no question has {k} programs that ran within the time limit; raise --batch-seconds"
                )
        return {
            "n": n,
            "responses": sum(size * count for (_, size, _), count in zip(rows, counts, strict=True)),
            "accuracy": sum(accuracy) / n,
            "accuracy_ci95": list(mean_interval(accuracy)),
            "maj_at": {k: sum(values) / len(values) for k, values in maj.items()},
            "pass_at": {k: sum(values) / len(values) for k, values in passes.items()},
            "maj_at_ci95": {k: list(mean_interval(values)) for k, values in maj.items()},
            "pass_at_ci95": {k: list(mean_interval(values)) for k, values in passes.items()},
            "unparsable": sum(none * count for (_, _, none), count in zip(rows, counts, strict=True)),
        } | ({"missing": self.missing} if self.missing else {})


def add_score(commands: Commands) -> None:
    parser = add_command(
        commands,
        "score",
        help="accuracy, maj@k and pass@k of a JSON Lines file of responses",
        description='Rows are {"id"?, "question"?, "response": text or [text, ...], "answer": number or "None"}.',
        examples=[
            "score outputs.jsonl --format text",
            "score outputs.jsonl --format text --compare others.jsonl --k 1,4,16",
        ],
    )
    parser.add_argument("file", metavar="FILE.jsonl", help="the responses and gold answers, one row per line")
    parser.add_argument("--format", required=True, choices=("text", "program"), help="format of the responses")
    parser.add_argument(
        "--answer-type",
        choices=tuple(answer_types.MODULES),
        default=answer_types.DEFAULT,
        help="what the answers are: numbers (the default), or choices, the letters of options ('answer': \"B\")",
    )
    parser.add_argument(
        "--layout",
        choices=tuple(SCORE_LAYOUTS),
        default="rows",
        help="'gsm8k-model-solutions' reads OpenAI's published file and scores each of its models; 'lm-eval' reads "
        "lm-evaluation-harness's sample logs, 'greedy' the greedy responses in a study's samples.jsonl",
    )
    parser.add_argument(
        "--k",
        action="append",
        metavar="K,...",
        help="values of k for maj@k and pass@k, such as 1,4,16 (default: powers of two up to the fewest per row)",
    )
    parser.add_argument(
        "--compare",
        metavar="OTHER.jsonl",
        help="another system's responses to the same questions, for a paired comparison of FILE with OTHER",
    )
    add_options(parser)
    parser.add_argument(
        "--batch-seconds",
        default=BUDGET_S,
        metavar="SECONDS",
        help=f"time limit for {PROGRAMS:,} programs (default {BUDGET_S:g}); those that have not run by then count as "
        "missing, not wrong, and their number is reported",
    )
    parser.add_argument(
        "--details",
        metavar="OUT.jsonl",
        help=f"also write each row's answers and verdicts, with rows numbered from 0; {output_file.HELP}",
    )
    parser.set_defaults(run=score)


def score(options: argparse.Namespace) -> None:
    """`gavel score`: verify a file's responses, streaming, and print a summary, or one per model.

    Raises:
        InputError: a file or row cannot be read, a row has fewer responses than --k needs, or the file of --compare
            has different questions.
    """
    ks = _ks(options.k)
    if options.format not in (formats := answer_types.find(options.answer_type).formats):
        raise InputError(
            f"--format {options.format}: answers no question of --answer-type {options.answer_type}; use "
            f"{' or '.join(formats)}"
        )
    use_budget(batch_seconds(options.batch_seconds))
    if options.details:
        output_file.check_new("--details", options.details, filter(None, (options.file, options.compare)))
    if options.compare:
        next(located_rows(options.compare), None)  # report a missing file now, not after an hour of running programs
    summaries, kept, left_out = _read(options.file, options, ks, options.details)
    metrics = {model: summary.metrics(ks) for model, summary in summaries.items()}
    result = metrics.get(None, {"models": metrics}) | left_out
    if options.compare:
        _, others, left_out = _read(options.compare, options, ks)
        compared = comparison(Side(options.file, kept), Side(options.compare, others), ks)
        result |= {"compare": compared | left_out}
    if options.json:
        print(json.dumps(result))
        return
    for model, values in metrics.items():
        print("\n".join(([f"{model}:"] if model else []) + _lines(values)))
    if options.compare:
        print(f"{options.file} minus {options.compare}:")
        for model, values in compared.get("models", {None: compared}).items():
            print("\n".join(([f"{model}:"] if model else []) + lines(values)))


def _read(
    path: str, options: argparse.Namespace, ks: Sequence[int] | None, details: str | None = None
) -> tuple[dict[str | None, Summary], dict[str | None, list[QuestionResult]], dict[str, Any]]:
    """A file's summaries by model, its questions by model for --compare, and the number of skipped rows."""
    summaries: dict[str | None, Summary] = {}
    kept: dict[str | None, list[QuestionResult]] = {}
    skipped = SkippedRows() if options.skip_bad else None
    items = read_items(path, SCORE_LAYOUTS[options.layout](options.answer_type), skipped, max(ks or [1]))
    items = tqdm(items, disable=None, unit=" rows", leave=False)
    kept_questions = kept if options.compare else None
    rows = _scored(items, options.format, summaries, kept_questions, options.answer_type)
    if details:
        output_file.write("--details", details, jsonl_lines(rows))
    else:
        for _ in rows:
            pass
    if skipped:
        skipped.log_summary(path)
    if not summaries:
        raise InputError(f"{path}: no rows to score; expected one JSON object per line")
    return summaries, kept, {} if skipped is None else {"skipped": skipped.count}


def batch_seconds(given: str | float) -> float:
    """The value of --batch-seconds."""
    try:
        seconds = float(given)
    except ValueError:
        seconds = nan
    if not 2 <= seconds < inf:
        raise InputError(f"--batch-seconds: expected a number of seconds, at least 2, found {given!r}")
    return seconds


def _ks(given: Sequence[str] | None) -> list[int] | None:
    """The values of --k in ascending order; None if it was not given."""
    if given is None:
        return None
    texts = [text.strip() for part in given for text in part.split(",")]
    for text in texts:
        if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
            raise InputError(f"--k: {text!r} is not a positive whole number; give numbers such as 1,4,16")
    return sorted({int(text) for text in texts})


def _scored(
    items: Iterable[Item],
    form: Literal["program", "text"],
    summaries: dict[str | None, Summary],
    kept: dict[str | None, list[QuestionResult]] | None = None,
    answer_type: str = answer_types.DEFAULT,
) -> Iterator[dict[str, Any]]:
    """Score items in batches, add them to their model's summary (and to `kept`, if given), and yield the detail rows
    in input order."""
    items = iter(items)
    while batch := take(items, BATCH):
        responses = [response for item in batch for response in item.responses]
        golds = [item.gold for item in batch for _ in item.responses]
        verdicts = zip(*verify(responses, golds, form, answer_type), strict=True)
        for item in batch:
            answers, correct = map(list, zip(*islice(verdicts, len(item.responses)), strict=True))
            votes = summaries.setdefault(item.model, Summary()).add(answers, correct)
            if kept is not None:
                kept.setdefault(item.model, []).append(question_result(item, votes))
            name = {} if item.model is None else {"model": item.model}
            yield {"row": item.row, **name, "answer": answers, "correct": correct}


def take(items: Iterator[Item], responses: int) -> list[Item]:
    batch, size = [], 0
    while size < responses and (item := next(items, None)) is not None:
        batch.append(item)
        size += len(item.responses)
    return batch


def read_items(path: str, read: ReadRow, skipped: SkippedRows | None, minimum: int = 1) -> Iterator[Item]:
    """The items of a file, with rows numbered from 0.

    A row that cannot be read is counted in `skipped`, or an error if that is None. Fewer than `minimum` responses are
    always an error, since the row is valid but --k cannot be computed.
    """
    for number, (where, line) in enumerate(located_rows(path)):
        try:
            items = read(number, where, parsed(line, where))
        except InputError as problem:
            if skipped is None:
                raise
            skipped.add(problem)
            continue
        for item in items:
            if len(item.responses) < minimum:
                have = "1 response" if len(item.responses) == 1 else f"{len(item.responses)} responses"
                raise InputError(f"{where}: {have}, but --k needs {minimum}; lower it, or give more responses")
            yield item


def _lines(values: dict[str, Any]) -> list[str]:
    metrics = {"accuracy": (values["accuracy"], values["accuracy_ci95"])}
    for name in ("maj", "pass"):
        at, spread = values[f"{name}_at"], values[f"{name}_at_ci95"]
        metrics |= {f"{name}@{k}": (value, spread[k]) for k, value in at.items()}
    missing = f"; {values['missing']} more did not run" if "missing" in values else ""
    counts = f"{values['responses']} responses, {values['unparsable']} unparsable{missing}"
    return [f"questions   {values['n']} ({counts})"] + [
        f"{name:<11} {value:.2%} (95 % interval {low:.2%} to {high:.2%})"
        for name, (value, (low, high)) in metrics.items()
    ]
