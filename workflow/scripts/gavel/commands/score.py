"""`gavel score`: accuracy, maj@k and pass@k of a file of solutions."""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from tqdm import tqdm

from gavel.answers import canonical, extract, verify
from gavel.commands.rows import add_options, located, parsed, shown
from gavel.errors import InputError
from gavel.files import write_jsonl
from gavel.skipped import Skipped
from gavel.statistics import mean_interval
from gavel.voting import maj_at_k_of_tally, pass_at_k, tally

# Responses verified at a time: enough to keep the program workers busy, small enough to stream.
BATCH = 1024


class Item(NamedTuple):
    """One question's responses from one model (named only where a row holds several models' solutions)."""

    row: int
    model: str | None
    responses: list[str]
    gold: str


class Summary:
    """The figures of one set of scored questions; keeps only how often each vote tally occurred."""

    def __init__(self) -> None:
        self.tallies: Counter = Counter()

    def add(self, answers: Sequence[str | None], correct: Sequence[bool]) -> None:
        self.tallies[tally(answers, correct)] += 1

    def figures(self) -> dict:
        """The contract's keys: accuracies and maj@k, pass@k for powers of two up to the smallest row, and
        that size.

        Accuracy is the mean over a question's responses, then over questions; its interval is Wilson's for
        single responses and a bootstrap over questions otherwise (`gavel.statistics.mean_interval`).
        """
        n = self.tallies.total()
        rows = [(sum(right), sum(right) + sum(wrong) + none, none) for right, wrong, none in self.tallies]
        counts = list(self.tallies.values())
        values = [c / size for (c, size, _), count in zip(rows, counts, strict=True) for _ in range(count)]
        smallest = min(size for _, size, _ in rows)
        ks = sorted({k for k in (2**power for power in range(smallest.bit_length())) if k <= smallest} | {smallest})
        return {
            "n": n,
            "responses": sum(size * count for (_, size, _), count in zip(rows, counts, strict=True)),
            "accuracy": sum(values) / n,
            "accuracy_ci95": list(mean_interval(values)),
            "maj_at": {
                str(k): sum(maj_at_k_of_tally(*key, k) * count for key, count in self.tallies.items()) / n for k in ks
            },
            "pass_at": {
                str(k): sum(pass_at_k(size, c, k) * m for (c, size, _), m in zip(rows, counts, strict=True)) / n
                for k in ks
            },
            "unparsable": sum(none * count for (_, _, none), count in zip(rows, counts, strict=True)),
        }


def add_score(commands) -> None:
    parser = commands.add_parser(
        "score",
        help="accuracy, maj@k and pass@k of a JSON Lines file of solutions",
        description='Rows are {"question"?, "response": text or [text, ...], "answer": number or "None"}.',
    )
    parser.add_argument("file", metavar="FILE.jsonl")
    parser.add_argument("--format", required=True, choices=("text", "program"), help="what the responses are")
    parser.add_argument(
        "--layout",
        choices=tuple(LAYOUTS),
        default="rows",
        help="'gsm8k-model-solutions' reads OpenAI's published file and scores each of its models",
    )
    add_options(parser)
    parser.add_argument(
        "--details",
        metavar="OUT.jsonl",
        help="also write each row's answers and verdicts, rows numbered from 0",
    )
    parser.set_defaults(run=score)


def score(options: argparse.Namespace) -> None:
    """`gavel score`: verify a file's responses, streaming, and print the summary, or one for each model."""
    summaries: dict[str | None, Summary] = {}
    skipped = Skipped() if options.skip_bad else None
    items = tqdm(_items(options.file, LAYOUTS[options.layout], skipped), disable=None, unit=" rows", leave=False)
    details = _scored(items, options.format, summaries)
    if options.details:
        try:
            write_jsonl(options.details, details)
        except OSError as error:
            raise InputError(f"{options.details}: cannot be written ({error.strerror}); check the path") from None
    else:
        for _ in details:
            pass
    if skipped:
        skipped.tell(options.file)
    if not summaries:
        raise InputError(f"{options.file}: no rows to score; expected one JSON object a line")
    figures = {model: summary.figures() for model, summary in summaries.items()}
    if options.json:
        count = {} if skipped is None else {"skipped": skipped.count}
        print(json.dumps(figures.get(None, {"models": figures}) | count))
        return
    for model, values in figures.items():
        print("\n".join(([f"{model}:"] if model else []) + _lines(values)))


