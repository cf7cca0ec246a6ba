"""One reader function per published layout: it turns a row of a file or of the hub into a record.

A reader must return `question` and `gold`, the gold answer, which most layouts call `answer`. The other fields of a
record (`gavel.data.records.Record`) are optional. `gavel.data.sources` opens the files. To add a data set, write a
reader function and add it to `READERS`; the first paragraph of its docstring goes into the config reference. A layout
of multiple-choice questions is also in `ANSWER_TYPES`, and its `question` shows the options.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from gavel.common.errors import InputError
from gavel.data import lm_eval
from gavel.data.records import Problem
from gavel.solutions import answer_types, choice_answers
from gavel.solutions.numbers import too_long_note

# An ASDiv answer with its unit, such as `9 (apples)`.
_WITH_UNIT = re.compile(r"([^();]*)\([^();]*\)")


def _text(row: dict[str, Any], field: str) -> str:
    value = row.get(field)
    if value is not None and not isinstance(value, str):
        raise InputError(f"'{field}' must be text, found {_shown(value)}")
    if value is None or not value.strip():
        raise InputError(f"no text in '{field}'")
    return value.strip()


def _name(row: dict[str, Any], field: str) -> str:
    """A text or whole number that names something."""
    value = row[field]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"'{field}' must be text or a whole number, found {_shown(value)}")
    return str(value).strip()


def _shown(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:60]!r}"


def _gold(value: object, answer_type: str = answer_types.DEFAULT) -> str:
    """Canonical text of a gold answer. Raises `InputError` if no response could ever equal it."""
    kind = answer_types.find(answer_type)
    if value is None or value == "":
        raise InputError(f"no answer; expected {kind.expected}")
    gold = None if isinstance(value, bool) else kind.canonical(value)
    if gold is None:
        raise InputError(f"the answer {str(value)[:60]!r} is not {kind.expected}{too_long_note(value)}")
    return gold


def _options(value: object, field: str) -> list[str]:
    """The texts of a question's options. Raises `InputError` unless they are between 2 and 26 texts."""
    if not isinstance(value, list) or not all(isinstance(option, str) and option.strip() for option in value):
        raise InputError(
            f'\'{field}\' must be a list of texts, in a table\'s cell as JSON, such as ["74", "72"]; found '
            f"{str(value)[:60]}"
        )
    if not 2 <= len(value) <= len(choice_answers.LETTERS):
        raise InputError(f"'{field}' has {len(value)} options; a question needs 2 to {len(choice_answers.LETTERS)}")
    return value


def _choice(question: str, options: list[str], gold: str) -> Problem:
    """A question with its options, one a line. Raises `InputError` if the gold answer is not one of their letters.

    Letters that the options bring themselves (AQuA-RAT: `B)21.5`) are not written twice.
    """
    letters = choice_answers.LETTERS[: len(options)]
    if gold not in letters:
        raise InputError(f"the answer {gold!r} is not one of the {len(options)} options, {letters[0]} to {letters[-1]}")
    labels = [re.match(rf"\s*\(?{letter}[).:]\s*", text) for letter, text in zip(letters, options, strict=True)]
    if all(labels):
        options = [text[label.end() :] for text, label in zip(options, labels, strict=True) if label]
    return {"question": choice_answers.with_options(question, options), "gold": gold}


def _joined(body: str, question: str) -> str:
    """Join a story and its question, with a full stop between them if the story ends without punctuation."""
    return f"{body}{'' if body[-1] in '.,;:?!' else '.'} {question}"


def _worked(steps: str, gold: str) -> str | None:
    """Published equations as a text solution. They may be solved for x, so the answer is appended as in GSM8K."""
    return f"{steps}\n#### {gold}" if steps.strip() else None


def read_gsm8k(row: dict[str, Any]) -> Problem:
    """GSM8K (Cobbe et al. 2021) and GSM8K-Platinum (Vendrow et al. 2025): `answer` holds the steps and `#### N`, and
    becomes the solution."""
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


def read_gsm_symbolic(row: dict[str, Any]) -> Problem:
    """GSM-Symbolic (Mirzadeh et al. 2024), sets `main`, `p1` and `p2`: GSM8K's columns, and the GSM8K question that
    it was made from in `original_question`.

    As for GSM-Plus, `gavel.data.sources.link_seeds` later replaces `seed_question` by `seed_id`.
    """
    return {**read_gsm8k(row), "seed_question": _text(row, "original_question")}


