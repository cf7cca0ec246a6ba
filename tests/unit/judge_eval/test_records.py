"""The rows of what is measured of a judge are what `gavel.judge_eval.records` says."""

import pytest

from gavel.common.files import read_jsonl, write_jsonl
from gavel.judge import load
from gavel.judge_eval.benchmark import ask
from gavel.judge_eval.records import PairAnswer, ProbeRow, VerdictRow
from gavel.judge_eval.verdicts import judge_policy
from gavel.models.loading import Student
from gavel.models.task import Task
from helpers import fake_results
from helpers.typed_rows import assert_typed

KINDS = {"single-token": {}, "pairwise": {"kind": "pairwise", "labels": [" Yes", " No"]}}


@pytest.mark.parametrize("kind", KINDS)
def test_verdicts_and_probes(tiny, rows, tmp_path, kind):
    problems, verdicts, probes = (tmp_path / f"{name}.jsonl" for name in ("problems", "verdicts", "probes"))
    write_jsonl(problems, rows[:3])
    judge_policy(
        model=tiny,
        student=Student(tiny),
        task=Task("solve", "program", 8),
        judge_settings={"model": tiny, **KINDS[kind]},
        problems=[str(problems)],
        samples=2,
        temperature=1.0,
        output=str(verdicts),
        probes_output=str(probes),
    )
    assert_typed(read_jsonl(verdicts), VerdictRow)
    assert_typed(read_jsonl(probes), ProbeRow)
    assert all(("compared" in row) == (kind == "pairwise") for row in read_jsonl(verdicts))


@pytest.mark.parametrize("kind", KINDS)
def test_answers_on_pairs(tiny, rows, kind):
    items = [{"id": row["id"], "prompt": row["question"], "chosen": "1", "rejected": "2"} for row in rows[:3]]
    answers, _ = ask(load.load(model=tiny, **KINDS[kind]), items)
    assert_typed(answers, PairAnswer)
    assert all(("first" in row) == (kind == "pairwise") for row in answers)


def test_the_fake_study_has_such_verdicts(tmp_path):
    fake_results.build(tmp_path, {"main": 3}, samples=4, algorithms=["grpo"])
    for path in (tmp_path / "judge/calibration.jsonl", *tmp_path.glob("judge/runs/*.jsonl")):
        assert_typed(read_jsonl(path), VerdictRow)
