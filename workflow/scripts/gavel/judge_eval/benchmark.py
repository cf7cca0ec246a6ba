"""Run a judge on the judge benchmark: which of two solutions does it prefer, and what does that cost?

The metrics are in `gavel.judge_eval.benchmark_metrics`, so a new metric does not ask any judge again.
"""

import hashlib
import time
from collections.abc import Sequence
from typing import Any

from gavel.common.errors import InputError
from gavel.judge.records import Pair
from gavel.judge.verdict import MAX_MISSING, Comparer, Judge
from gavel.judge_eval.records import PairAnswer, WrittenJudgment

WRITTEN_PAIRS = 2  # pairs whose judgments are kept, for a judge that reasons first; each has two prompts
COSTS = ("prompts", "tokens_read", "tokens_written", "seconds")


def ask(judge: Judge, items: Sequence[Pair]) -> tuple[list[PairAnswer], dict[str, float]]:
    """Ask a judge about pairs of solutions.

    A pairwise judge (`gavel.judge.verdict.Comparer`) compares each pair. A pointwise judge scores each distinct
    solution of a question once and prefers the one with the higher score; equal scores are no preference (0.5).

    Args:
        items: `chosen` is the correct solution.

    Returns:
        One row for each item, and the cost `{"prompts", "tokens_read", "tokens_written", "seconds"}`; `seconds` is wall
        time without loading the judge.
    """
    before, started = judge.usage, time.perf_counter()
    rows = _compared(judge, items) if isinstance(judge, Comparer) else _scored(judge, items)
    seconds, spent = time.perf_counter() - started, judge.usage.since(before)
    return rows, dict(zip(COSTS, (spent.prompts, spent.read, spent.written, seconds), strict=True))


def written_judgments(judge: Judge, items: Sequence[Pair], count: int = WRITTEN_PAIRS) -> list[WrittenJudgment]:
    """What a judge that reasons first writes about a few of the pairs, for people to read.

    These requests are separate, so they do not count towards the cost that `ask` returns. The pairs are chosen by their
    ids alone, so all judges of a benchmark write about the same ones.

    Returns:
        Rows with the judge's first reasoning, one for each order of the two solutions from a pairwise judge, one for
        each solution from a pointwise judge. Rows without an answer are left out; [] for a direct judge.
    """
    if judge.reasoner is None:
        return []
    chosen = sorted(items, key=lambda item: hashlib.sha256(item["id"].encode()).digest())[:count]
    asked = [(item["id"], *one) for item in chosen for one in _prompts(judge, item)]
    reasonings = [texts[0] for texts in judge.reasoner.reason([prompt for _, prompt, _ in asked], samples=1)]
    known = [(*one, text) for one, text in zip(asked, reasonings, strict=True) if text is not None]
    replies = [(prompt[0], text) for _, prompt, _, text in known]
    rows: list[WrittenJudgment] = []
    probabilities = judge.reasoner.probabilities(replies, range(len(replies)))
    for (name, prompt, right, text), probability in zip(known, probabilities, strict=True):
        if probability is not None:
            reached = judge.labels[probability < 0.5]
            correct = probability if right == judge.labels[0] else 1 - probability
            rows.append(
                {
                    "id": name,
                    "prompt": prompt[0],
                    "judgment": text + reached,
                    "label": right.strip(),
                    "said": reached.strip(),
                    "probability": correct,
                }
            )
    return rows


def _prompts(judge: Any, item: Pair) -> list[tuple[tuple[str, str], str]]:
    """A pair's judging prompts in the first phrasing, each with its correct label word."""
    sides = ("chosen", "rejected")
    if isinstance(judge, Comparer):
        places = [(item[one], item[other]) for one, other in (sides, sides[::-1])]
        prompts = [judge.render(item["prompt"], *texts)[0] for texts in places]
    else:
        prompts = [judge.render(item["prompt"], item[key])[0] for key in sides]
    return list(zip(prompts, judge.labels, strict=True))


def check(rows: Sequence[PairAnswer]) -> None:
    """Raises `InputError` if the judge left too many pairs unanswered for its metrics to mean anything."""
    unanswered = sum(row["preferred"] is None for row in rows)
    if unanswered > MAX_MISSING * len(rows):
        raise InputError(
            f"the judge gave no answer on {unanswered} of {len(rows)} pairs (the log has the reason); rerun the same "
            "command when the judge is back"
        )


def _compared(judge: Comparer, items: Sequence[Pair]) -> list[PairAnswer]:
    matches = [(item["prompt"], item["chosen"], item["rejected"]) for item in items]
    different = [match for match in dict.fromkeys(matches) if match[1] != match[2]]
    comparisons = dict(zip(different, judge.compare(different), strict=True))
    rows = []
    for item, match in zip(items, matches, strict=True):
        comparison = comparisons.get(match)
        # Equal solutions are never asked about: they tie, and reveal no position bias.
        preferred = 0.5 if match[1] == match[2] else comparison and comparison.probability
        order = {"first": comparison and comparison.first, "flipped": comparison and comparison.flipped}
        rows.append({"id": item["id"], "chosen": None, "rejected": None, "preferred": preferred} | order)
    return rows


def _scored(judge: Judge, items: Sequence[Pair]) -> list[PairAnswer]:
    by_question: dict[str, dict[str, None]] = {}
    for item in items:
        by_question.setdefault(item["prompt"], {}).update({item["chosen"]: None, item["rejected"]: None})
    asked = [(question, text) for question, texts in by_question.items() for text in texts]
    verdicts = judge.verdicts([question for question, _ in asked], [text for _, text in asked])
    # Every kind of score is measured by its probability, whatever reward it makes of it (0 or 1, for instance).
    probabilities = {pair: verdict.probability for pair, verdict in zip(asked, verdicts, strict=True)}
    rows = []
    for item in items:
        chosen, rejected = (probabilities[item["prompt"], item[key]] for key in ("chosen", "rejected"))
        known = chosen is not None and rejected is not None
        preferred = ((chosen > rejected) + (chosen >= rejected)) / 2 if known else None
        rows.append({"id": item["id"], "chosen": chosen, "rejected": rejected, "preferred": preferred})
    return rows
