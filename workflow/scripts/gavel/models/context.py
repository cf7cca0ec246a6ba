"""Check before training or sampling that every question fits the model's context.

Past their maximum position, some architectures fail in the middle of a run and others silently write nonsense. So each
prompt plus its maximum number of new tokens must fit. Judging prompts are truncated instead, and counted
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

BATCH_SIZE = 1000  # texts tokenised at once, to limit memory
SHOWN = 60  # characters of a question in a message


def check_questions(
    rows: Iterable[Mapping[str, Any]],
    *,
    source: str,
    model: str,
    student: loading.Student,
    task: Task,
    solutions: Sequence[str] = (),
    limit: int | None = None,
    context: int | None = None,
) -> None:
    """Check that each prompt and its response fit the model's context.

    Args:
        rows: records with `id` and `question`.
        source: their file, with one row per line.
        model: model folder, whose config.json gives the context length, or a GGUF file before it is converted.
        student: how the model's tokenizer is loaded.
        task: its prompt is used, and its `max_new_tokens` are reserved for the response.
        solutions: for each row, the text trained on after the prompt, which must fit too.
        limit: the inference engine's own limit, if lower (`max_model_length` of vLLM).
        context: the context length that a GGUF file gives.

    Raises:
        InputError: a row does not fit; names the first one and the model. The prompt cannot be made
            (`gavel.models.task.Task.check`).
    """
    context = context or context_length(model)
    maximum = min((length for length in (context, limit) if length is not None), default=None)
    if maximum is None:
        return
    rows = list(rows)
    tokenizer = task.load_tokenizer(student, model)
    asked = task.prompts((row["question"] for row in rows), tokenizer)
    lengths = _lengths(tokenizer, asked, special=task.special_tokens)
    room = [task.max_new_tokens] * len(rows)
    if solutions:
        # The solution and an end token.
        room = [max(task.max_new_tokens, length) for length in solution_lengths(tokenizer, solutions)]
    too_long = [i for i, (read, written) in enumerate(zip(lengths, room, strict=True)) if read + written > maximum]
    if not too_long:
        return
    if task.max_new_tokens >= maximum:
        raise InputError(
            f"solution.max_new_tokens: is {task.max_new_tokens}, but {_limit_name(maximum, context)} of {model!r} is "
            f"{maximum}, which the prompt must fit too; lower it"
        )
    i = too_long[0]
    budget = "solution.max_new_tokens" if room[i] == task.max_new_tokens else "its solution"
    raise InputError(
        f"{source}:{i + 1}: row {rows[i].get('id', i + 1)} does not fit the model {model!r}: its prompt has "
        f"{lengths[i]} tokens, {budget} adds {room[i]} ({lengths[i] + room[i]} in all), but "
        f"{_limit_name(maximum, context)} is {maximum}"
        f"{f' ({len(too_long) - 1} more rows do not fit)' if len(too_long) > 1 else ''}; remove the row, lower "
        "solution.max_new_tokens, or use a model with a longer context (question: "
        f"{rows[i]['question'][:SHOWN]!r})"
    )


def check_texts(
    texts: Sequence[tuple[str, str]], *, source: str, model: str, tokenizer: PreTrainedTokenizerBase, room: int = 0
) -> None:
    """As `check_questions`, for (id, text) pairs that a judge is trained on, with `room` new tokens after each."""
    maximum = context_length(model)
    if maximum is None:
        return
    for (name, _), length in zip(texts, _lengths(tokenizer, [text for _, text in texts]), strict=True):
        if length + room > maximum:
            raise InputError(
                f"{source}: row {name} does not fit the judge {model!r}: {length} tokens and up to {room} new ones "
                f"({length + room} in all), but the context is {maximum}; shorten the judging prompt or "
                "judge.reasoning.max_new_tokens, or use a judge with a longer context"
            )


def check_files(study: Mapping[str, Any], files: Iterable[str], model: str, context: int | None = None) -> None:
    """Run `check_questions` on a study's data files if its student is there; one trained from scratch is not.

    Args:
        study: the resolved config.
        model: the student's folder, or the GGUF file that it is made from.
        context: the context length that a GGUF file gives.

    Raises:
        InputError: a row does not fit, or the model cannot be loaded.
    """
    if not Path(model).exists():
        return
    vllm = study["evaluation"]["vllm"]
    student = loading.Student(**{key: study["student"][key] for key in ("pad_token", "eos_token")})
    task = Task.from_config(study["solution"] | {"answer_type": study["data"]["answer_type"]})
    for path in files:
        check_questions(
            read_jsonl(path),
            source=str(path),
            model=model,
            student=student,
            task=task,
            limit=vllm["max_model_length"] if vllm and Path(path).parent.name == "test" else None,
            context=context,
        )


def solution_lengths(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Tokens of the responses that SFT trains on, each with its end token."""
    return [length + 1 for length in _lengths(tokenizer, texts, special=False)]


def context_length(model: str) -> int | None:
    """The longest text of a model folder, in tokens; None if it has no limit, or is not here."""
    return loading.context_of(model) if Path(model).is_dir() else None


def _limit_name(maximum: int, context: int | None) -> str:
    return "the context" if maximum == context else "vLLM's max_model_length"


def _lengths(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], special: bool = True) -> list[int]:
    lengths: list[int] = []
    for start in range(0, len(texts), BATCH_SIZE):
        part = list(texts[start : start + BATCH_SIZE])
        lengths += map(len, tokenizer(part, add_special_tokens=special)["input_ids"])
    return lengths
