"""Gold answers by question, for a simulated judge and for the bounds with all answers."""

from collections.abc import Sequence

from gavel.common.files import read_jsonl


def read_gold(paths: Sequence[str]) -> dict[str, str]:
    """Question -> gold answer, from data files and from files of withheld answers (rows with `id` and `gold` only)."""
    by_id: dict[str, str] = {}
    questions: dict[str, list[str]] = {}
    gold: dict[str, str] = {}
    for row in (row for path in paths for row in read_jsonl(path)):
        if "question" not in row:
            by_id[row["id"]] = row["gold"]
        elif row["gold"] is not None:
            gold[row["question"]] = row["gold"]
        else:
            questions.setdefault(row["id"], []).append(row["question"])
    return gold | {text: answer for key, answer in by_id.items() for text in questions.get(key, ())}
