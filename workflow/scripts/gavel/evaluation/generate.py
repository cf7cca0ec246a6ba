"""Generate responses to the test questions; a separate step, so that a new verifier or judge does not regenerate."""

import filecmp
from collections.abc import Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from gavel.common.files import read_jsonl, write_json, write_jsonl
from gavel.common.log import info
from gavel.data.draw import drawn
from gavel.evaluation.records import Response
from gavel.models.context import check_questions
from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.sampling import Sample
from gavel.models.task import Task, show
from gavel.models.vllm_generation import VllmPolicy, VllmSettings

GREEDY = -1  # the `sample` number of the greedy response; sampled ones count from 0


def generate(
    *,
    model: str,
    student: Student,
    task: Task,
    files: Sequence[tuple[str, str]],
    n: int,
    sampled: Sequence[int | None] = (),
    temperature: float,
    seed: int,
    limits: Limits | None = None,
    vllm: VllmSettings | None = None,
    prompt_output: str | None = None,
) -> None:
    """Write one greedy and `n` sampled responses to each question of each file, with one checkpoint.

    Rows are `gavel.evaluation.records.Response`s, grouped by question; the greedy one is first, with sample -1 and
    temperature 0.

    Args:
        model: checkpoint folder.
        student: how the checkpoint is loaded.
        files: (input, output) pairs; the input is a JSONL file of records, whose gold answers are not read.
        n: number of sampled responses; 0 writes the greedy one only.
        sampled: for each file, how many of its questions get samples, drawn by their ids (`gavel.data.draw`); None for
            all, by default for every file.
        limits: batch limits, `batch_size` and `batch_tokens` of `gavel.models.sampling.sample`.
        vllm: to sample with vLLM (`gavel.models.vllm_generation.VllmPolicy`), which makes its own batches.
        prompt_output: JSON file for the first prompt as the model reads it (`gavel.models.task.RenderedPrompt`).

    Raises:
        InputError: a question does not fit the model, or the checkpoint cannot be loaded.
    """
    for questions, _ in files:  # all files, before the first is sampled
        check_questions(
            read_jsonl(questions),
            source=questions,
            model=model,
            student=student,
            task=task,
            limit=vllm.max_model_length if vllm else None,
        )
    policy: Policy | VllmPolicy = (
        VllmPolicy(model, student, task, vllm) if vllm else Policy.load(model, student, task, limits)
    )
    if prompt_output:
        first = [row["question"] for questions, _ in files for row in islice(read_jsonl(questions), 1)][:1]
        ids = task.encode(task.prompts(first, policy.tokenizer), policy.tokenizer)
        write_json(prompt_output, show("evaluation prompt", policy.tokenizer, *ids) if ids else {})
    for (questions, output), number in zip_longest(files, sampled):
        rows = list(read_jsonl(questions))
        chosen = {row["id"] for row in rows} if number is None else drawn((row["id"] for row in rows), number)
        responses: dict[str, list[Sample]] = {}
        for several in (True, False):
            part = [row for row in rows if (n > 0 and row["id"] in chosen) == several]
            drawing: dict[str, Any] = {"n": n, "temperature": temperature, "greedy": True} if several else {}
            found = policy.solve([row["question"] for row in part], task, **drawing, seed=seed) if part else []
            responses |= dict(zip((row["id"] for row in part), found, strict=True))
        counted = f", {n} samples for {len(chosen)} of them" if n and chosen else ""
        info(f"{Path(questions).stem}: {len(rows)} questions, a greedy response to each{counted}")
        write_jsonl(
            output,
            (
                _response(row["id"], number, completion, 0.0 if number == GREEDY else temperature)
                for row in rows
                for number, completion in enumerate(responses[row["id"]], start=GREEDY)
            ),
        )


def is_copy(checkpoint: str, other: str) -> bool:
    """Whether two checkpoint folders have the same files."""
    names = [sorted(path.name for path in Path(folder).iterdir()) for folder in (checkpoint, other)]
    return names[0] == names[1] and filecmp.cmpfiles(checkpoint, other, names[0], shallow=False)[0] == names[0]


def write_greedy(responses: str, output: str) -> None:
    """Write the greedy responses of a file that `generate` wrote, as it would have with `n` 0."""
    write_jsonl(output, (row for row in read_jsonl(responses) if row["sample"] == GREEDY))


def _response(question: str, number: int, response: Sample, temperature: float) -> Response:
    return {
        "id": question,
        "sample": number,
        "temperature": temperature,
        "response": response.text,
        "tokens": len(response.ids),
        "finished": response.finished,
    }
