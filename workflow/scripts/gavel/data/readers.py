"""One reader function per published layout: it turns a row of a file or of the hub into a record.

A reader must return `question` and `gold`, the gold answer, which most layouts call `answer`. The other fields of a
record (`gavel.data.records.Record`) are optional. `gavel.data.sources` opens the files. To add a data set, write a
reader function and add it to `READERS`; the first paragraph of its docstring goes into the config reference.
"""

import re
from collections.abc import Callable
from typing import Any, cast

from gavel.common.errors import InputError
from gavel.data import lm_eval
from gavel.data.fields import FIELDS
from gavel.data.records import Problem
from gavel.solutions.numbers import canonical, too_long_note

# An ASDiv answer with its unit, such as `9 (apples)`.
_WITH_UNIT = re.compile(r"([^();]*)\([^();]*\)")


def _text(row: dict[str, Any], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"no text in '{field}'")
    return value.strip()


def _gold(value: object) -> str:
    """Canonical text of a gold answer. Raises `InputError` if no response could ever equal it."""
    gold = None if value is None or isinstance(value, bool) else canonical(value)
    if gold is None:
        raise InputError(f"the answer {str(value)[:60]!r} is neither a number nor None{too_long_note(value)}")
    return gold


def _joined(body: str, question: str) -> str:
    """Join a story and its question, with a full stop between them if the story ends without punctuation."""
    return f"{body}{'' if body[-1] in '.,;:?!' else '.'} {question}"


def _worked(steps: str, gold: str) -> str | None:
    """Published equations as a text solution. They may be solved for x, so the answer is appended as in GSM8K."""
    return f"{steps}\n#### {gold}" if steps.strip() else None


def read_gsm8k(row: dict[str, Any]) -> Problem:
    """GSM8K (Cobbe et al. 2021): `answer` holds the steps and `#### N`, and becomes the solution."""
    solution = _text(row, "answer")
    _, mark, final = solution.rpartition("####")
    if not mark:
        raise InputError("no answer: expected 'answer' to end with '#### N'")
    return {"question": _text(row, "question"), "solution": solution, "gold": _gold(final.strip())}


def read_gsm_plus(row: dict[str, Any]) -> Problem:
    """GSM-Plus (Li et al. 2024). Its 'critical thinking' items have the gold answer `None`.

    `gavel.data.sources.link_seeds` later replaces `seed_question` by `seed_id`.
    """
    return {
        "question": _text(row, "question"),
        "solution": row.get("solution") or None,
        "gold": _gold(row.get("answer")),
        "kind": _text(row, "perturbation_type"),
        "seed_question": _text(row, "seed_question"),
    }


def read_svamp(row: dict[str, Any]) -> Problem:
    """SVAMP (Patel et al. 2021), published or hub rows: `Body` and `Question`, joined by a full stop."""
    return {"question": _joined(_text(row, "Body"), _text(row, "Question")), "gold": _gold(row.get("Answer"))}


def read_mawps(row: dict[str, Any]) -> Problem:
    """MAWPS (Koncel-Kedziorski et al. 2016) and MultiArith (Roy and Roth 2015): `sQuestion`, `lEquations`,
    `lSolutions`.

    The solution is the equations and `#### N`. Problems with several solutions (two unknowns) are invalid.
    """
    solutions, equations = row.get("lSolutions"), row.get("lEquations") or []
    if not isinstance(solutions, list) or len(solutions) != 1:
        raise InputError(f"'lSolutions' must be a list of one number, found {str(solutions)[:60]}")
    if not isinstance(equations, list) or not all(isinstance(equation, str) for equation in equations):
        raise InputError(f"'lEquations' must be a list of strings, found {str(equations)[:60]}")
    gold = _gold(solutions[0])
    return {"question": _text(row, "sQuestion"), "solution": _worked("\n".join(equations), gold), "gold": gold}


def read_asdiv(row: dict[str, Any]) -> Problem:
    """ASDiv (Miao et al. 2020), the published XML file or hub rows. Answers that are not a single number are invalid;
    `skip_bad` skips those.

    An answer is a number, usually with its unit: `9 (apples)`. `3 (cats); 4 (dogs)`, `8:00` and names are invalid. The
    solution is the formula and `#### N`. The XML file's own ids are kept; hub rows have none.
    """
    value = row.get("answer")
    unit = _WITH_UNIT.fullmatch(value.strip()) if isinstance(value, str) else None
    gold = _gold(unit[1].strip() if unit else value)
    identity = {"id": _text(row, "id")} if row.get("id") is not None else {}
    solution = _worked(row.get("formula") or "", gold)
    question = _joined(_text(row, "body"), _text(row, "question"))
    return cast(Problem, identity | {"question": question, "solution": solution, "gold": gold})


def read_lm_eval(row: dict[str, Any]) -> Problem:
    """Sample logs of lm-evaluation-harness 0.4: question in `doc`, gold answer in `target`; each question is read once.

    `target` is a number, or steps that end with `#### N`, which become the solution (`gavel.data.lm_eval`). ASDiv's
    `doc` has the story in `body`.
    """
    doc, target = row.get("doc"), row.get("target")
    if not isinstance(doc, dict):
        raise InputError("no object in 'doc'")
    question = _text(doc, "question")
    body = next((_text(doc, field) for field in ("body", "Body") if doc.get(field)), None)
    return {
        "question": question if body is None else _joined(body, question),
        "solution": target.strip() if isinstance(target, str) and "####" in target else None,
        "gold": lm_eval.gold(row),
    }


def read_own(row: dict[str, Any]) -> Problem:
    """Gavel's own record layout: `question` and `answer`; the other fields are optional.

    Files written by a study have the gold answer in `gold`; their `answer`, if any, is the model's.
    """
    optional = {field: row[field] for field in FIELDS if field != "gold" and row.get(field) is not None}
    for field, value in optional.items():
        if not isinstance(value, str):
            raise InputError(f"'{field}' is not text")
    gold = _gold(row["gold"] if "gold" in row else row.get("answer"))
    return cast(Problem, optional | {"question": _text(row, "question"), "gold": gold})


READERS: dict[str, Callable[[dict[str, Any]], Problem]] = {
    "gsm8k": read_gsm8k,
    "gsm_plus": read_gsm_plus,
    "svamp": read_svamp,
    "mawps": read_mawps,
    "asdiv": read_asdiv,
    "lm_eval": read_lm_eval,
    "jsonl": read_own,
}
# Layouts with several rows per question -> a factory, called for each file, of functions that detect new questions.
REPEAT_FILTERS: dict[str, Callable[[], Callable[[dict[str, Any]], bool]]] = {"lm_eval": lm_eval.RepeatFilter}


def reader_descriptions() -> str:
    """What each reader reads, for the config reference: the first paragraphs of the docstrings."""
    first = {name: (reader.__doc__ or "").partition("\n\n")[0] for name, reader in READERS.items()}
    return " ".join(f"`{name}`: {' '.join(text.split())}" for name, text in first.items())
