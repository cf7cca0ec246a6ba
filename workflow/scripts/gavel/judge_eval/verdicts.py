"""A judge's verdicts on a policy's responses to validation questions, with the verifier's."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_json, write_jsonl
from gavel.common.log import info
from gavel.judge import kinds, load
from gavel.judge.single_token import SingleTokenJudge
from gavel.judge.verdict import MAX_MISSING, Judge, Verdict
from gavel.judge_eval import probes
from gavel.judge_eval.records import (
    Candidate,
    ComparisonSummaryRow,
    JudgeVerdict,
    PolicyCandidate,
    ProbeRow,
    VerdictRow,
)
from gavel.models.context import check_questions
from gavel.models.limits import Limits
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.task import Task
from gavel.solutions.answer_types import DEFAULT
from gavel.solutions.error_kinds import steps
from gavel.solutions.verifier import verify


def judge_policy(
    *,
    model: str,
    student: Student,
    task: Task,
    judge_settings: dict[str, Any],
    problems: Sequence[str],
    samples: int,
    temperature: float,
    output: str,
    probes_output: str | None = None,
    usage_output: str | None = None,
    prompt_output: str | None = None,
    reference_prompt: str | None = None,
    limits: Limits | None = None,
) -> None:
    """Sample a policy on validation questions and ask the judge about every response.

    Writes rows `gavel.judge_eval.records.VerdictRow`.

    Args:
        model: checkpoint folder of the policy; `student` holds how it is loaded.
        judge_settings: keyword arguments of `gavel.judge.load.load`.
        problems: JSONL files of validation records, unperturbed and perturbed; an empty one adds nothing.
        samples: responses to each question, at `temperature`, the same as RL's: the judge will reward such responses.
        probes_output: file for the verdicts on `gavel.judge_eval.probes` of the first file's first questions
            (`gavel.judge_eval.records.ProbeRow`); None for no probes.
        usage_output: file for the token counts `{"written", "judge"}`: written by the policy, used by the judge.
        prompt_output: JSON file for the first judging prompt as the judge reads it
            (`gavel.models.records.RenderedPrompt`).
        reference_prompt: a judging prompt with the slot `{reference}`: the judge is asked about the same responses
            again, with the gold answer, as an upper bound. For a single-token judge; None does not ask.
        limits: of generation batches, `gavel.models.limits.limits`.
    """
    files = [list(read_jsonl(path)) for path in problems]
    rows = [row for part in files for row in part]
    for path, part in zip(problems, files, strict=True):
        check_questions(part, source=path, model=model, student=student, task=task)
    policy = Policy.load(model, student, task, limits)
    groups = policy.solve([row["question"] for row in rows], task, n=samples, temperature=temperature)
    asked: list[PolicyCandidate] = [
        {"id": row["id"], "question": row["question"], "response": s.text, "gold": row["gold"]}
        | {"kind": row.get("kind"), "tokens": len(s.ids), "finished": s.finished, "steps": steps(s.text, task.format)}
        for row, group in zip(rows, groups, strict=True)
        for s in group
    ]
    judge = load.load(**judge_settings)
    bound = _with_reference(judge, reference_prompt, rows) if reference_prompt else None
    write_jsonl(output, _judged(asked, judge, task.format, task.answer_type, bound))
    if prompt_output:
        info(f"first judging prompt:\n{judge.first_prompt or 'none'}")
        write_json(prompt_output, {"prompt": judge.first_prompt} if judge.first_prompt else {})
    if probes_output:
        limit = probes.PROBLEMS_IN_PAIRS if kinds.is_comparative(judge_settings) else probes.PROBLEMS
        probe_rows = probes.build(files[0][:limit], task.format, answer_type=task.answer_type, reasoning=task.reasoning)
        write_jsonl(probes_output, _judged(probe_rows, judge, task.format, task.answer_type))
    if usage_output:
        written = sum(row["tokens"] for row in asked)
        write_json(usage_output, {"written": written, "judge": judge.usage.tokens})


def _with_reference(judge: Judge, prompt: str, rows: Sequence[dict[str, Any]]) -> Judge:
    """The judge that reads the gold answers of these questions. Raises `InputError` for another kind of judge."""
    if not isinstance(judge, SingleTokenJudge):
        raise InputError("judge.reference_prompt: only a single-token judge has one; leave it out")
    return judge.with_reference(prompt, {row["question"]: row["gold"] for row in rows})


def _judged(
    rows: Sequence[Candidate],
    judge: Judge,
    solution_format: str,
    answer_type: str = DEFAULT,
    bound: Judge | None = None,
) -> Iterator[VerdictRow | ProbeRow]:
    """The rows with the verifier's and the judge's verdicts instead of the gold answer; `bound` is asked, too."""
    responses, golds = [row["response"] for row in rows], [row["gold"] for row in rows]
    _, correct = verify(responses, golds, solution_format, answer_type)
    if lost := correct.count(None):
        info(f"{lost} of {len(rows)} responses are left out: their programs did not run", console=True)
    rows = [row for row, right in zip(rows, correct, strict=True) if right is not None]
    correct = [right for right in correct if right is not None]
    verdicts = _asked(judge, rows)
    bounds = _asked(bound, rows) if bound else [None] * len(rows)
    for row, right, verdict, other in zip(rows, correct, verdicts, bounds, strict=True):
        yield (
            {key: value for key, value in row.items() if key != "gold"}
            | {"correct": right}
            | _columns(verdict)
            | ({"reference": _columns(other)} if other else {})
        )


def _asked(judge: Judge, rows: Sequence[Candidate]) -> list[Verdict]:
    """The judge's verdicts. Raises `InputError` if too many are missing."""
    verdicts = judge.verdicts([row["question"] for row in rows], [row["response"] for row in rows])
    unanswered = sum(verdict.score is None for verdict in verdicts)
    if unanswered > MAX_MISSING * len(rows):
        raise InputError(
            f"the judge gave no answer on {unanswered} of {len(rows)} responses (the log has the reason); rerun the "
            "same command when the judge is back"
        )
    return verdicts


def _columns(verdict: Verdict) -> JudgeVerdict:
    found: JudgeVerdict = {
        "judge": verdict.score,
        "probability": verdict.probability,
        "phrasings": list(verdict.phrasings),
        "says_right": verdict.says_right,
        "off_label_mass": verdict.off_label,
        "truncated": verdict.truncated,
    }
    if verdict.compared:
        found["compared"] = cast(ComparisonSummaryRow, asdict(verdict.compared))
    return found
