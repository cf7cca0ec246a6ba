"""The pairs from which a judge teaches itself, made from unlabelled questions; `gavel.judgments` has what follows."""

from collections.abc import Callable, Iterable

from gavel import models, prompts
from gavel.answers import solutions_to_answers
from gavel.contrasts import contrasting
from gavel.errors import InputError
from gavel.files import read_jsonl, write_jsonl
from gavel.programs import NOT_RUN
from gavel.rl import reshuffled
from gavel.sampling import sample
from gavel.split_sizes import check_unlabeled


def make_pairs(
    *,
    unlabeled: str,
    iteration: int,
    policy: str,
    student: dict,
    prompt: str,
    solution_format: str,
    max_new_tokens: int,
    temperature: float,
    settings: dict,
    output: str,
    decoding: dict | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
    say: Callable[[str], object] = print,
) -> None:
    """Write an iteration's pairs (`gavel.contrasts.contrasting`), from questions that no other iteration takes.

    Args:
        unlabeled: JSONL file of records without labels.
        iteration: counted from 1.
        policy: checkpoint folder of what answers the questions; `student` gives its dtype and tokens.
        temperature: of its samples.
        settings: the config's `judge.self_taught`.
        decoding: what is decoded at a time, `gavel.batches.limits`.

    Raises:
        InputError: there are fewer unlabelled questions than all iterations take, or none is challenging.
    """
    rows, count = list(read_jsonl(unlabeled)), settings["questions"]
    check_unlabeled(settings, len(rows))
    stream = reshuffled(rows, f"self-taught-{settings['seed']}")
    rows = [next(stream) for _ in range(count * iteration)][-count:]
    template = prompts.load(prompt)
    model = models.load_model(policy, dtype=student["dtype"])
    tokenizer = models.load_tokenizer(policy, **{key: student.get(key) for key in ("pad_token", "eos_token")})
    common = {"max_new_tokens": max_new_tokens, "seed": settings["seed"], "progress": progress, **(decoding or {})}

    def answer_to(questions: Iterable[str]) -> list[str]:
        texts = [prompts.fill(template, question=question) for question in questions]
        return [group[0].text for group in sample(model, tokenizer, texts, **common)]

    texts = [prompts.fill(template, question=row["question"]) for row in rows]
    drawn = sample(model, tokenizer, texts, n=settings["policy_samples"], temperature=temperature, **common)
    answers = iter(solutions_to_answers([one.text for group in drawn for one in group], solution_format))
    samples = {row["id"]: [(one.text, next(answers)) for one in group] for row, group in zip(rows, drawn, strict=True)}
    samples = {name: [pair for pair in own if pair[1] is not NOT_RUN] for name, own in samples.items()}
    low, high = settings["agreement"]
    pairs = contrasting(
        rows,
        samples,
        answer_to,
        ways=settings["ways"],
        low=low,
        high=high,
        solution_format=solution_format,
        seed=settings["seed"] + iteration,
    )
    if not pairs:
        raise InputError(
            f"judge.self_taught: of none of {len(rows)} questions do {low:.0%} to {high:.0%} of the samples give one "
            "answer; widen judge.self_taught.agreement, or raise questions"
        )
    say(f"{len(pairs)} pairs of {len({pair['prompt'] for pair in pairs})} of {len(rows)} unlabelled questions")
    write_jsonl(output, pairs)
