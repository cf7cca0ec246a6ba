"""Score generated responses with the verifier and, for the report only, with the judge."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.data.records import Record
from gavel.evaluation.best_of import ComparativeJudge, choose
from gavel.evaluation.records import JudgeColumns, Response, ScoredSample
from gavel.judge.verdict import Judge
from gavel.solutions.answer_types import DEFAULT
from gavel.solutions.verifier import Format, verify


def score(
    *,
    questions: str,
    responses: str,
    output: str | Path,
    solution_format: Format,
    answer_type: str = DEFAULT,
    judge: Judge | None = None,
    best_of: Sequence[str] = ("score",),
) -> tuple[dict[str, float], int, dict[str, dict[str, int]]]:
    """Write scored samples, with their question's columns.

    Rows are `gavel.evaluation.records.ScoredSample`s: `answer` is the model's and `gold` the gold answer. `correct` and
    `answer` are None if the program did not run within `solution.batch_seconds`.

    Args:
        questions: JSONL file of records, with gold answers.
        responses: JSONL file that `gavel.evaluation.generate` wrote for them.
        answer_type: of the gold answers.
        best_of: how the judge picks the best of a question's samples. Anything beyond `score` needs a pairwise judge,
            which compares only the sampled responses with each other (`gavel.evaluation.best_of`): the greedy one has
            no score then, and rows have the columns `elo` and `knockout` after `judge`, if named here.

    Returns:
        (accuracies, tokens, costs). accuracies: `greedy` and `mean` accuracy of the greedy and of the sampled
        responses, if there are any, and `not_run`, the fraction of programs that did not run, if any did not. tokens:
        the number of tokens of all responses. costs: those of `gavel.evaluation.best_of.choose`, or {}.

    Raises:
        InputError: a response belongs to no question of the file.
    """
    asked: dict[str, Record] = {row["id"]: cast(Record, row) for row in read_jsonl(questions)}
    rows: list[Response] = [cast(Response, row) for row in read_jsonl(responses)]
    if unknown := [row["id"] for row in rows if row["id"] not in asked]:
        raise InputError(f"{responses}: question {unknown[0]!r} is not in {questions}; generate the responses again")
    texts = [row["response"] for row in rows]
    golds = [cast(str, asked[row["id"]]["gold"]) for row in rows]  # every test question has a gold answer
    answers, correct = verify(texts, golds, solution_format, answer_type)
    judged: list[JudgeColumns] = [{"judge": None} for _ in rows]
    costs: dict[str, dict[str, int]] = {}
    if judge is not None and list(best_of) != ["score"]:
        judged, costs = _chosen(
            cast(ComparativeJudge, judge), rows, {name: row["question"] for name, row in asked.items()}, best_of
        )
    elif judge is not None:
        verdicts = judge.verdicts([asked[row["id"]]["question"] for row in rows], texts)
        judged = [{"judge": verdict.score} for verdict in verdicts]
    write_jsonl(
        output,
        (
            _sample(row, asked[row["id"]], answer, right, picked)
            for row, answer, right, picked in zip(rows, answers, correct, judged, strict=True)
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


def _sample(
    row: Response, question: Record, answer: str | None, correct: bool | None, picked: JudgeColumns
) -> ScoredSample:
    return {
        "id": row["id"],
        "sample": row["sample"],
        "temperature": row["temperature"],
        "response": row["response"],
        "answer": answer,
        "correct": correct,
        **picked,
        "tokens": row["tokens"],
        "finished": row["finished"],
        "question": question["question"],
        "gold": cast(str, question["gold"]),
        "kind": question.get("kind"),
        "seed_id": question.get("seed_id"),
    }


def _chosen(
    judge: ComparativeJudge,
    rows: Sequence[Response],
    questions: dict[str, str],
    ways: Sequence[str],
) -> tuple[list[JudgeColumns], dict[str, dict[str, int]]]:
    """The judge's columns of each row, and their cost; `questions` maps ids to questions."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row["sample"] >= 0:
            places.setdefault(row["id"], []).append(place)
    groups = [[rows[place]["response"] for place in sample_places] for sample_places in places.values()]
    values, costs = choose(judge, [questions[name] for name in places], groups, ways)
    missing = dict.fromkeys(["judge", *(way for way in ("elo", "knockout") if way in ways)])
    columns: list[dict[str, float | None]] = [dict(missing) for _ in rows]
    for way, question_values in values.items():
        for sample_places, group in zip(places.values(), question_values, strict=True):
            for place, value in zip(sample_places, group, strict=True):
                columns[place]["judge" if way == "score" else way] = value
    return cast("list[JudgeColumns]", columns), costs
