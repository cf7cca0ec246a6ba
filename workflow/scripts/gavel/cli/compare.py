"""`gavel score --compare`: the same questions answered by two systems, matched and compared in pairs.

Of each question its names, the gold answer and the tally of its votes are kept; the responses are not.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Any, NamedTuple

from gavel.cli.layouts import Item
from gavel.cli.rows import located
from gavel.common.errors import InputError
from gavel.common.files import json_object as parsed
from gavel.evaluation.metrics import compare
from gavel.stats.voting import maj_at_k_of_tally

Tally = tuple[tuple[int, ...], tuple[int, ...], int]


class Answered(NamedTuple):
    """A question and what became of its responses. `question` is a digest of its text and its gold answer."""

    row: int
    id: str | None
    question: bytes | None
    gold: str
    tally: Tally

    @property
    def responses(self) -> int:
        right, wrong, none = self.tally
        return sum(right) + sum(wrong) + none

    @property
    def accuracy(self) -> float:
        return sum(self.tally[0]) / self.responses


class Side(NamedTuple):
    """One file: its path, and model (None where rows name none) -> its questions in order."""

    path: str
    models: dict[str | None, list[Answered]]


def answered(item: Item, tally: Tally) -> Answered:
    digest = None
    if item.question is not None:
        text = f"{' '.join(item.question.split())}\n{item.gold}"
        digest = blake2b(text.encode(), digest_size=16).digest()
    return Answered(item.row, item.id, digest, item.gold, tally)


def comparison(first: Side, second: Side, ks: Sequence[int] | None = None) -> dict[str, Any]:
    """Paired differences, first minus second, over the same questions.

    Questions are matched by `id` where every row of both files has one, else by their text and answer (a text that is
    there twice by its order), else by row number.

    Args:
        ks: the k that were asked for; maj@k is compared at the largest of them, or without them at the number of
            responses that every question of both files has.

    Returns:
        `{"file": the second path, "matched_by": "id" | "question" | "row", "accuracy": ..., "maj_at": {k: ...}}` with
        what `gavel.evaluation.metrics.compare` returns, differences in [-1, 1]; `maj_at` is empty where k is 1. Where
        rows name their models, `{"file", "models": {name: the rest}}` for each model of both files; one model in each,
        under different names, is compared as "<first> - <second>".

    Raises:
        InputError: a question is in only one of the two, has two answers, or shares its id with another; no model is
            in both.
    """
    found = {}
    for name, own, other in _models(first, second):
        by, pairs = _matched((first.path, first.models[own]), (second.path, second.models[other]))
        pairs = [
            pair for pair in pairs if all(question.responses for question in pair)
        ]  # else their programs did not run
        if not pairs:
            raise InputError("no question has programs that ran in both files; raise --batch-seconds")
        k = max(ks or [min(question.responses for question in chain(*pairs))])
        enough = [pair for pair in pairs if all(question.responses >= k for question in pair)]
        maj = {}
        if k > 1 and enough:
            maj[str(k)] = _compared(enough, partial(_maj_at, k))
        accuracy = _compared(pairs, lambda question: question.accuracy)
        found[name] = {"matched_by": by, "accuracy": accuracy, "maj_at": maj}
    return {"file": second.path} | found.get(None, {"models": found})


def lines(found: dict[str, Any]) -> list[str]:
    """One comparison in words."""
    value = found["accuracy"]
    text = [f"difference  {_points(value)}, {value['n']} questions matched by {found['matched_by']}"]
    if value["mcnemar_p"] is not None:
        text.append(f"gained      {value['gained']}, lost {value['lost']} (McNemar's p = {value['mcnemar_p']:.2g})")
    return text + [f"{f'maj@{k}':<11} {_points(value)}" for k, value in found["maj_at"].items()]


def _points(value: dict[str, Any]) -> str:
    difference, low, high = (f"{100 * value[key]:+.2f}" for key in ("difference", "low", "high"))
    return f"{difference} points (95 % interval {low} to {high}, p = {value['p']:.2g})"


def _compared(pairs: list[tuple[Answered, Answered]], of: Callable[[Answered], float]) -> dict[str, Any]:
    first, second = ({str(n): of(pair[side]) for n, pair in enumerate(pairs)} for side in (0, 1))
    return compare(first, second)


def _models(first: Side, second: Side) -> list[tuple[str | None, str | None, str | None]]:
    """(name of the comparison, model of the first file, model of the second) of all that can be compared."""
    common = [name for name in first.models if name in second.models]
    if not common and len(first.models) == len(second.models) == 1:
        (own,), (other,) = first.models, second.models
        return [(f"{own} - {other}", own, other)]
    names = [", ".join(map(str, side.models)) for side in (first, second)]
    if not common:
        raise InputError(f"no model is in both files: {first.path} has {names[0]}; {second.path} has {names[1]}")
    for side in (first, second):
        for name in side.models:
            if name not in common:
                print(f"gavel: {name} is only in {side.path} and is not compared", file=sys.stderr)
    return [(name, name, name) for name in common]


def _matched(
    first: tuple[str, list[Answered]], second: tuple[str, list[Answered]]
) -> tuple[str, list[tuple[Answered, Answered]]]:
    """By what the questions of two files are matched, and the pairs in the first file's order."""
    everything = [*first[1], *second[1]]
    names = ("id", "question", "row")
    by = next(name for name in names if all(getattr(question, name) is not None for question in everything))
    sides = [(path, _keyed(path, questions, by)) for path, questions in (first, second)]
    for (path, own), (other_path, other) in (sides, sides[::-1]):
        odd = [question for key, question in own.items() if key not in other]
        if odd:
            more = f" (like {len(odd) - 1} more of {len(own)})" if len(odd) > 1 else ""
            raise InputError(f"{_told(path, odd[0], by)} is not in {other_path}{more}; give the same questions in both")
    (path, own), (other_path, other) = sides
    for key, question in own.items():
        if question.gold != other[key].gold:
            raise InputError(
                f"{_told(path, question, by)} has the answer {question.gold}, but {other[key].gold} in {other_path}; "
                "give the same questions in both"
            )
    return by, [(question, other[key]) for key, question in own.items()]


def _maj_at(k: int, question: Answered) -> float:
    return maj_at_k_of_tally(*question.tally, k)


def _keyed(path: str, questions: list[Answered], by: str) -> dict[tuple[str, int], Answered]:
    times: Counter[str] = Counter()
    keyed = {}
    for question in questions:
        name = getattr(question, by)
        times[name] += 1
        if by == "id" and times[name] > 1:
            raise InputError(f"{_told(path, question, by)} is there twice; ids must be unique, or left out of the file")
        keyed[name, times[name]] = question
    return keyed


def _told(path: str, question: Answered, by: str) -> str:
    """`file:line` of a question and its name, for a message; the file is read again up to there."""
    where, line = next(line for number, line in enumerate(located(path)) if number == question.row)
    if by == "id":
        return f"{where}: the question with the id {question.id!r}"
    if by == "question":
        text = " ".join(parsed(line, where)["question"].split())
        return f"{where}: the question {text[:60]!r} with the answer {question.gold}"
    return f"{where}: row {question.row} (not every row has an 'id' or a 'question')"
