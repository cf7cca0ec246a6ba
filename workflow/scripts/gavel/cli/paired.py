"""`gavel score --compare`: a paired comparison of two systems' answers to the same questions.

For each question, only its id and digest, the gold answer and the vote tally are kept, not the responses.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Any, NamedTuple

from gavel.cli.layouts import Item
from gavel.cli.rows import located_rows
from gavel.common.errors import InputError
from gavel.common.files import json_object as parsed
from gavel.evaluation.metrics import compare
from gavel.stats.voting import maj_at_k_of_tally

Tally = tuple[tuple[int, ...], tuple[int, ...], int]


class QuestionResult(NamedTuple):
    """A question and the tally of its responses. `question` is a digest of its text and its gold answer."""

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
    """One file: its path, and model -> its questions in order. The model is None if rows do not name one."""

    path: str
    models: dict[str | None, list[QuestionResult]]


def question_result(item: Item, tally: Tally) -> QuestionResult:
    digest = None
    if item.question is not None:
        text = f"{' '.join(item.question.split())}\n{item.gold}"
        digest = blake2b(text.encode(), digest_size=16).digest()
    return QuestionResult(item.row, item.id, digest, item.gold, tally)


def comparison(first: Side, second: Side, ks: Sequence[int] | None = None) -> dict[str, Any]:
    """Paired differences, first minus second, over the same questions.

    Questions are matched by `id` if every row of both files has one, otherwise by text and gold answer (duplicates in
    order), otherwise by row number.

    Args:
        ks: the values of --k. maj@k is compared at the largest of them, or by default at the number of responses that
            every question of both files has.

    Returns:
        `{"file": the second path, "matched_by": "id" | "question" | "row", "accuracy": ..., "maj_at": {k: ...}}`. The
        values are what `gavel.evaluation.metrics.compare` returns, with differences in [-1, 1]; `maj_at` is empty if k
        is 1. If rows name their models, `{"file", "models": {name: the other keys}}` for each model in both files; if
        each file has one model, under different names, they are compared as "<first> - <second>".

    Raises:
        InputError: a question is in only one of the files, has two gold answers, or shares its id with another; or no
            model is in both files.
    """
    comparisons = {}
    for name, first_model, second_model in _models(first, second):
        by, pairs = _matched((first.path, first.models[first_model]), (second.path, second.models[second_model]))
        # Questions without responses: their programs did not run.
        pairs = [pair for pair in pairs if all(question.responses for question in pair)]
        if not pairs:
            raise InputError("no question has programs that ran in both files; raise --batch-seconds")
        k = max(ks or [min(question.responses for question in chain(*pairs))])
        enough = [pair for pair in pairs if all(question.responses >= k for question in pair)]
        maj = {}
        if k > 1 and enough:
            maj[str(k)] = _compared(enough, partial(_maj_at, k))
        accuracy = _compared(pairs, lambda question: question.accuracy)
        comparisons[name] = {"matched_by": by, "accuracy": accuracy, "maj_at": maj}
    return {"file": second.path} | comparisons.get(None, {"models": comparisons})


def lines(result: dict[str, Any]) -> list[str]:
    """One comparison as printed lines."""
    value = result["accuracy"]
    text = [f"difference  {_points(value)}, {value['n']} questions matched by {result['matched_by']}"]
    if value["mcnemar_p"] is not None:
        text.append(f"gained      {value['gained']}, lost {value['lost']} (McNemar's p = {value['mcnemar_p']:.2g})")
    return text + [f"{f'maj@{k}':<11} {_points(value)}" for k, value in result["maj_at"].items()]


def _points(value: dict[str, Any]) -> str:
    difference, low, high = (f"{100 * value[key]:+.2f}" for key in ("difference", "low", "high"))
    return f"{difference} percentage points (95 % interval {low} to {high}, p = {value['p']:.2g})"


def _compared(
    pairs: list[tuple[QuestionResult, QuestionResult]], of: Callable[[QuestionResult], float]
) -> dict[str, Any]:
    first, second = ({str(n): of(pair[side]) for n, pair in enumerate(pairs)} for side in (0, 1))
    return compare(first, second)


def _models(first: Side, second: Side) -> list[tuple[str | None, str | None, str | None]]:
    """(name of the comparison, model in the first file, model in the second) for all comparable models."""
    common = [name for name in first.models if name in second.models]
    if not common and len(first.models) == len(second.models) == 1:
        (first_model,), (second_model,) = first.models, second.models
        return [(f"{first_model} - {second_model}", first_model, second_model)]
    names = [", ".join(map(str, side.models)) for side in (first, second)]
    if not common:
        raise InputError(f"no model is in both files: {first.path} has {names[0]}; {second.path} has {names[1]}")
    for side in (first, second):
        for name in side.models:
            if name not in common:
                print(f"gavel: {name} is only in {side.path} and is not compared", file=sys.stderr)
    return [(name, name, name) for name in common]


def _matched(
    first: tuple[str, list[QuestionResult]], second: tuple[str, list[QuestionResult]]
) -> tuple[str, list[tuple[QuestionResult, QuestionResult]]]:
    """How the questions of two files are matched, and the pairs in the first file's order."""
    everything = [*first[1], *second[1]]
    names = ("id", "question", "row")
    by = next(name for name in names if all(getattr(question, name) is not None for question in everything))
    sides = [(path, _keyed(path, questions, by)) for path, questions in (first, second)]
    for (path, questions), (other_path, other) in (sides, sides[::-1]):
        odd = [question for key, question in questions.items() if key not in other]
        if odd:
            more = f" (and {len(odd) - 1} more of {len(questions)})" if len(odd) > 1 else ""
            raise InputError(
                f"{_located(path, odd[0], by)} is not in {other_path}{more}; give the same questions in both"
            )
    (path, questions), (other_path, other) = sides
    for key, question in questions.items():
        if question.gold != other[key].gold:
            raise InputError(
                f"{_located(path, question, by)} has the answer {question.gold}, but {other[key].gold} in "
                f"{other_path}; give the same questions in both"
            )
    return by, [(question, other[key]) for key, question in questions.items()]


def _maj_at(k: int, question: QuestionResult) -> float:
    return maj_at_k_of_tally(*question.tally, k)


def _keyed(path: str, questions: list[QuestionResult], by: str) -> dict[tuple[str, int], QuestionResult]:
    times: Counter[str] = Counter()
    keyed = {}
    for question in questions:
        name = getattr(question, by)
        times[name] += 1
        if by == "id" and times[name] > 1:
            raise InputError(
                f"{_located(path, question, by)} occurs twice; ids must be unique, or left out of the file"
            )
        keyed[name, times[name]] = question
    return keyed


def _located(path: str, question: QuestionResult, by: str) -> str:
    """`file:line` of a question and its name, for a message; reads the file again up to there."""
    where, line = next(line for number, line in enumerate(located_rows(path)) if number == question.row)
    if by == "id":
        return f"{where}: the question with the id {question.id!r}"
    if by == "question":
        text = " ".join(parsed(line, where)["question"].split())
        return f"{where}: the question {text[:60]!r} with the answer {question.gold}"
    return f"{where}: row {question.row} (not every row has an 'id' or a 'question')"
