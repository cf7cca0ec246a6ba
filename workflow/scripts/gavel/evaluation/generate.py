"""Test-time generation, a step of its own over files: a new verifier or judge never costs a generation."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gavel.common.files import read_jsonl, write_jsonl
from gavel.common.log import say
from gavel.models import loading, prompts
from gavel.models.context import check_questions
from gavel.models.sampling import sample

GREEDY = -1  # the `sample` number of the greedy completion; sampled ones count from 0


def generate(
    *,
    model: str,
    student: dict,
    files: Sequence[tuple[str, str]],
    prompt: str,
    max_new_tokens: int,
    n: int,
    temperature: float,
    seed: int,
    batch_size: int,
    batch_tokens: int | None = None,
    vllm: dict | None = None,
) -> None:
    """Write one greedy completion and `n` sampled ones for each question of each file, with one checkpoint.

    Rows are `{"id", "sample", "temperature", "response", "tokens", "finished"}`, a question's together, the greedy one
    first with sample -1 and temperature 0.

    Args:
        model: checkpoint folder; `student` gives its dtype and tokens.
        files: JSONL files of records, whose answers are not read, each with the file to write for it.
        n: 0 writes the greedy completion only.
        batch_size, batch_tokens: limits of a batch, as in `gavel.models.sampling.sample`.
        vllm: sample with vLLM, with these settings (`gavel.models.vllm.VllmSampler`); it makes its own batches.
    """
    tokens = {key: student.get(key) for key in ("pad_token", "eos_token")}
    tokenizer = loading.load_tokenizer(model, **tokens)
    template = prompts.load(prompt)
    for questions, _ in files:  # before the first file is sampled
        check_questions(
            read_jsonl(questions),
            source=questions,
            model=model,
            tokenizer=tokenizer,
            prompt=prompt,
            max_new_tokens=max_new_tokens,
            limit=vllm and vllm.get("max_model_length"),
        )
    if vllm:
        from gavel.models.vllm import VllmSampler

        draw = VllmSampler(model, tokenizer, dtype=student["dtype"], settings=vllm).sample
    else:
        network = loading.load_model(model, dtype=student["dtype"])
        draw = partial(sample, network, tokenizer, batch_size=batch_size, batch_tokens=batch_tokens)
    for questions, output in files:
        rows = list(read_jsonl(questions))
        asked = [prompts.fill(template, question=row["question"]) for row in rows]
        common = {"max_new_tokens": max_new_tokens, "seed": seed}
        greedy = draw(asked, temperature=0.0, **common)
        drawn = [[] for _ in rows]
        if n:
            drawn = draw(asked, n=n, temperature=temperature, **common)
        say(f"{Path(questions).stem}: {len(rows)} questions, {1 + n} completions each")
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
