"""A judge's verdicts on a policy's samples of validation problems, with the truth beside them."""

from collections.abc import Callable, Iterable

from gavel import judge, models, prompts
from gavel.answers import verify
from gavel.files import read_jsonl, write_jsonl
from gavel.sampling import sample


def judge_policy(
    *,
    model: str,
    student: dict,
    judge_settings: dict,
    validation: str,
    prompt: str,
    solution_format: str,
    max_new_tokens: int,
    samples: int,
    temperature: float,
    output: str,
    progress: Callable[[Iterable], Iterable] = iter,
) -> None:
    """Sample a policy on validation problems and ask the judge about every sample.

    Writes rows `{"id", "question", "response", "correct", "judge", "off_label_mass", "truncated"}`.

    Args:
        model: checkpoint folder of the policy; `student` gives its dtype and tokens.
        judge_settings: keyword arguments of `gavel.judge.load`.
        samples: for each problem, drawn at `temperature`, which is RL's: these are the solutions that it will pay.
    """
    rows = list(read_jsonl(validation))
    template = prompts.load(prompt)
    tokenizer = models.load_tokenizer(model, **{key: student.get(key) for key in ("pad_token", "eos_token")})
    drawn = sample(
        models.load_model(model, dtype=student["dtype"]),
        tokenizer,
        [prompts.fill(template, question=row["question"]) for row in rows],
        n=samples,
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        progress=progress,
    )
    judged = [(row, s.text) for row, group in zip(rows, drawn, strict=True) for s in group]
    texts = [text for _, text in judged]
    _, correct = verify(texts, [row["answer"] for row, _ in judged], solution_format)
    verdicts = judge.load(**judge_settings).verdicts([row["question"] for row, _ in judged], texts, progress)
    write_jsonl(
        output,
        (
            {
                "id": row["id"],
                "question": row["question"],
                "response": text,
                "correct": right,
                "judge": verdict.score,
                "off_label_mass": verdict.off_label,
                "truncated": verdict.truncated,
            }
            for (row, text), right, verdict in zip(judged, correct, verdicts, strict=True)
        ),
    )
