"""One function for each published layout: a row as it stands in the file or on the hub becomes a record.

What a reader returns needs `question` and `gold`, the right answer, which most layouts call `answer`; the other fields
of a record (`gavel.data.records.Record`) are optional. Files are not opened here (`gavel.data.sources`). A new data set
is one reader function and one line in `READERS`; the first paragraph of its docstring is its line in the config's
reference.
"""

import re
from collections.abc import Callable
from typing import cast

from gavel.common.errors import InputError
from gavel.data import lm_eval
from gavel.data.fields import FIELDS
from gavel.data.records import Problem
from gavel.solutions.numbers import TOO_LONG, canonical, too_long

# `9 (apples)`: an answer of ASDiv with its unit.
_WITH_UNIT = re.compile(r"([^();]*)\([^();]*\)")


def _text(row: dict, field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"no text in '{field}'")
    return value.strip()


def _gold(value: object) -> str:
    """Canonical text of a gold answer; one that nothing could ever equal is an error of the data."""
    gold = None if value is None or isinstance(value, bool) else canonical(value)
    if gold is None:
        why = f" ({TOO_LONG})" if too_long(value) else ""
        raise InputError(f"the answer {str(value)[:60]!r} is neither a number nor None{why}")
    return gold


def _joined(body: str, question: str) -> str:
    """A story and its question as one text, with a full stop between them where the story ends without a mark."""
    return f"{body}{'' if body[-1] in '.,;:?!' else '.'} {question}"


def _worked(steps: str, gold: str) -> str | None:
    """Published equations as a solution in text: they may be solved for x, so the answer is added as GSM8K has it."""
    return f"{steps}\n#### {gold}" if steps.strip() else None


def read_gsm8k(row: dict) -> Problem:
    """GSM8K (Cobbe et al. 2021): `answer` holds the steps and `#### N`; it is kept whole as solution."""
    solution = _text(row, "answer")
    _, mark, final = solution.rpartition("####")
    if not mark:
        raise InputError("no answer: expected 'answer' to end with '#### N'")
    return {"question": _text(row, "question"), "solution": solution, "gold": _gold(final.strip())}


def read_gsm_plus(row: dict) -> Problem:
    """GSM-Plus (Li et al. 2024). Its 'critical thinking' items have the answer `None`.

    `seed_question` stays until `gavel.data.sources.link_seeds` turns it into `seed_id`.
    """
    return {
        "question": _text(row, "question"),
        "solution": row.get("solution") or None,
        "gold": _gold(row.get("answer")),
        "kind": _text(row, "perturbation_type"),
        "seed_question": _text(row, "seed_question"),
    }


def read_svamp(row: dict) -> Problem:
    """SVAMP (Patel et al. 2021), published or hub rows: `Body` and `Question`, with a full stop between."""
    return {"question": _joined(_text(row, "Body"), _text(row, "Question")), "gold": _gold(row.get("Answer"))}


def read_mawps(row: dict) -> Problem:
    """MAWPS (Koncel-Kedziorski et al. 2016) and MultiArith (Roy and Roth 2015): `sQuestion`, `lEquations`,
    `lSolutions`.

    The solution is the equations and `#### N`. A problem with several solutions (two unknowns) does not fit.
    """
    found, equations = row.get("lSolutions"), row.get("lEquations") or []
    if not isinstance(found, list) or len(found) != 1:
        raise InputError(f"'lSolutions' must be a list of one number, found {str(found)[:60]}")
    if not isinstance(equations, list) or not all(isinstance(equation, str) for equation in equations):
        raise InputError(f"'lEquations' must be a list of texts, found {str(equations)[:60]}")
    gold = _gold(found[0])
    return {"question": _text(row, "sQuestion"), "solution": _worked("\n".join(equations), gold), "gold": gold}


def read_asdiv(row: dict) -> Problem:
    """ASDiv (Miao et al. 2020), the published XML file or hub rows. Answers that are no single number do not fit;
    `skip_bad` leaves those out.

    An answer is a number, mostly with its unit: `9 (apples)`. `3 (cats); 4 (dogs)`, `8:00` or a name is none. The
    solution is the formula and `#### N`. The XML file's own ids are kept; hub rows have none.
    """
    value = row.get("answer")
    unit = _WITH_UNIT.fullmatch(value.strip()) if isinstance(value, str) else None
    gold = _gold(unit[1].strip() if unit else value)
    identity = {"id": _text(row, "id")} if row.get("id") is not None else {}
    solution = _worked(row.get("formula") or "", gold)
    question = _joined(_text(row, "body"), _text(row, "question"))
    return cast(Problem, identity | {"question": question, "solution": solution, "gold": gold})


def read_lm_eval(row: dict) -> Problem:
    """Sample logs of lm-evaluation-harness 0.4: the question in `doc`, the answer in `target`; each question once.

    `target` is a number, or steps that end with `#### N` and are then the solution (`gavel.data.lm_eval`). ASDiv's
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


def read_own(row: dict) -> Problem:
    """This project's own record layout: `question` and `answer`; the other fields are optional.

    In a file that a study wrote the right answer is `gold`, and `answer`, where there is one, the model's.
    """
    optional = {field: row[field] for field in FIELDS if field != "gold" and row.get(field) is not None}
    for field, value in optional.items():
        if not isinstance(value, str):
            raise InputError(f"'{field}' is not text")
    gold = _gold(row["gold"] if "gold" in row else row.get("answer"))
    return cast(Problem, optional | {"question": _text(row, "question"), "gold": gold})


READERS: dict[str, Callable[[dict], Problem]] = {
    "gsm8k": read_gsm8k,
    "gsm_plus": read_gsm_plus,
    "svamp": read_svamp,
    "mawps": read_mawps,
    "asdiv": read_asdiv,
    "lm_eval": read_lm_eval,
    "jsonl": read_own,
}
# Layouts with several rows a question -> what says, row by row, whether a question is new; made anew for each file.
ONCE: dict[str, Callable[[], Callable[[dict], bool]]] = {"lm_eval": lm_eval.Once}


def described() -> str:
    """What each reader reads, for the config's reference: the first paragraphs of their docstrings."""
    first = {name: (reader.__doc__ or "").partition("\n\n")[0] for name, reader in READERS.items()}
    return " ".join(f"`{name}`: {' '.join(text.split())}" for name, text in first.items())
