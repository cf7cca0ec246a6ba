"""A judge at work on the judge benchmark: which of two solutions does it prefer, and what did asking cost?

What follows from its answers is in `gavel.judge_eval.benchmark_figures`, so that another figure asks no judge again.
"""

import hashlib
import time
from collections.abc import Sequence
from typing import Any

from gavel.common.errors import InputError
from gavel.judge.records import Pair
from gavel.judge.verdict import MAX_MISSING, Comparer, Judge
from gavel.judge_eval.records import PairAnswer, WrittenJudgment

WRITTEN_ABOUT = 2  # pairs of which it is kept what a judge that reasons writes; each makes two judging prompts
COSTS = ("prompts", "tokens_read", "tokens_written", "seconds")


def ask(judge: Judge, items: Sequence[Pair]) -> tuple[list[PairAnswer], dict[str, float]]:
    """Ask a judge about pairs of solutions of one question each.

    A judge that compares two solutions (`gavel.judge.verdict.Comparer`) is asked about the pairs.
    Another one scores solutions, each different one of a question once, and prefers the one that scores higher; of two
    that score alike it prefers neither (0.5).

    Args:
        items: `chosen` is the right solution.

    Returns:
        A row an item; and the cost, `{"prompts", "tokens_read", "tokens_written", "seconds"}`: seconds of the clock,
        without the time to load the judge.
    """
    before, started = judge.usage, time.perf_counter()
    rows = _compared(judge, items) if isinstance(judge, Comparer) else _scored(judge, items)
    seconds, spent = time.perf_counter() - started, judge.usage.since(before)
    return rows, dict(zip(COSTS, (spent.prompts, spent.read, spent.written, seconds), strict=True))


def written(judge: Judge, items: Sequence[Pair], count: int = WRITTEN_ABOUT) -> list[WrittenJudgment]:
    """What a judge that reasons writes about a few of the pairs, for people to read.

    It is asked for it apart, so what `ask` counts is what the figures took. The pairs are chosen by their ids alone, so
    that all judges of a benchmark write about the same.

    Returns:
        Rows with the first of its reasonings, of a judge that compares one for each order of the two solutions, of
        another one for each solution. Rows without an answer are left out; [] of a judge that answers at once.
    """
    if judge.reasoner is None:
        return []
    chosen = sorted(items, key=lambda item: hashlib.sha256(item["id"].encode()).digest())[:count]
    asked = [(item["id"], *one) for item in chosen for one in _prompts(judge, item)]
    begun = [texts[0] for texts in judge.reasoner.reason([prompt for _, prompt, _ in asked], samples=1)]
    known = [(*one, text) for one, text in zip(asked, begun, strict=True) if text is not None]
    replies = [(prompt[0], text) for _, prompt, _, text in known]
    rows: list[WrittenJudgment] = []
    probabilities = judge.reasoner.probabilities(replies, range(len(replies)))
    for (name, prompt, right, text), probability in zip(known, probabilities, strict=True):
        if probability is not None:
            said = judge.labels[probability < 0.5]
            own = probability if right == judge.labels[0] else 1 - probability
            rows.append(
                {
                    "id": name,
                    "prompt": prompt[0],
                    "judgment": text + said,
                    "label": right.strip(),
                    "said": said.strip(),
                    "probability": own,
                }
            )
    return rows


def _prompts(judge: Any, item: Pair) -> list[tuple[tuple[str, str], str]]:
    """The judging prompts of a pair by the first phrasing, each with its right label."""
    sides = ("chosen", "rejected")
    if isinstance(judge, Comparer):
        places = [(item[one], item[other]) for one, other in (sides, sides[::-1])]
        prompts = [judge.render(item["prompt"], *texts)[0] for texts in places]
    else:
        prompts = [judge.render(item["prompt"], item[key])[0] for key in sides]
    return list(zip(prompts, judge.labels, strict=True))


def check(rows: Sequence[PairAnswer]) -> None:
    """Raises `InputError` where the judge left too many pairs unanswered to say how good it is."""
    silent = sum(row["preferred"] is None for row in rows)
    if silent > MAX_MISSING * len(rows):
        raise InputError(
            f"the judge gave no answer on {silent} of {len(rows)} pairs (the log says why); give the same command once "
            "it answers again"
        )


def _compared(judge: Comparer, items: Sequence[Pair]) -> list[PairAnswer]:
    matches = [(item["prompt"], item["chosen"], item["rejected"]) for item in items]
    different = [match for match in dict.fromkeys(matches) if match[1] != match[2]]
    found = dict(zip(different, judge.compare(different), strict=True))
    rows = []
    for item, match in zip(items, matches, strict=True):
        one = found.get(match)
        # Equal solutions are never asked about: they tie, and say nothing of the order.
        preferred = 0.5 if match[1] == match[2] else one and one.probability
        order = {"first": one and one.first, "flipped": one and one.flipped}
        rows.append({"id": item["id"], "chosen": None, "rejected": None, "preferred": preferred} | order)
    return rows


def _scored(judge: Judge, items: Sequence[Pair]) -> list[PairAnswer]:
    by_question: dict[str, dict[str, None]] = {}
    for item in items:
        by_question.setdefault(item["prompt"], {}).update({item["chosen"]: None, item["rejected"]: None})
    asked = [(question, text) for question, texts in by_question.items() for text in texts]
    verdicts = judge.verdicts([question for question, _ in asked], [text for _, text in asked])
    # What a score makes of a probability (0 or 1, say) is the reward's business: every kind is measured by the latter.
    said = {pair: verdict.probability for pair, verdict in zip(asked, verdicts, strict=True)}
    rows = []
    for item in items:
        chosen, rejected = (said[item["prompt"], item[key]] for key in ("chosen", "rejected"))
        known = chosen is not None and rejected is not None
        preferred = ((chosen > rejected) + (chosen >= rejected)) / 2 if known else None
        rows.append({"id": item["id"], "chosen": chosen, "rejected": rejected, "preferred": preferred})
    return rows
