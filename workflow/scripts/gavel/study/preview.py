"""What a study reads, asks and needs, gathered in seconds and without training: for `gavel check`."""

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gavel.common.files import read_json, read_jsonl
from gavel.common.paths import is_gguf
from gavel.data.hub import download
from gavel.data.prepare import prepare
from gavel.judge.kinds import KINDS
from gavel.judge.prompting import apply_template, label_tokens, phrasings, render
from gavel.models.gguf import read_header
from gavel.models.task import Task
from gavel.study import layout, params
from gavel.study.cost.sizes import size_of
from gavel.study.layout import DataFiles

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROWS = 2  # of each split


@dataclass(frozen=True)
class Row:
    """A row of a split.

    Attributes:
        question: its text.
        gold: the gold answer; None for an unlabelled question.
        target: what SFT trains on, a program or a text; None where it does not train on the row.
    """

    question: str
    gold: str | None
    target: str | None


@dataclass(frozen=True)
class Splits:
    """The splits of a study.

    Attributes:
        counts: rows of each split.
        rows: the first `ROWS` of each.
        solved: labelled questions that SFT can train on.
        too_long: of these, those whose solution has more tokens than a response may have; 0 if the student's tokenizer
            is not here.
        longest: tokens of the longest solution.
        notes: what became of the training questions, as in `splits.json`.
    """

    counts: dict[str, int]
    rows: dict[str, list[Row]]
    solved: int
    too_long: int
    longest: int
    notes: dict[str, Any]


def fetched(study: dict[str, Any]) -> dict[str, Any]:
    """The study with everything from the hub downloaded into the hub library's cache, as local paths.

    Raises:
        InputError: as `gavel.data.hub.download`.
    """
    study = copy.deepcopy(study)
    for what, wanted in layout.hub(study).items():
        section = _section(study, what)
        name = "path" if wanted["kind"] == "dataset" else "model"
        key = f"{what.replace('data/', 'data.')}.{name}"
        place = download(**wanted, key=key)
        section |= {name: str(place / wanted["file"]) if "file" in wanted else str(place), "revision": None}
        if "file" in wanted:
            section["gguf_file"] = None
    return study


def _section(study: dict[str, Any], what: str) -> dict[str, Any]:
    section: dict[str, Any] = study
    for key in what.replace("data/", "data.").split("."):
        section = section[key]
    return section


def missing_data(study: dict[str, Any]) -> list[str]:
    """The config keys of the data sets that are on the hub."""
    return [what.replace("data/", "data.") for what in layout.hub(study) if what.startswith("data/")]


def splits(study: dict[str, Any], root: Path) -> Splits:
    """Make the study's splits, as its data job does, and check them.

    Args:
        study: the resolved config; its data are local.
        root: for a folder of the splits, which studies with the same data share.

    Raises:
        InputError: a source cannot be read, or the splits do not suffice (`gavel.study.check_data.check_splits`).
    """
    from gavel.study.check_data import check_splits  # takes seconds to import

    solution = study["solution"]
    wanted = layout.data(study) | {"solution_format": solution["format"], "reasoning": solution["reasoning"]}
    folder = root / hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    files = DataFiles(str(folder))
    summary = read_json(files.splits) if Path(files.splits).exists() else prepare(**wanted, output=folder)
    student = layout.readable_model(study, "student")
    check_splits(study, summary, files, _context(student) if student and is_gguf(student) else None)
    paths = {"labeled": files.labeled, "unlabeled": files.unlabeled, "validation": files.validation}
    paths |= {f"test/{name}": files.test(name) for name in study["data"]["tests"]}
    trained = {"program": "program", "text": "solution"}[solution["format"]] if study["sft"] else ""
    rows = {
        name: [
            Row(row["question"], row.get("gold"), (row.get(trained) or None) if name == "labeled" else None)
            for row in islice(read_jsonl(path), ROWS)
        ]
        for name, path in paths.items()
    }
    solved = summary["notes"]["solutions"]["labeled"]
    lengths = _solution_lengths(study, files.labeled, trained) if trained else []
    too_long = sum(length > solution["max_new_tokens"] for length in lengths)
    return Splits(summary["counts"], rows, solved, too_long, max(lengths, default=0), summary["notes"])


