"""Scoring of generated responses: the verifier's verdict and, for the report only, the judge's score."""

from collections.abc import Callable, Iterable
from pathlib import Path

from gavel.answers import verify
from gavel.errors import InputError
from gavel.files import read_jsonl, write_jsonl
from gavel.judge import Judge


def score(
    *,
    questions: str,
    responses: str,
    output: str | Path,
    solution_format: str,
    judge: Judge | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[dict[str, float], int]:
    """Write scored samples, with the question's own columns beside them.

    Rows are `{"id", "sample", "temperature", "response", "answer", "correct", "judge", "tokens", "finished",
    "question", "gold", "kind", "seed_id"}`; `answer` is null where none was found, `judge` where none was asked.

    Returns:
        Accuracy of the `greedy` completions and `mean` accuracy of the sampled ones, where there are any; and the
        tokens of all.

    Raises:
        InputError: a response belongs to no question of the file.
    """
    asked = {row["id"]: row for row in read_jsonl(questions)}
    rows = list(read_jsonl(responses))
    if strangers := [row["id"] for row in rows if row["id"] not in asked]:
        raise InputError(f"{responses}: question {strangers[0]!r} is not in {questions}; generate the responses again")
    texts = [row["response"] for row in rows]
    answers, correct = verify(texts, [asked[row["id"]]["answer"] for row in rows], solution_format)
    scores: list[float | None] = [None] * len(rows)
    if judge is not None:
        verdicts = judge.verdicts([asked[row["id"]]["question"] for row in rows], texts, progress)
        scores = [verdict.score for verdict in verdicts]
    write_jsonl(
        output,
        (
            {key: row[key] for key in ("id", "sample", "temperature", "response")}
            | {"answer": answer, "correct": right, "judge": paid}
            | {key: row[key] for key in ("tokens", "finished")}
            | {"question": asked[row["id"]]["question"], "gold": asked[row["id"]]["answer"]}
            | {key: asked[row["id"]].get(key) for key in ("kind", "seed_id")}
            for row, answer, right, paid in zip(rows, answers, correct, scores, strict=True)
        ),
    )
    pools = {
        "greedy": [right for row, right in zip(rows, correct, strict=True) if row["sample"] < 0],
        "mean": [right for row, right in zip(rows, correct, strict=True) if row["sample"] >= 0],
    }
    accuracies = {name: sum(pool) / len(pool) for name, pool in pools.items() if pool}
    return accuracies, sum(row["tokens"] for row in rows)
