"""`gavel verifiers`: what Gavel's and other verifiers say of the same responses, and where they differ.

The rows are those of `gavel score` (`gavel.cli.layouts`), the others those of `gavel.solutions.other_verifiers`.
"""

import argparse
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tqdm import tqdm

from gavel.cli import output_file
from gavel.cli.commands import Commands, add_command, aligned
from gavel.cli.layouts import SCORE_LAYOUTS, Item
from gavel.cli.rows import add_options
from gavel.cli.score import BATCH, batch_seconds, read_items, take
from gavel.common.errors import InputError
from gavel.data.sources import SkippedRows
from gavel.solutions import answer_types
from gavel.solutions.answers import BUDGET_S, use_budget
from gavel.solutions.other_verifiers import Reading, Verifier, available, with_answer
from gavel.solutions.verifier import Format, verify

OURS = "gavel"
SHOWN = 3  # of the responses with the same verdicts, on the console
END = 60  # characters of a response's end on the console
CSV_END = 200  # and in the table


class Compared(NamedTuple):
    """A response and what each verifier, Gavel's first, found in it; `number` is its place in its row."""

    row: int
    id: str | None
    model: str | None
    number: int
    text: str
    gold: str
    readings: Mapping[str, Reading]

    @property
    def verdicts(self) -> tuple[bool, ...]:
        return tuple(reading.correct for reading in self.readings.values())


@dataclass
class Count:
    """A verifier's verdicts: how many responses it accepts, in how many it finds no answer, and how many it accepts
    (`more`) or rejects (`fewer`) against Gavel's verdict."""

    correct: int = 0
    no_answer: int = 0
    more: int = 0
    fewer: int = 0

    def add(self, reading: Reading, ours: Reading) -> None:
        self.correct += reading.correct
        self.no_answer += reading.answer is None
        self.more += reading.correct and not ours.correct
        self.fewer += ours.correct and not reading.correct


@dataclass
class Comparison:
    """All responses of a file; `missing` are those whose programs did not run."""

    verifiers: dict[str, Verifier] = field(default_factory=available)
    responses: int = 0
    missing: int = 0
    counts: dict[str, Count] = field(default_factory=dict)
    differing: list[Compared] = field(default_factory=list)

    def read(self, items: Iterable[Item], format: Format) -> None:
        """Add the responses of some items."""
        items = iter(items)
        while batch := take(items, BATCH):
            texts = [response for item in batch for response in item.responses]
            verdicts = zip(*verify(texts, [item.gold for item in batch for _ in item.responses], format), strict=True)
            for item in batch:
                for number, response in enumerate(item.responses):
                    self._add(item, number, response, *next(verdicts), format)

    def _add(
        self, item: Item, number: int, response: str, answer: str | None, correct: bool | None, format: Format
    ) -> None:
        if correct is None:
            self.missing += 1
            return
        text = with_answer(response, answer) if format == "program" else response
        readings = {OURS: Reading(answer, correct)}
        readings |= {name: read(text, item.gold) for name, read in self.verifiers.items()}
        self.responses += 1
        for name, reading in readings.items():
            self.counts.setdefault(name, Count()).add(reading, readings[OURS])
        compared = Compared(item.row, item.id, item.model, number, text, item.gold, readings)
        if len({*compared.verdicts}) > 1:
            self.differing.append(compared)

    def summary(self) -> dict[str, Any]:
        return {
            "responses": self.responses,
            "missing": self.missing,
            "disagreements": len(self.differing),
            "verifiers": {name: vars(count) for name, count in self.counts.items()},
        }

    def lines(self) -> Iterator[str]:
        """A table with a line for each verifier, and the first disagreements of each kind."""
        header = ("verifier", "correct", "no answer", "accepts, Gavel not", "Gavel accepts, it not")
        rows = [
            (name, f"{each.correct / self.responses:.2%}", *map(str, (each.no_answer, each.more, each.fewer)))
            for name, each in self.counts.items()
        ]
        yield f"{self.responses} responses" + (f"; {self.missing} more did not run" if self.missing else "")
        yield from aligned([header, *rows])
        yield f"\nThe verdicts differ on {len(self.differing)} of {self.responses} responses."
        kinds: dict[tuple[bool, ...], list[Compared]] = {}
        for each in self.differing:
            kinds.setdefault(each.verdicts, []).append(each)
        for verdicts, alike in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
            accepted = ", ".join(name for name, right in zip(self.counts, verdicts, strict=True) if right)
            yield f"\nAccepted by {accepted} only ({len(alike)}):"
            for each in alike[:SHOWN]:
                yield f"  {_name(each)}, gold {each.gold}, ends in {json.dumps(each.text[-END:], ensure_ascii=False)}"
                yield "    " + ", ".join(f"{name}: {reading.answer}" for name, reading in each.readings.items())

    def csv_lines(self) -> Iterator[str]:
        """The disagreements as CSV, a line for each response."""
        names = [OURS, *self.verifiers]
        columns = [column for name in names for column in (name, f"{name}_correct")]
        yield _csv(["row", "id", "model", "response", "gold", "end", *columns])
        for each in self.differing:
            found = [value for name in names for value in (each.readings[name].answer, each.readings[name].correct)]
            yield _csv([each.row, each.id, each.model, each.number, each.gold, each.text[-CSV_END:], *found])


