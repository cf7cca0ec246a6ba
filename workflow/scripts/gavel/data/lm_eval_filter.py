"""Gavel's verifier as a filter of lm-evaluation-harness, for tasks that `gavel.data.lm_eval_files` writes.

The harness calls such a function (its filter `custom`) with the responses to all questions, and compares what it
returns with the gold answers as text. So that its verdict is the verifier's, a correct answer is returned as the gold
answer is written. A response without an answer, or whose program did not run, gives `NO_ANSWER`, which is wrong.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gavel.solutions.verifier import Format, verify

NO_ANSWER = "[invalid]"  # as of the harness's own filters

Responses = Iterable[Sequence[str]]  # to each question
Docs = Sequence[Mapping[str, Any]]


def program(responses: Responses, docs: Docs) -> list[list[str]]:
    """What programs return."""
    return _read(responses, docs, "program")


def text(responses: Responses, docs: Docs) -> list[list[str]]:
    """The answers of texts."""
    return _read(responses, docs, "text")


def _read(responses: Responses, docs: Docs, format: Format) -> list[list[str]]:
    groups = list(responses)
    golds = [doc["answer"] for doc, group in zip(docs, groups, strict=True) for _ in group]
    answers, correct = verify([response for group in groups for response in group], golds, format)
    found = (
        gold if right else NO_ANSWER if answer is None else answer
        for answer, right, gold in zip(answers, correct, golds, strict=True)
    )
    return [[next(found) for _ in group] for group in groups]
