"""Does every question fit the model that is to answer it? Asked before anything trains or samples.

Beyond the positions that a model was made for, some architectures fail in the middle of a run and others write nonsense
without a word, so a prompt with its budget of new tokens must fit. Judging prompts are cut instead, and counted
(`gavel.judge.backends.local`).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl
from gavel.models import loading
from gavel.models.task import Task

AT_A_TIME = 1000  # texts tokenised at once: memory stays flat


def check_questions(
    rows: Iterable[Mapping[str, Any]],
    *,
    source: str,
    model: str,
    student: loading.Student,
    task: Task,
    solutions: Sequence[str] = (),
    limit: int | None = None,
) -> None:
    """Raises `InputError`, which names the first row and the model, where a prompt and its completion do not fit.

    Args:
        rows: records with `id` and `question`.
        source: the file that they come from, one a line.
        model: folder, whose config.json says what fits; all models of a study's jobs are in one.
        student: how the model's tokenizer is loaded.
        task: whose prompt is asked, and whose `max_new_tokens` are the room for a completion.
        solutions: for each row, what is trained on after the prompt; it must fit too.
        limit: of the program that runs the model, where that is lower (`max_model_length` of vLLM).
    """
    context = _context(model)
    longest = min((length for length in (context, limit) if length is not None), default=None)
    if longest is None:
        return
    rows = list(rows)
    tokenizer = student.load_tokenizer(model)
    asked = _lengths(tokenizer, task.prompts(row["question"] for row in rows))
    room = [task.max_new_tokens] * len(rows)
    if solutions:
        # And the end token after a solution.
        room = [max(task.max_new_tokens, length + 1) for length in _lengths(tokenizer, solutions, special=False)]
    over = [i for i, (read, written) in enumerate(zip(asked, room, strict=True)) if read + written > longest]
    if not over:
        return
    i = over[0]
    what = "solution.max_new_tokens" if room[i] == task.max_new_tokens else "its solution"
    whose = "the context" if longest == context else "vLLM's max_model_length"
    raise InputError(
        f"{source}:{i + 1}: row {rows[i].get('id', i + 1)} does not fit the model {model!r}: its prompt has {asked[i]} "
        f"tokens, with {room[i]} of {what} that is {asked[i] + room[i]}, and {whose} is {longest}"
        f"{f' ({len(over) - 1} more rows do not fit)' if len(over) > 1 else ''}; leave the row out, lower "
        "solution.max_new_tokens, or take a model with a longer context"
    )


def check_texts(
    texts: Sequence[tuple[str, str]], *, source: str, model: str, tokenizer: PreTrainedTokenizerBase, room: int = 0
) -> None:
    """As `check_questions`, of (id, text) pairs that a judge is trained on, with so many new tokens after each."""
    longest = _context(model)
    if longest is None:
        return
    for (name, _), length in zip(texts, _lengths(tokenizer, [text for _, text in texts]), strict=True):
        if length + room > longest:
            raise InputError(
                f"{source}: row {name} does not fit the judge {model!r}: it has {length} tokens, with {room} new ones "
                f"that is {length + room}, and the context is {longest}; shorten the judging prompt or "
                "judge.reasoning.max_new_tokens, or take a judge with a longer context"
            )


def check_files(study: Mapping[str, Any], files: Iterable[str], model: str) -> None:
    """`check_questions` of a study's data files, where its student is here already; one made from scratch is not.

    Args:
        study: the resolved config.
        model: the student's folder.

    Raises:
        InputError: a row does not fit, or the model cannot be loaded.
    """
    if not Path(model).is_dir():
        return
    vllm = study["evaluation"]["vllm"]
    student = loading.Student(**{key: study["student"][key] for key in ("pad_token", "eos_token")})
    task = Task.of(study["solution"])
    for path in files:
        check_questions(
            read_jsonl(path),
            source=str(path),
            model=model,
            student=student,
            task=task,
            limit=vllm["max_model_length"] if vllm and Path(path).parent.name == "test" else None,
        )


def _context(model: str) -> int | None:
    return loading.context_of(model) if Path(model).is_dir() else None


def _lengths(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], special: bool = True) -> list[int]:
    found: list[int] = []
    for start in range(0, len(texts), AT_A_TIME):
        part = list(texts[start : start + AT_A_TIME])
        found += map(len, tokenizer(part, add_special_tokens=special)["input_ids"])
    return found