def add_verifiers(commands: Commands) -> None:
    parser = add_command(
        commands,
        "verifiers",
        help="compare the verifier with lm-evaluation-harness's filters and math-verify on a file of responses",
        description="Rows are those of `gavel score`; the answers must be numbers. The others read text: each program "
        "is given to them with `#### <what it returns>` below it.",
        examples=[
            "verifiers results/evaluation/sft/main/samples.jsonl --format program --layout greedy",
            "verifiers samples_gsm8k_2026-11-30.jsonl --format text --layout lm-eval --out differ.csv",
        ],
    )
    parser.add_argument("file", metavar="FILE.jsonl", help="the responses and gold answers, one row per line")
    parser.add_argument("--format", required=True, choices=("text", "program"), help="format of the responses")
    parser.add_argument(
        "--layout", choices=tuple(SCORE_LAYOUTS), default="rows", help="layout of the rows, as for `gavel score`"
    )
    parser.add_argument(
        "--out",
        metavar="OUT.csv",
        help=f"also write the responses on which verdicts differ, with what each verifier found; {output_file.HELP}",
    )
    add_options(parser)
    parser.add_argument(
        "--batch-seconds", default=BUDGET_S, metavar="SECONDS", help="time limit for programs, as for `gavel score`"
    )
    parser.set_defaults(run=verifiers)


def verifiers(options: argparse.Namespace) -> None:
    """`gavel verifiers`: read the file, and print and write the comparison.

    Raises:
        InputError: a file or row cannot be read, or no response can be compared.
    """
    use_budget(batch_seconds(options.batch_seconds))
    if options.out:
        output_file.check("--out", options.out)
    skipped = SkippedRows() if options.skip_bad else None
    items = read_items(options.file, SCORE_LAYOUTS[options.layout](answer_types.DEFAULT), skipped)
    compared = Comparison()
    compared.read(tqdm(items, disable=None, unit=" rows", leave=False), options.format)
    if skipped:
        skipped.log_summary(options.file)
    if not compared.responses:
        raise InputError(f"{options.file}: no responses to compare; expected one JSON object per line")
    if options.out:
        output_file.write("--out", options.out, compared.csv_lines())
    if options.json:
        print(json.dumps(compared.summary() | ({} if skipped is None else {"skipped": skipped.count})))
        return
    print("\n".join(compared.lines()))
    if "math-verify" not in compared.verifiers:
        print("\nmath-verify is not installed here; `pip install math-verify` adds it")


def _name(each: Compared) -> str:
    parts = [each.model, each.id or f"row {each.row}", f"response {each.number}" if each.number else None]
    return " ".join(filter(None, parts))


def _csv(values: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
