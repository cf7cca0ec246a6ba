"""The row layouts that `gavel score` and `gavel judge` read.

To add one, write a function and add a line to `SCORE_LAYOUTS` or `JUDGE_LAYOUTS`.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gavel.cli.rows import quote_answer, quote_value
from gavel.common.errors import InputError
from gavel.data import lm_eval
from gavel.solutions import answer_types
from gavel.solutions.verifier import extract, verify

if TYPE_CHECKING:
    from gavel.cli.judge_files import Judged


class Item(NamedTuple):
    """One question's responses from one model, which is named only if a row has several models' responses.

    `row` counts from 0; `id` and `question` are None if the row lacks them.
    """

    row: int
    model: str | None
    responses: list[str]
    gold: str
    id: str | None
    question: str | None


ReadRow = Callable[[int, str, dict[str, Any]], list[Item]]


def _row(answer_type: str, number: int, where: str, row: dict[str, Any]) -> list[Item]:
    if {"gold", "sample"} <= row.keys():
        raise InputError(
            f"{where}: a study's own samples, whose 'answer' is the model's (the gold answer is 'gold'); "
            "score them with --layout greedy, or see metrics.csv"
        )
    responses = row.get("response")
    responses = [responses] if isinstance(responses, str) else responses
    if not isinstance(responses, list) or not all(isinstance(response, str) for response in responses):
        raise InputError(f"{where}: 'response' must be text or a list of texts, found {quote_value(row, 'response')}")
    if not responses:
        raise InputError(f"{where}: 'response' is an empty list; a row needs at least one response")
    kind = answer_types.find(answer_type)
    gold = kind.canonical(row.get("answer"))
    if gold is None:
        raise InputError(f"{where}: 'answer' must be {kind.expected}, found {quote_answer(row, 'answer')}")
    return [Item(number, None, responses, gold, *_names(row))]


def gsm8k_model_solutions(number: int, where: str, row: dict[str, Any]) -> list[Item]:
    """grade-school-math's model solutions: question, ground_truth, and {solution, ...} per model."""
    gold = extract(row["ground_truth"]) if isinstance(row.get("ground_truth"), str) else None
    if gold is None:
        found = quote_answer(row, "ground_truth")
        raise InputError(f"{where}: 'ground_truth' must be text that ends in 'A: <number>', found {found}")
    models = [name for name, value in row.items() if isinstance(value, dict)]
    if not models:
        raise InputError(f"{where}: no model's solution; expected keys such as '6b_finetuning'")
    for name in models:
        if not isinstance(row[name].get("solution"), str):
            found = quote_value(row[name], "solution")
            raise InputError(f"{where}: 'solution' of '{name}' must be text, found {found}")
    return [Item(number, name, [row[name]["solution"]], gold, *_names(row)) for name in models]


def _numbers_only(read: ReadRow) -> Callable[[str], ReadRow]:
    """The factory of a reader for a published file whose answers are numbers."""

    def factory(answer_type: str) -> ReadRow:
        if answer_type != "number":
            raise InputError(f"--answer-type {answer_type}: the answers of this layout are numbers; use number")
        return read

    return factory


def _lm_eval(answer_type: str) -> ReadRow:
    """lm-evaluation-harness's sample log (`gavel.data.lm_eval`): each question once, regardless of filters."""
    new = lm_eval.RepeatFilter()

    def read(number: int, where: str, row: dict[str, Any]) -> list[Item]:
        try:
            if not new(row):
                return []
            responses, gold = lm_eval.responses(row), lm_eval.gold(row, answer_type)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        return [Item(number, None, responses, gold, lm_eval.doc_id(row), None)]

    return read


def _greedy(answer_type: str, number: int, where: str, row: dict[str, Any]) -> list[Item]:
    """A study's `samples.jsonl` or `alternate.jsonl`: only greedy responses; metrics.csv covers the sampled ones."""
    if not isinstance(row.get("sample"), int) or not isinstance(row.get("response"), str):
        raise InputError(f"{where}: no 'sample' number or no 'response' text; expected a study's samples.jsonl")
    kind = answer_types.find(answer_type)
    if (gold := kind.canonical(row.get("gold"))) is None:
        raise InputError(f"{where}: 'gold' must be {kind.expected}, found {quote_answer(row, 'gold')}")
    return [Item(number, None, [row["response"]], gold, *_names(row))] if row["sample"] < 0 else []


