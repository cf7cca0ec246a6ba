"""The rows of an evaluation's files are what `gavel.evaluation.records` says."""

import pytest

from gavel.common.files import read_jsonl, write_jsonl
from gavel.evaluation.generate import generate
from gavel.evaluation.records import Response, ScoredSample
from gavel.evaluation.score import score
from gavel.judge import load
from gavel.models.loading import Student
from gavel.models.task import Task
from helpers import fake_results
from helpers.typed_rows import assert_typed


@pytest.mark.parametrize("judged", [False, True])
def test_responses_and_scored_samples(tiny, rows, tmp_path, judged):
    questions, responses, samples = (tmp_path / f"{name}.jsonl" for name in ("questions", "responses", "samples"))
    write_jsonl(questions, rows[:3])
    options = {"files": [(str(questions), str(responses))], "n": 2, "temperature": 1.0, "seed": 0}
    generate(model=tiny, student=Student(tiny), task=Task("solve", "program", 8), **options)
    assert_typed(read_jsonl(responses), Response)
    judge = load.load(model=tiny) if judged else None
    score(questions=str(questions), responses=str(responses), output=samples, solution_format="program", judge=judge)
    assert_typed(read_jsonl(samples), ScoredSample)
    assert all((row["judge"] is not None) == judged for row in read_jsonl(samples))


@pytest.mark.parametrize("best_of", [("score",), ("score", "elo", "knockout")])
def test_the_fake_study_has_such_samples(tmp_path, best_of):
    fake_results.build(tmp_path, {"main": 3, "plus": 8}, samples=4, algorithms=["grpo"], best_of=best_of)
    for path in tmp_path.glob("evaluation/*/*/*.jsonl"):
        assert_typed(read_jsonl(path), ScoredSample)
