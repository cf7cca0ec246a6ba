"""Gold answers of all questions, also those withheld from training: for a simulated judge, the bounds with all answers,
and what compares rollouts with the truth.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gavel.common.files import read_jsonl


class Question(NamedTuple):
    """A training question.

    Attributes:
        gold: None if the answer is unknown to everyone.
    """

    text: str
    gold: str | None


def read_questions(paths: Sequence[str]) -> dict[str, Question]:
    """id -> question, from data files and from files of withheld answers (rows with `id` and `gold` only)."""
    found: dict[str, Question] = {}
    withheld: dict[str, str] = {}
    for row in (row for path in paths for row in read_jsonl(path)):
        if "question" in row:
            found[row["id"]] = Question(row["question"], row["gold"])
        else:
            withheld[row["id"]] = row["gold"]
    return {key: Question(text, withheld.get(key) if gold is None else gold) for key, (text, gold) in found.items()}


def read_gold(paths: Sequence[str]) -> dict[str, str]:
    """Question -> gold answer, where it is known, from the same files."""
    return {text: gold for text, gold in read_questions(paths).values() if gold is not None}
