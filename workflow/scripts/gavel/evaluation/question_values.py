"""Compute each metric's value per question from scored samples; intervals and paired tests resample these values.

`gavel.stats.voting` and `gavel.stats.judged_voting` compute the votes. Answers, verdicts and the judge's scores are
read from the samples.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gavel.common.errors import InputError
from gavel.evaluation.records import ScoredSample
from gavel.solutions.numbers import UNANSWERABLE
from gavel.stats.judged_voting import best_of_k, weighted_vote
from gavel.stats.voting import maj_at_k, pass_at_k

Values = dict[tuple[str, int], dict[str, float]]
VOTES = ("maj", "weighted_maj", "best_of", "pass")  # metrics that have a k
# Metrics over all samples -> the samples' column by which the judge picks.
PICKS = {"best_of_elo": "elo", "best_of_knockout": "knockout"}


class Item(NamedTuple):
    """The values of one sample that metrics use."""

    answer: str | None
    correct: bool | None  # None: unknown, because the program did not run
    tokens: int
    finished: bool
    judge: float | None
    elo: float | None
    knockout: bool | None


def question_values(rows: Iterable[ScoredSample], ks: Sequence[int]) -> Values:
    """One value per question for each metric.

    Args:
        rows: scored samples (sample −1 is the greedy one), in any order.
        ks: the k of maj@k, pass@k etc.; those above the number of samples are ignored.

    Returns:
        (metric, k) → question id → value in [0, 1]; `tokens` are tokens per sample. `mean`, `unparsable`,
        `finished` and `tokens` are means over the sampled responses of the questions that have some, or the greedy
        response if none was sampled. `weighted_maj` (votes weighted by the judge's score) and `best_of` (the judge's
        favourite) need samples with scores; `best_of_elo` and `best_of_knockout` (at k = all samples) need samples with
        these columns. `greedy_kind:<kind>` has the greedy verdicts of one perturbation kind,
        `greedy_answerable` and `greedy_unanswerable` those of a set with both kinds of questions. `not_run`,
        present if any program did not run, is the fraction of a question's samples, including the greedy one,
        whose program did not run. These samples count in `finished` and `tokens` only, and a question has no
        value of a metric if fewer than k other samples remain.

    Raises:
        InputError: there are no rows, a sample is repeated, or questions with samples differ in their number.
    """
    greedy: dict[str, Item] = {}
    sampled: dict[str, dict[int, Item]] = {}
    kinds: dict[str, str] = {}
    answerable: dict[str, bool] = {}
    for row in rows:
        name, number = row["id"], row["sample"]
        answer, right = row["answer"], row["correct"]
        picked = row.get("judge"), row.get("elo"), row.get("knockout")
        item = Item(answer, None if right is None else bool(right), row["tokens"], bool(row["finished"]), *picked)
        place = sampled.setdefault(name, {})
        if number in place or (number < 0 and name in greedy):
            raise InputError(f"question {name}: sample {number} is repeated; generate this set again")
        if number < 0:
            greedy[name] = item
        else:
            place[number] = item
        if kind := row.get("kind"):
            kinds[name] = kind
        answerable[name] = row.get("gold") != UNANSWERABLE
    if not sampled:
        raise InputError("no samples; generate this set again")
    n = next((len(items) for items in sampled.values() if items), 0)
    for name, items in sampled.items():
        if (name in greedy) != bool(greedy) or len(items) not in ((n, 0) if greedy else (n,)):
            raise InputError(f"question {name}: {len(items)} samples, but another has {n}; generate this set again")

    values: Values = {}
    if greedy:
        values["greedy", 1] = {name: float(item.correct) for name, item in greedy.items() if item.correct is not None}
    # In order of sample number, so that the result does not depend on the order of the file.
    lists = {name: [items[number] for number in sorted(items)] for name, items in sampled.items()}
    every = {name: items + [greedy[name]] * (name in greedy) for name, items in lists.items()}
    lists = {name: items for name, items in lists.items() if items}
    if not n:
        lists = {name: [item] for name, item in greedy.items()}
    known = {name: [item for item in items if item.correct is not None] for name, items in lists.items()}
    if n:
        values["mean", 1] = {
            name: sum(bool(it.correct) for it in items) / len(items) for name, items in known.items() if items
        }
        values |= _votes(known, sorted({k for k in ks if 1 <= k <= n})) | _picks(known, n)
    for metric, part, pool in (
        ("unparsable", lambda item: item.answer is None, known),
        ("finished", lambda item: item.finished, lists),
        ("tokens", lambda item: item.tokens, lists),
    ):
        values[metric, 1] = {name: sum(map(part, items)) / len(items) for name, items in pool.items() if items}
    lost = {name: sum(item.correct is None for item in items) / len(items) for name, items in every.items()}
    if any(lost.values()):
        values["not_run", 1] = lost
    values |= _parts(values.get(("greedy", 1), {}), kinds, answerable)
    return {key: by_question for key, by_question in values.items() if by_question}


def _votes(lists: dict[str, list[Item]], ks: Sequence[int]) -> Values:
    values: Values = {(metric, k): {} for metric in VOTES for k in ks}
    judged = any(item.judge is not None for items in lists.values() for item in items)
    for name, items in lists.items():
        answers, correct, scores = ([getattr(item, key) for item in items] for key in ("answer", "correct", "judge"))
        for k in (k for k in ks if k <= len(items)):
            values["maj", k][name] = maj_at_k(answers, correct, k)
            values["pass", k][name] = pass_at_k(len(items), sum(correct), k)
            if judged:
                values["weighted_maj", k][name] = weighted_vote(answers, scores, correct, k)
                values["best_of", k][name] = best_of_k(scores, correct, k)
    return {key: by_question for key, by_question in values.items() if by_question}


def _picks(lists: dict[str, list[Item]], n: int) -> Values:
    values: Values = {}
    for metric, column in PICKS.items():
        picks = {name: [getattr(item, column) for item in items] for name, items in lists.items()}
        if any(value is not None for scores in picks.values() for value in scores):
            values[metric, n] = {
                name: best_of_k(scores, [bool(item.correct) for item in lists[name]], n)
                for name, scores in picks.items()
                if len(scores) == n
            }
    return values


def _parts(greedy: dict[str, float], kinds: dict[str, str], answerable: dict[str, bool]) -> Values:
    """Greedy correctness on parts of a test set."""
    parts = {f"greedy_kind:{kind}": {name for name in kinds if kinds[name] == kind} for kind in set(kinds.values())}
    if len(set(answerable.values())) == 2:
        parts["greedy_answerable"] = {name for name, can in answerable.items() if can}
        parts["greedy_unanswerable"] = {name for name, can in answerable.items() if not can}
    found = {
        metric: {name: greedy[name] for name in greedy if name in names} for metric, names in sorted(parts.items())
    }
    return {(metric, 1): by_question for metric, by_question in found.items() if by_question}