def _names(row: dict[str, Any]) -> tuple[str | None, str | None]:
    """The row's `id` and `question`, each None if it is missing or has the wrong type."""
    identity, question = row.get("id"), row.get("question")
    named = isinstance(identity, str | int) and not isinstance(identity, bool)
    return str(identity) if named else None, question if isinstance(question, str) else None


# Layout -> factory of a reader for one file's rows, in order; its argument is the type of the gold answers.
SCORE_LAYOUTS: dict[str, Callable[[str], ReadRow]] = {
    "rows": lambda answer_type: partial(_row, answer_type),
    "gsm8k-model-solutions": _numbers_only(gsm8k_model_solutions),
    "lm-eval": _lm_eval,
    "greedy": lambda answer_type: partial(_greedy, answer_type),
}


class JudgeLayout(NamedTuple):
    """A layout of rows for `gavel judge`.

    Attributes:
        read: (row, its `file:line`) -> the row's items for `ask`.
        ask: lets a judge score the rows of a file: (rows, path, judge) -> metrics and details.
        note: printed with the metrics.
    """

    read: Callable[[dict[str, Any], str], list[Any]]
    ask: Callable[..., "Judged"]
    note: str | None = None


def _judge_row(row: dict[str, Any], where: str) -> list[tuple[str, str, bool]]:
    _texts(row, where, "question", "response")
    if not isinstance(row.get("correct"), bool):
        unlabelled = "" if "correct" in row else "; rows without it need `--layout unlabeled`"
        raise InputError(f"{where}: 'correct' must be true or false, found {quote_value(row, 'correct')}{unlabelled}")
    return [(row["question"], row["response"], row["correct"])]


def _unlabelled(row: dict[str, Any], where: str) -> list[tuple[str, str, None]]:
    _texts(row, where, "question", "response")
    return [(row["question"], row["response"], None)]


def _rewardbench(row: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """RewardBench's columns, and `steps` of a judge benchmark; other columns, such as models, are ignored."""
    _texts(row, where, "prompt", "chosen", "rejected")
    subset, steps = row.get("subset"), row.get("steps")
    if subset is not None and not isinstance(subset, str):
        raise InputError(f"{where}: 'subset' must be text or missing, found {quote_value(row, 'subset')}")
    return [{key: row[key] for key in ("prompt", "chosen", "rejected")} | {"subset": subset, "steps": steps}]


def _gsm8k_model_solutions(row: dict[str, Any], where: str) -> list[tuple[str, str, str, bool]]:
    """Each model's response, correct or not by the verifier, which agrees with all of the file's own flags."""
    _texts(row, where, "question")
    items = gsm8k_model_solutions(0, where, row)
    texts = [item.responses[0] for item in items]
    _, correct = verify(texts, [item.gold for item in items], "text")
    models = [cast(str, item.model) for item in items]
    return [
        (model, row["question"], text, bool(right)) for model, text, right in zip(models, texts, correct, strict=True)
    ]


def _texts(row: dict[str, Any], where: str, *keys: str) -> None:
    for key in keys:
        if not isinstance(row.get(key), str):
            raise InputError(f"{where}: '{key}' must be text, found {quote_value(row, key)}")


# Imported when used: judges import heavy packages, and `gavel --help` should not wait for them.
def _judge_file(*arguments: Any) -> "Judged":
    from gavel.cli.judge_files import judge_file

    return judge_file(*arguments)


def _score_file(*arguments: Any) -> "Judged":
    from gavel.cli.judge_files import score_file

    return score_file(*arguments)


def _judge_pairs(*arguments: Any) -> "Judged":
    from gavel.cli.judge_files import judge_pairs

    return judge_pairs(*arguments)


def _judge_models(*arguments: Any) -> "Judged":
    from gavel.cli.judge_files import judge_models

    return judge_models(*arguments)


JUDGE_LAYOUTS = {
    "rows": JudgeLayout(_judge_row, _judge_file),
    "unlabeled": JudgeLayout(_unlabelled, _score_file),
    "rewardbench": JudgeLayout(_rewardbench, _judge_pairs),
    "gsm8k-model-solutions": JudgeLayout(
        _gsm8k_model_solutions, _judge_models, "report-only: these are GSM8K's test questions; choose no judge by them"
    ),
}