def read_gsm_hard(row: dict[str, Any]) -> Problem:
    """GSM-Hard (Gao et al. 2022): `input` and `target`. There are no worked solutions: `code` is not read."""
    return {"question": _text(row, "input"), "gold": _gold(row.get("target"))}


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


def read_aqua(row: dict[str, Any]) -> Problem:
    """AQuA-RAT (Ling et al. 2017), multiple choice: `question`, `options` (`A)21`), `correct` (a letter), `rationale`.

    The solution is the rationale; one that states another letter, or none, gets a last line with the right one.
    """
    options = _options(row.get("options"), "options")
    problem = _choice(_text(row, "question"), options, _gold(row.get("correct"), "choice"))
    rationale, gold = row.get("rationale"), problem["gold"]
    if not isinstance(rationale, str) or not rationale.strip():
        return problem
    solution = rationale.strip()
    if choice_answers.extract(solution) != gold:
        solution = f"{solution}\n{choice_answers.TYPE.state(gold)}"
    return {**problem, "solution": solution}


def read_arc(row: dict[str, Any]) -> Problem:
    """ARC (Clark et al. 2018), published or hub rows, multiple choice: `question`, `choices` with `text` and `label`,
    `answerKey`.

    Options labelled 1, 2, ... get letters. There are no worked solutions, so SFT cannot train on these rows.
    """
    asked: Any = row.get("question")
    stem, choices = (asked, asked.get("choices")) if isinstance(asked, dict) else (row, row.get("choices"))
    # The hub's rows have columns instead of a list of options.
    if isinstance(choices, list) and all(isinstance(item, dict) for item in choices):
        choices = {key: [item.get(key) for item in choices] for key in ("text", "label")}
    columns = choices if isinstance(choices, dict) else {}
    options, labels = _options(columns.get("text"), "choices"), columns.get("label")
    if not isinstance(labels, list) or len(labels) != len(options) or row.get("answerKey") not in labels:
        raise InputError(f"'answerKey' {str(row.get('answerKey'))[:60]!r} is not a label of 'choices'")
    question = _text(stem, "stem" if isinstance(asked, dict) else "question")
    problem = _choice(question, options, choice_answers.LETTERS[labels.index(row["answerKey"])])
    return {**problem, "id": _text(row, "id")} if row.get("id") is not None else problem


def read_mmlu(row: dict[str, Any]) -> Problem:
    """MMLU (Hendrycks et al. 2021) and MMLU-Pro (Wang et al. 2024), multiple choice: `question`, `choices` or
    `options`, `answer` (a letter, or an index from 0).

    There are no worked solutions, so SFT cannot train on these rows.
    """
    field = "options" if "options" in row else "choices"
    options, answer = _options(row.get(field), field), row.get("answer")
    if isinstance(answer, int) and not isinstance(answer, bool):
        if not 0 <= answer < len(options):
            raise InputError(f"the answer {answer} is not the index of one of the {len(options)} options")
        answer = choice_answers.LETTERS[answer]
    return _choice(_text(row, "question"), options, _gold(answer, "choice"))


def read_lm_eval(row: dict[str, Any], answer_type: str = answer_types.DEFAULT) -> Problem:
    """Sample logs of lm-evaluation-harness 0.4: question in `doc`, gold answer in `target`; each question is read once.

    `target` is a number, or steps that end with `#### N`, which become the solution (`gavel.data.lm_eval`). ASDiv's
    `doc` has the story in `body`. In a log of multiple-choice questions, `target` is a letter, and the options are
    added to the question if `doc` has them as a list of texts, `choices` or `options`.
    """
    doc, target = row.get("doc"), row.get("target")
    if not isinstance(doc, dict):
        raise InputError("no object in 'doc'")
    question = _text(doc, "question")
    body = next((_text(doc, field) for field in ("body", "Body") if doc.get(field)), None)
    problem: Problem = {
        "question": question if body is None else _joined(body, question),
        "gold": lm_eval.gold(row, answer_type),
    }
    options = doc.get("choices", doc.get("options"))
    if answer_type == "choice" and isinstance(options, list):
        problem = _choice(problem["question"], _options(options, "options"), problem["gold"])
    return {**problem, "solution": target.strip() if isinstance(target, str) and "####" in target else None}