def _solution_lengths(study: dict[str, Any], labeled: str, field: str) -> list[int]:
    """Tokens of the solutions that SFT trains on; none if the student's tokenizer is not here."""
    tokenizer = _tokenizer(study, "student")
    if tokenizer is None:
        return []
    from gavel.models.context import solution_lengths  # takes seconds to import

    return solution_lengths(tokenizer, [row[field] for row in read_jsonl(labeled) if row.get(field)])


@dataclass(frozen=True)
class Model:
    """A model that is here.

    Attributes:
        parameters: number of weights.
        context: its longest text in tokens; None if it has no limit.
        end, pad: its end and padding token.
    """

    parameters: float
    context: int | None
    end: str
    pad: str


def model(study: dict[str, Any], which: str) -> Model | None:
    """What the student or the judge is; None if it is not here, or a server has it.

    Raises:
        InputError: it cannot be read.
    """
    place = None if which == "judge" and study["judge"]["server"] else layout.readable_model(study, which)
    tokenizer = _tokenizer(study, which) if place else None
    if place is None or tokenizer is None:
        return None
    size = size_of(place, f"{which}.model")
    return Model(size.parameters, _context(place), str(tokenizer.eos_token), str(tokenizer.pad_token))


def _context(place: str) -> int | None:
    """The context length of a model folder or GGUF file; None if it has no limit."""
    if is_gguf(place):
        length = read_header(place, "student.model").value("context_length")
        return None if length is None else int(length)
    from gavel.models.context import context_length  # takes seconds to import

    return context_length(place)


@dataclass(frozen=True)
class Prompt:
    """A prompt as a model reads it.

    Attributes:
        text: None if the model's chat template is not here yet.
        labels: of a judging prompt: label word -> token id; empty if the judge's tokenizer is not here.
    """

    text: str | None
    labels: dict[str, int]


def solving_prompt(study: dict[str, Any], question: str) -> Prompt:
    """What the student reads. Raises `InputError` if its tokenizer, prompt or chat template does not work."""
    task = Task.from_config(params.solution(study))
    tokenizer = _tokenizer(study, "student")
    if tokenizer is None and task.chat:
        return Prompt(None, {})
    return Prompt(task.prompts([question], cast("PreTrainedTokenizerBase", tokenizer))[0], {})


def judging_prompt(study: dict[str, Any], question: str, solutions: Sequence[str]) -> Prompt | None:
    """What the judge reads about a question and one solution, or two; None for a judge without judging prompts.

    Raises:
        InputError: its tokenizer, prompt or chat template does not work, or a label is not one token.
    """
    settings = params.judge(study)
    slots = KINDS[settings["kind"]].slots
    if not slots:
        return None
    arguments = (settings["prompt"], settings["labels"], settings["swap_labels"], slots, bool(settings["reasoning"]))
    others = [slot for slot in slots if slot != "question"]
    values = {"question": question} | dict(zip(others, solutions, strict=False))
    asked = render(phrasings(*arguments)[0], **values)
    tokenizer = None if settings["server"] else _tokenizer(study, "judge")
    if tokenizer is None:
        whole = asked if isinstance(asked, str) else "".join(asked)
        return Prompt(None if settings["chat"] else whole, {})
    text = apply_template(tokenizer, asked, settings["chat"], settings["chat_template_kwargs"])
    ids = label_tokens(tokenizer, text, settings["labels"], special=not settings["chat"])
    return Prompt(text, dict(zip(settings["labels"], ids, strict=True)))


def _tokenizer(study: dict[str, Any], which: str) -> "PreTrainedTokenizerBase | None":
    """None for a model that a rule makes or downloads."""
    place = layout.readable_model(study, which)
    if place is None:
        return None
    from gavel.models.loading import Student, load_tokenizer  # takes seconds to import

    tokens = {key: study[which][key] for key in ("pad_token", "eos_token")}
    if which == "student":
        return Task.from_config(params.solution(study)).load_tokenizer(Student(model=place, **tokens), place)
    return load_tokenizer(place, key="judge.model", **tokens)
