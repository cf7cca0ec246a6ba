"""The examples of SFT controls, from a small policy's own samples and from reference solutions."""

import pytest

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl, write_jsonl
from gavel.judge.verdict import Judge, Verdict
from gavel.models.loading import Student
from gavel.models.policy import Policy
from gavel.models.sampling import Sample
from gavel.models.task import Task
from gavel.training import control_examples
from gavel.training.control_examples import Rollouts, write_examples
from gavel.training.rl.rollout import question_order

ROLLOUTS = Rollouts(steps=3, prompts_per_step=4, num_generations=4, labeled_fraction=0.5, temperature=1.0)
TASK = Task("solve", "program", 8)


class LongOnes(Judge):
    def verdicts(self, questions, solutions):
        return [Verdict(float(len(text) > 10)) for text in solutions]


@pytest.fixture
def files(tmp_path, rows):
    """Labelled and unlabelled questions, and the solutions that are withheld."""
    records = [{"id": str(i), "question": row["question"], "gold": row["gold"]} for i, row in enumerate(rows)]
    labeled = [row | {"program": rows[int(row["id"])]["program"]} for row in records[:10]]
    write_jsonl(tmp_path / "labeled.jsonl", labeled)
    write_jsonl(tmp_path / "unlabeled.jsonl", [row | {"gold": None} for row in records[10:40]])
    hidden = [{"id": row["id"], "gold": row["gold"], "solution": rows[int(row["id"])]["solution"]} for row in records]
    write_jsonl(tmp_path / "withheld.jsonl", hidden[10:40])
    return tmp_path


def written(files, tiny, control, seed=0, judge=None, rollouts=ROLLOUTS):
    write_examples(
        control=control,
        seed=seed,
        labeled=str(files / "labeled.jsonl"),
        unlabeled=str(files / "unlabeled.jsonl"),
        withheld=str(files / "withheld.jsonl") if control == "all-answers" else None,
        start=tiny,
        student=Student(),
        task=TASK,
        judge=judge,
        rollouts=rollouts,
        output=str(files / "examples.jsonl"),
    )
    return list(read_jsonl(files / "examples.jsonl"))


@pytest.fixture
def sampled(monkeypatch):
    """Scripted samples: the answers of each group, cycled, as finished programs unless they end with `...`."""
    asked = []

    def script(*answers):
        def solve(self, questions, task, *, n, temperature, seed):
            asked.extend(questions)
            texts = [f"def solution():\n    return {answers[i % len(answers)]}" for i in range(n)]
            return [[Sample([1], text, not text.endswith("..."), 1) for text in texts] for _ in questions]

        monkeypatch.setattr(Policy, "solve", solve)
        return asked

    return script


def test_the_questions_are_those_of_an_rl_run_in_its_order(files, tiny, sampled):
    asked = sampled("1")
    written(files, tiny, "majority-vote", seed=3)
    pools = [list(read_jsonl(files / f"{name}.jsonl")) for name in ("labeled", "unlabeled")]
    order = question_order(*pools, lam=0.5, steps=3, per_step=4, labeled_fraction=0.5, seed=3)
    assert asked == [row["question"] for row in order]


def test_the_majority_s_samples_are_kept_once_and_ties_are_left_out(files, tiny, sampled):
    sampled("1", "1", "2", "3")
    kept = written(files, tiny, "majority-vote")
    assert {row["program"] for row in kept} == {"def solution():\n    return 1"}
    assert len({(row["id"], row["program"]) for row in kept}) == len(kept)
    assert all(row["gold"] is None for row in kept)
    sampled("1", "1", "2", "2")
    with pytest.raises(InputError, match="controls.sft: 'majority-vote' leaves no example of 48 .all are rejected"):
        written(files, tiny, "majority-vote")


def test_the_judge_s_samples_are_kept_if_they_ended(files, tiny, sampled, monkeypatch):
    monkeypatch.setattr(control_examples.load, "load", lambda **settings: LongOnes())
    sampled("1", "23", "4 + ...")
    kept = written(files, tiny, "judge-accepted", judge={"model": "any"})
    assert {row["program"] for row in kept} == {f"def solution():\n    return {n}" for n in (1, 23)}


def test_all_answers_are_the_reference_solutions_of_these_questions(files, tiny, rows):
    kept = written(files, tiny, "all-answers")
    pools = [list(read_jsonl(files / f"{name}.jsonl")) for name in ("labeled", "unlabeled")]
    order = question_order(*pools, lam=0.5, steps=3, per_step=4, labeled_fraction=0.5, seed=0)
    assert [row["id"] for row in kept] == list(dict.fromkeys(row["id"] for row in order))
    assert {row["program"] for row in kept} == {rows[int(row["id"])]["program"] for row in kept}


def test_a_real_policy_is_sampled_with_its_own_seed(files, tiny, monkeypatch):
    monkeypatch.setattr(control_examples.load, "load", lambda **settings: LongOnes())
    monkeypatch.setitem(control_examples.SELECTIONS, "judge-accepted", lambda asked, texts, *_: [True] * len(texts))
    rollouts = ROLLOUTS._replace(num_generations=32)
    first, again, other = (
        written(files, tiny, "judge-accepted", seed=seed, judge={"model": "any"}, rollouts=rollouts)
        for seed in (0, 0, 1)
    )
    assert first == again != other
