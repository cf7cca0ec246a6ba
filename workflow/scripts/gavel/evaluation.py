"""Test-time generation and scoring, as two steps over files: a new verifier or judge never costs a generation."""

from collections.abc import Callable, Iterable
from pathlib import Path

from gavel import models, prompts
from gavel.files import read_jsonl, write_jsonl
from gavel.sampling import sample

GREEDY = -1  # the `sample` number of the greedy completion; sampled ones count from 0


def generate(
    *,
    model: str,
    student: dict,
    questions: str,
    output: str | Path,
    prompt: str,
    max_new_tokens: int,
    n: int,
    temperature: float,
    seed: int,
    batch_size: int,
    batch_tokens: int | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> None:
    """Write one greedy completion and `n` sampled ones for each question.

    Rows are `{"id", "sample", "temperature", "response", "tokens", "finished"}`, a question's together, the greedy one
    first with sample -1 and temperature 0.

    Args:
        model: checkpoint folder; `student` gives its dtype and tokens.
        questions: JSONL file of records; their answers are not read.
        n: 0 writes the greedy completion only.
        batch_size, batch_tokens: limits of a batch, as in `gavel.sampling.sample`.
    """
    tokens = {key: student.get(key) for key in ("pad_token", "eos_token")}
    tokenizer = models.load_tokenizer(model, **tokens)
    network = models.load_model(model, dtype=student["dtype"])
    rows = list(read_jsonl(questions))
    template = prompts.load(prompt)
    asked = [prompts.fill(template, question=row["question"]) for row in rows]
    common = {"max_new_tokens": max_new_tokens, "seed": seed, "progress": progress}
    common |= {"batch_size": batch_size, "batch_tokens": batch_tokens}
    greedy = sample(network, tokenizer, asked, temperature=0.0, **common)
    drawn = sample(network, tokenizer, asked, n=n, temperature=temperature, **common) if n else [[] for _ in rows]
    write_jsonl(
        output,
        (
            {
                "id": row["id"],
                "sample": number,
                "temperature": 0.0 if number == GREEDY else temperature,
                "response": completion.text,
                "tokens": len(completion.ids),
                "finished": completion.finished,
            }
            for row, first, others in zip(rows, greedy, drawn, strict=True)
            for number, completion in enumerate([*first, *others], start=GREEDY)
        ),
    )