def read_rows(row: dict[str, Any], answer_type: str = answer_types.DEFAULT) -> Problem:
    """Your own rows: `question` and `answer`, and optionally `solution`, `id` and `kind`; `columns` maps other names.
    With `data.answer_type: choice`, a row may have `choices`, the options' texts, which are added to the question.

    Rows without a solution are labelled questions for RL; SFT trains on those with one. A solution without a final
    answer (`#### N` or a box) gets one from `answer`. Files written by a study have the gold answer in `gold`; their
    `answer`, if any, is the model's. Their questions show the options already, and they have no `choices`.
    """
    names = {
        field: _name(row, field) for field in ("id", "source", "kind", "seed_id") if row.get(field) not in ("", None)
    }
    if "gold" in row:
        gold = _gold(row["gold"], answer_type)
    elif isinstance(answer := row.get("answer"), str) and "####" in answer:
        raise InputError("'answer' has steps before its '#### N'; such rows need reader gsm8k")
    else:
        gold = _gold(answer, answer_type)
    solution = _lines(_text(row, "solution")) if row.get("solution") not in ("", None) else None
    if solution and "gold" not in row:
        solution = _concluded(solution, gold, answer_type)
    problem: Problem = {"question": _lines(_text(row, "question")), "gold": gold}
    if answer_type == "choice" and row.get("choices") not in ("", None):
        problem = _choice(problem["question"], _options(_list(row["choices"]), "choices"), gold)
    return cast(Problem, names | problem | {"solution": solution})


def _lines(text: str) -> str:
    """A text with Python's line breaks, not Windows'."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _list(value: object) -> object:
    """A list that a cell of a table has as JSON."""
    with suppress(ValueError):
        return json.loads(value) if isinstance(value, str) else value
    return value


def _concluded(solution: str, gold: str, answer_type: str) -> str:
    """A solution that ends with its answer. Raises `InputError` if it ends with another one."""
    kind = answer_types.find(answer_type)
    _, mark, final = solution.rpartition("####")
    if mark and kind.canonical(final.strip()) not in (gold, None):
        raise InputError(f"the solution ends with '#### {final.strip()[:60]}', but the answer is {gold}")
    stated = mark or "\\boxed" in solution or (kind.extract and kind.extract(solution) == gold)
    return solution if stated else f"{solution}\n{kind.state(gold)}"


READERS: dict[str, Callable[..., Problem]] = {
    "gsm8k": read_gsm8k,
    "gsm_plus": read_gsm_plus,
    "gsm_symbolic": read_gsm_symbolic,
    "gsm_hard": read_gsm_hard,
    "svamp": read_svamp,
    "mawps": read_mawps,
    "asdiv": read_asdiv,
    "lm_eval": read_lm_eval,
    "rows": read_rows,
    "aqua": read_aqua,
    "arc": read_arc,
    "mmlu": read_mmlu,
}
# Layouts of perturbed questions that name the question that each was made from.
PERTURBED = ("gsm_plus", "gsm_symbolic")
# Readers whose columns may have other names in a data set -> the names of those columns in their rows.
COLUMNS = {"rows": ("question", "answer", "solution", "id", "kind", "choices"), "gsm8k": ("question", "answer")}
# Layouts whose answers are not numbers -> their type, and layouts with answers of any type, whose readers get it.
ANSWER_TYPES = {"aqua": "choice", "arc": "choice", "mmlu": "choice"}
ANY_ANSWER_TYPE = ("lm_eval", "rows")
# Layouts with several rows per question -> a factory, called for each file, of functions that detect new questions.
REPEAT_FILTERS: dict[str, Callable[[], Callable[[dict[str, Any]], bool]]] = {"lm_eval": lm_eval.RepeatFilter}


def readers_for(answer_type: str) -> list[str]:
    """The readers of layouts that can have answers of a type."""
    return [name for name in READERS if name in ANY_ANSWER_TYPE or ANSWER_TYPES.get(name, "number") == answer_type]


def read_row(reader: str, row: dict[str, Any], answer_type: str) -> Problem:
    """Read a row of a layout that `readers_for` the answer type names. Raises `InputError` if it is invalid."""
    return READERS[reader](row, answer_type) if reader in ANY_ANSWER_TYPE else READERS[reader](row)


def reader_descriptions() -> str:
    """What each reader reads, for the config reference: the first paragraphs of the docstrings."""
    first = {name: (reader.__doc__ or "").partition("\n\n")[0] for name, reader in READERS.items()}
    return " ".join(f"`{name}`: {' '.join(text.split())}" for name, text in first.items())
