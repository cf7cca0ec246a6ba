"""The layouts of rows that `gavel judge` reads. A new one is a function that reads a row, and one line in `LAYOUTS`."""

from collections.abc import Callable
from typing import NamedTuple

from gavel.answers import verify
from gavel.commands.layouts import gsm8k_model_solutions
from gavel.commands.rows import shown
from gavel.errors import InputError


class Layout(NamedTuple):
    """A layout of rows.

    Attributes:
        read: a row and its `file:line` to what `ask` takes of it.
        ask: asks a judge about the rows of a file: (rows, path, judge) to figures.
        note: what to say beside the figures.
    """

    read: Callable[[dict, str], list]
    ask: Callable[..., dict]
    note: str | None = None


def _row(row: dict, where: str) -> list[tuple[str, str, bool]]:
    _texts(row, where, "question", "response")
    if not isinstance(row.get("correct"), bool):
        raise InputError(f"{where}: 'correct' must be true or false, found {shown(row, 'correct')}")
    return [(row["question"], row["response"], row["correct"])]


def _rewardbench(row: dict, where: str) -> list[dict]:
    """RewardBench's columns, and `steps` of a judge benchmark; what else there is, such as models, is passed over."""
    _texts(row, where, "prompt", "chosen", "rejected")
    subset, steps = row.get("subset"), row.get("steps")
    if subset is not None and not isinstance(subset, str):
        raise InputError(f"{where}: 'subset' must be a text where there is one, found {shown(row, 'subset')}")
    return [{key: row[key] for key in ("prompt", "chosen", "rejected")} | {"subset": subset, "steps": steps}]


def _gsm8k_model_solutions(row: dict, where: str) -> list[tuple[str, str, str, bool]]:
    """Each model's solution, right or wrong by the verifier, which agrees with every one of the file's own flags."""
    _texts(row, where, "question")
    items = gsm8k_model_solutions(0, where, row)
    texts = [item.responses[0] for item in items]
    _, correct = verify(texts, [item.gold for item in items], "text")
    return [(item.model, row["question"], text, right) for item, text, right in zip(items, texts, correct, strict=True)]


def _texts(row: dict, where: str, *keys: str) -> None:
    for key in keys:
        if not isinstance(row.get(key), str):
            raise InputError(f"{where}: '{key}' must be a text, found {shown(row, key)}")


# Imported when used: judges bring heavy packages, and `gavel --help` should not wait for them.
def _judge_file(*arguments) -> dict:
    from gavel.judging import judge_file

    return judge_file(*arguments)


def _judge_pairs(*arguments) -> dict:
    from gavel.judging_published import judge_pairs

    return judge_pairs(*arguments)


def _judge_models(*arguments) -> dict:
    from gavel.judging_published import judge_models

    return judge_models(*arguments)


LAYOUTS = {
    "rows": Layout(_row, _judge_file),
    "rewardbench": Layout(_rewardbench, _judge_pairs),
    "gsm8k-model-solutions": Layout(
        _gsm8k_model_solutions, _judge_models, "report-only: these are GSM8K's test questions; choose no judge by them"
    ),
}