def _scored(items: Iterable[Item], form: str, summaries: dict[str | None, Summary]) -> Iterator[dict]:
    """Score items in batches, add them to their model's summary, and yield the detail rows in input order."""
    items = iter(items)
    while batch := _take(items, BATCH):
        responses = [response for item in batch for response in item.responses]
        golds = [item.gold for item in batch for _ in item.responses]
        verdicts = zip(*verify(responses, golds, form), strict=True)
        for item in batch:
            answers, correct = map(list, zip(*islice(verdicts, len(item.responses)), strict=True))
            summaries.setdefault(item.model, Summary()).add(answers, correct)
            name = {} if item.model is None else {"model": item.model}
            yield {"row": item.row, **name, "answer": answers, "correct": correct}


def _take(items: Iterator[Item], responses: int) -> list[Item]:
    batch, size = [], 0
    while size < responses and (item := next(items, None)) is not None:
        batch.append(item)
        size += len(item.responses)
    return batch


def _items(path: str, read: Callable[[int, str, dict], list[Item]], skipped: Skipped | None) -> Iterator[Item]:
    """The items of a file, rows numbered from 0; a bad row is counted in `skipped`, or without it an error."""
    for number, (where, line) in enumerate(located(path)):
        try:
            yield from read(number, where, parsed(line, where))
        except InputError as problem:
            if skipped is None:
                raise
            skipped.add(problem)


def _row(number: int, where: str, row: dict) -> list[Item]:
    responses = row.get("response")
    responses = [responses] if isinstance(responses, str) else responses
    if not isinstance(responses, list) or not all(isinstance(response, str) for response in responses):
        raise InputError(f"{where}: 'response' must be a text or a list of texts, found {shown(row, 'response')}")
    if not responses:
        raise InputError(f"{where}: 'response' is an empty list; a row needs at least one response")
    gold = canonical(row.get("answer"))
    if gold is None:
        raise InputError(
            f"{where}: 'answer' must be a number, or the string None (cannot be answered), found {shown(row, 'answer')}"
        )
    return [Item(number, None, responses, gold)]


def _gsm8k_model_solutions(number: int, where: str, row: dict) -> list[Item]:
    """grade-school-math's model solutions: question, ground_truth, and {solution, ...} for each model."""
    gold = extract(row["ground_truth"]) if isinstance(row.get("ground_truth"), str) else None
    if gold is None:
        found = shown(row, "ground_truth")
        raise InputError(f"{where}: 'ground_truth' must be a text that ends in 'A: <number>', found {found}")
    models = [name for name, value in row.items() if isinstance(value, dict)]
    if not models:
        raise InputError(f"{where}: no model's solution; expected keys such as '6b_finetuning'")
    for name in models:
        if not isinstance(row[name].get("solution"), str):
            found = shown(row[name], "solution")
            raise InputError(f"{where}: 'solution' of '{name}' must be a text, found {found}")
    return [Item(number, name, [row[name]["solution"]], gold) for name in models]


def _lines(values: dict) -> list[str]:
    low, high = values["accuracy_ci95"]
    votes = (("maj", values["maj_at"]), ("pass", values["pass_at"]))
    return [
        f"questions   {values['n']} ({values['responses']} responses, {values['unparsable']} unparsable)",
        f"accuracy    {values['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%})",
        *(f"{f'{name}@{k}':<11} {value:.2%}" for name, at in votes for k, value in at.items()),
    ]


LAYOUTS: dict[str, Callable[[int, str, dict], list[Item]]] = {
    "rows": _row,
    "gsm8k-model-solutions": _gsm8k_model_solutions,
}
