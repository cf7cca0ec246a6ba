"""Scoring of generated responses: the verifier's verdict and, for the report only, the judge's."""

from collections.abc import Sequence
from pathlib import Path

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.evaluation.best_of import Comparing, choose
from gavel.judge.verdict import Judge
from gavel.solutions.verifier import verify


def score(
    *,
    questions: str,
    responses: str,
    output: str | Path,
    solution_format: str,
    judge: Judge | None = None,
    best_of: Sequence[str] = ("score",),
) -> tuple[dict[str, float], int, dict[str, dict[str, int]]]:
    """Write scored samples, with the question's own columns beside them.

    Rows are `{"id", "sample", "temperature", "response", "answer", "correct", "judge", "tokens", "finished",
    "question", "gold", "kind", "seed_id"}`; `answer` is null where none was found, `judge` where none was asked,
    `correct` (and `answer`) where the program did not run within `solution.batch_seconds`.

    Args:
        best_of: by what the judge picks the best of a question's samples. With more than its `score`, which only a
            judge that compares can give, the sampled completions meet each other alone (`gavel.evaluation.best_of`):
            the greedy one has no score then, and rows have the columns `elo` and `knockout` after `judge`, as far as
            named here.

    Returns:
        Accuracy of the `greedy` completions and `mean` accuracy of the sampled ones, where there are any, and
        `not_run`, the share of programs that did not run, where there are any; the tokens of all; and what
        `gavel.evaluation.best_of.choose` spent, or {}.

    Raises:
        InputError: a response belongs to no question of the file.
    """
    asked = {row["id"]: row for row in read_jsonl(questions)}
    rows = list(read_jsonl(responses))
    if strangers := [row["id"] for row in rows if row["id"] not in asked]:
        raise InputError(f"{responses}: question {strangers[0]!r} is not in {questions}; generate the responses again")
    texts = [row["response"] for row in rows]
    answers, correct = verify(texts, [asked[row["id"]]["gold"] for row in rows], solution_format)
    judged, costs = [{"judge": None} for _ in rows], {}
    if judge is not None and list(best_of) != ["score"]:
        judged, costs = _chosen(judge, rows, {name: row["question"] for name, row in asked.items()}, best_of)
    elif judge is not None:
        verdicts = judge.verdicts([asked[row["id"]]["question"] for row in rows], texts)
        judged = [{"judge": verdict.score} for verdict in verdicts]
    write_jsonl(
        output,
        (
            {key: row[key] for key in ("id", "sample", "temperature", "response")}
            | {"answer": answer, "correct": right}
            | columns
            | {key: row[key] for key in ("tokens", "finished")}
            | {"question": asked[row["id"]]["question"], "gold": asked[row["id"]]["gold"]}
            | {key: asked[row["id"]].get(key) for key in ("kind", "seed_id")}
            for row, answer, right, columns in zip(rows, answers, correct, judged, strict=True)
        ),
    )
    known = [(row["sample"], right) for row, right in zip(rows, correct, strict=True) if right is not None]
    pools = {
        "greedy": [right for sample, right in known if sample < 0],
        "mean": [right for sample, right in known if sample >= 0],
    }
    accuracies = {name: sum(pool) / len(pool) for name, pool in pools.items() if pool}
    if len(known) < len(rows):
        accuracies["not_run"] = 1 - len(known) / len(rows)
    return accuracies, sum(row["tokens"] for row in rows), costs


def _chosen(
    judge: Comparing,
    rows: Sequence[dict],
    questions: dict[str, str],
    ways: Sequence[str],
) -> tuple[list[dict], dict[str, dict[str, int]]]:
    """The judge's columns of each row, and what they took; `questions` are by id."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row["sample"] >= 0:
            places.setdefault(row["id"], []).append(place)
    groups = [[rows[place]["response"] for place in own] for own in places.values()]
    values, costs = choose(judge, [questions[name] for name in places], groups, ways)
    columns = [{"judge": None} | {way: None for way in ("elo", "knockout") if way in ways} for _ in rows]
    for way, found in values.items():
        for own, group in zip(places.values(), found, strict=True):
            for place, value in zip(own, group, strict=True):
                columns[place]["judge" if way == "score" else way] = value
    return columns, costs
