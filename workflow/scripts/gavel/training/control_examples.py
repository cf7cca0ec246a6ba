"""The examples of SFT controls: the baseline's own samples that a judge or the majority accepts, or all solutions.

The questions are those of an RL run with the same seed, in its order, with as many samples of each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.common.log import info
from gavel.data.records import LabeledRecord, Record
from gavel.judge import load
from gavel.judge.verdict import Judge
from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.task import Task
from gavel.solutions.answers import NotRun
from gavel.solutions.programs import NotConvertible, convert
from gavel.solutions.verifier import solutions_to_answers
from gavel.stats.voting import majority_vote
from gavel.training.rl.rollout import PoolQuestion, question_order

TARGETS = {"program": "program", "text": "solution"}  # the key of an example's response in a labelled record


class Rollouts(NamedTuple):
    """RL's settings that determine its questions and samples.

    Attributes:
        prompts_per_step: questions per rollout.
        num_generations: samples of each question.
        labeled_fraction: of a rollout's questions.
        temperature: of the samples.
    """

    steps: int
    prompts_per_step: int
    num_generations: int
    labeled_fraction: float
    temperature: float


def write_examples(
    *,
    control: str,
    seed: int,
    labeled: str,
    unlabeled: str,
    withheld: str | None,
    start: str,
    student: Student,
    task: Task,
    judge: dict[str, Any] | None,
    rollouts: Rollouts,
    output: str,
    limits: Limits | None = None,
) -> None:
    """Write the examples as rows `{"id", "question", "gold": null, "program" or "solution"}`.

    Args:
        control: a key of `SELECTIONS`, or `all-answers`.
        withheld: for `all-answers`, JSONL file with the solutions of unlabelled questions.
        start: folder of the baseline, which is sampled.
        judge: keyword arguments of `gavel.judge.load.load`, for `judge-accepted`.

    Raises:
        InputError: no sample is accepted, or a model cannot be loaded.
    """
    files = [[cast(Record, row) for row in read_jsonl(path)] for path in (labeled, unlabeled)]
    order = question_order(
        *files,
        lam=0.0,
        steps=rollouts.steps,
        per_step=rollouts.prompts_per_step,
        labeled_fraction=rollouts.labeled_fraction,
        seed=seed,
    )
    if control == "all-answers":
        assert withheld is not None
        found = list(_solutions(order, files[0], withheld, task))
        possible = len({row["id"] for row in order})
    else:
        policy = Policy.load(start, student, task, limits)
        questions = [row["question"] for row in order]
        n = rollouts.num_generations
        groups = policy.solve(questions, task, n=n, temperature=rollouts.temperature, seed=seed)
        asked = [row for row in order for _ in range(n)]
        texts = [sample.text for group in groups for sample in group]
        loaded = load.load(**judge) if judge else None
        accepted = SELECTIONS[control](asked, texts, rollouts, task, loaded)
        finished = [sample.finished for group in groups for sample in group]
        kept = [
            (row, text)
            for row, text, good, whole in zip(asked, texts, accepted, finished, strict=True)
            if good and whole
        ]
        # Once each: a sample that the policy gives often would otherwise teach it to give nothing else.
        distinct = {(row["id"], text): row for row, text in kept}
        found = [_example(row["id"], row["question"], text, task) for (_, text), row in distinct.items()]
        possible = len(texts)
    if not found:
        raise InputError(
            f"controls.sft: {control!r} leaves no example of {possible:,} (all are rejected, or cut off at "
            "solution.max_new_tokens); leave this control out"
        )
    info(f"{control}: {len(found):,} different examples from {possible:,}", console=True)
    write_jsonl(output, found)


def _by_judge(
    asked: Sequence[PoolQuestion], texts: Sequence[str], rollouts: Rollouts, task: Task, judge: Judge | None
) -> list[bool]:
    assert judge is not None
    accepted: list[bool] = []
    size = rollouts.prompts_per_step * rollouts.num_generations
    for start in range(0, len(texts), size):  # as in RL: a step at a time
        part = slice(start, start + size)
        verdicts = judge.verdicts([row["question"] for row in asked[part]], texts[part])
        accepted += [bool(verdict.says_right) for verdict in verdicts]
    return accepted


def _by_majority(
    asked: Sequence[PoolQuestion], texts: Sequence[str], rollouts: Rollouts, task: Task, judge: Judge | None
) -> list[bool]:
    """Samples with the answer of most of their group's; none of a group with a tie."""
    answers = [
        None if isinstance(answer, NotRun) else answer
        for answer in solutions_to_answers(texts, task.format, task.answer_type)
    ]
    accepted, n = [], rollouts.num_generations
    for start in range(0, len(answers), n):
        votes = majority_vote(answers[start : start + n])
        accepted += [answer is not None and votes.get(answer) == 1 for answer in answers[start : start + n]]
    return accepted


# Control -> which samples it accepts: `(questions, responses, RL's settings, task, judge) -> flags`, `(N,)` each.
SELECTIONS: dict[str, Callable[[Sequence[PoolQuestion], Sequence[str], Rollouts, Task, Judge | None], list[bool]]] = {
    "judge-accepted": _by_judge,
    "majority-vote": _by_majority,
}


def _solutions(
    order: Sequence[PoolQuestion], labeled: Sequence[Record], withheld: str, task: Task
) -> Iterator[dict[str, Any]]:
    """The reference solutions of the different questions, in order; those without one are left out."""
    own = {row["id"]: cast(LabeledRecord, row) for row in labeled}
    hidden = {row["id"]: row for row in read_jsonl(withheld)}
    for key, row in {row["id"]: row for row in order}.items():
        text = own[key].get(TARGETS[task.format]) if key in own else _hidden(hidden.get(key), row["question"], task)
        if text:
            yield _example(key, row["question"], str(text), task)


def _hidden(row: Mapping[str, Any] | None, question: str, task: Task) -> str | None:
    if row is None or not row.get("solution"):
        return None
    if task.format == "text":
        return str(row["solution"])
    try:
        return convert(row["solution"], row["gold"], question, task.reasoning)
    except NotConvertible:
        return None


def _example(key: str, question: str, text: str, task: Task) -> dict[str, Any]:
    return {"id": key, "question": question, "gold": None, TARGETS[task.format]: text}
