"""What a validation finds: by a judge of single solutions, and by one that compares with the SFT policy's samples."""

import csv

import pytest

from gavel.data.draw import in_drawn_order
from gavel.data.validation_samples import QUESTIONS, ValidationStore, read_validation_samples
from gavel.judge.verdict import Judge, Verdict
from gavel.models.sampling import Sample
from gavel.models.task import Task
from gavel.training import monitor
from gavel.training.monitor import Monitor
from gavel.training.rl import validation_actions
from helpers.small_run import small_run

ROWS = [{"id": f"v{i}", "question": f"What is {i}?", "gold": str(i)} for i in range(4)]


class Longest(Judge):
    """Scores a solution by its length; says nothing of an empty one."""

    def verdicts(self, questions, solutions):
        return [Verdict(min(1.0, len(text) / 10) if text else None) for text in solutions]


class LongestOfTwo(Longest):
    """Prefers the longer one of a group of two."""

    def __init__(self):
        self.asked = []

    def verdicts(self, questions, solutions):
        assert questions[::2] == questions[1::2]
        self.asked += zip(solutions[::2], solutions[1::2], strict=True)
        rates = [(len(a) > len(b)) + 0.5 * (len(a) == len(b)) for a, b in self.asked[-len(solutions) // 2 :]]
        return [
            Verdict(one) if text else Verdict(None)
            for rate, text in zip(rates, solutions[::2], strict=True)
            for one in (rate, 1 - rate)
        ]


@pytest.fixture
def policy(monkeypatch):
    """Policies are lists of texts, one a question."""

    class Said:
        def __init__(self, model, tokenizer, limits):
            self.texts = model

        def solve(self, questions, task, greedy=False, **options):
            return [[Sample(ids=[1], text=text, finished=True, read=1)] * (1 + greedy) for text in self.texts]

    monkeypatch.setattr(monitor, "Policy", Said)
    monkeypatch.setattr(monitor, "entropy_and_kl", lambda *arguments, **options: (1.0, None))

    class Tokenizer:
        pad_token_id = 0

        def __call__(self, texts, add_special_tokens=True):
            return {"input_ids": [[1]] * len(texts)}

    return Tokenizer()


def monitor_with(judge):
    return Monitor(ROWS, Task("solve", "text", 4), judge=judge)


def test_a_judge_of_single_solutions_is_held_against_accuracy(policy):
    found = monitor_with(Longest())(["#### 0", "#### 1", "#### 99999", ""], policy, 0)
    assert found["accuracy"] == 0.5 and found["unparsable"] == 0.25
    assert found["judge"] == pytest.approx((0.6 + 0.6 + 1.0) / 3)  # of those that it scored
    assert found["judge_wrong"] == pytest.approx(1 / 3)
    assert found["gap"] == pytest.approx(found["judge"] - 0.5)
    assert "true_win_rate" not in found


def test_a_judge_that_compares_is_held_against_the_true_win_rate(policy):
    judge = LongestOfTwo()
    validate = monitor_with(judge)
    sft = ["#### 0", "#### 1", "#### 7", "#### 7"]  # two right
    validate.set_opponents(sft, policy)
    begun = validate(sft, policy, 0)
    assert {begun["judge"], begun["true_win_rate"]} == {0.5} and begun["gap"] == begun["judge_wrong"] == 0
    # A longer wrong one for a right one, a longer right one for a wrong one, and two of the same.
    found = validate(["#### 12345", "#### 1", "#### 2.0", "#### 7"], policy, 5)
    assert judge.asked[4] == ("#### 12345", "#### 0")
    assert found["accuracy"] == 0.5
    assert found["judge"] == (1 + 0.5 + 1 + 0.5) / 4
    assert found["true_win_rate"] == (0 + 0.5 + 1 + 0.5) / 4
    assert found["gap"] == 0.25 and found["judge_wrong"] == 0.25


def test_a_win_is_a_win_however_narrow(policy):
    """A judge whose two orders contradict each other stays near 0.5, and may still prefer what is right."""
    judge = LongestOfTwo()
    narrow = judge.verdicts

    def verdicts(questions, solutions):
        return [Verdict(0.5 + (one.score - 0.5) / 50) for one in narrow(questions, solutions)]

    judge.verdicts = verdicts
    validate = monitor_with(judge)
    validate.set_opponents(["#### 0", "#### 9", "#### 9", "#### 9"], policy)
    found = validate(["#### 12345", "#### 1", "#### 9", "#### 99"], policy, 5)
    assert found["judge"] == (1 + 0.5 + 0.5 + 1) / 4 and found["true_win_rate"] == (0 + 1 + 0.5 + 0.5) / 4
    assert found["judge_wrong"] == 0.25


def test_what_the_judge_did_not_answer_is_in_neither_rate(policy):
    validate = monitor_with(LongestOfTwo())
    validate.set_opponents(["#### 0", "#### 9", "#### 9", "#### 9"], policy)
    found = validate(["", "#### 1", "", ""], policy, 5)
    assert (found["judge"], found["true_win_rate"]) == (0.5, 1.0)
    silent = validate([""] * 4, policy, 10)
    assert "accuracy" in silent and not {"judge", "gap", "judge_wrong", "true_win_rate"} & set(silent)


def test_a_run_under_a_judge_that_compares_begins_level_with_sft_and_may_act(tiny, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(validation_actions, "has_collapsed", lambda validations, *rules: len(validations) == 3)
    judge = {"model": tiny, "cache": "off", "kind": "pairwise", "labels": [" Yes", " No"]}
    watched = {"on_collapse": "stop", "reference": False, "questions": 4}
    summary = small_run(tmp_path, tiny, rows, judge=judge, validation=watched)
    assert summary["ended"] == {"step": 2, "action": "stop"}
    with open(tmp_path / "out" / "monitor.csv", newline="") as handle:
        validations = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(handle)]
    begun = validations[0]
    assert (begun["judge"], begun["true_win_rate"], begun["gap"]) == (0.5, 0.5, 0)
    assert begun["judge_tokens"] == 0  # equal samples are not asked about
    assert all("judge" in row and "kl" not in row for row in validations)
    assert validations[-1]["judge_tokens"] > 0


def test_judges_that_watch_learn_which_responses_the_judge_accepts(policy):
    seen = []

    def watch(questions, responses, accepted):
        seen.append((questions, responses, accepted))
        return {"watch_other": 0.5}

    responses = ["#### 0", "1", "#### 99999", ""]
    found = Monitor(ROWS, Task("solve", "text", 4), judge=Longest(), watch=watch)(responses, policy, 0)
    assert found["watch_other"] == 0.5
    assert seen == [([row["question"] for row in ROWS], responses, [True, False, True, None])]
    validate = Monitor(ROWS, Task("solve", "text", 4), judge=LongestOfTwo(), watch=watch)
    validate.set_opponents(["#### 0"] * 4, policy)
    assert validate(responses, policy, 0)["watch_other"] == 0.5
    assert seen[1][2] == [None] * 4  # preferring a response to another is not accepting it


def test_samples_are_kept_with_what_judge_and_verifier_said(policy, tmp_path):
    store, responses = ValidationStore(tmp_path / "state"), ["#### 0", "1", "#### 99999", ""]
    validate = Monitor(ROWS, Task("solve", "text", 4), judge=Longest(), store=store)
    plain = monitor_with(Longest())
    for step in (0, 10):
        assert validate(responses, policy, step) == plain(responses, policy, step)
    store.merge(tmp_path)
    rows = list(read_validation_samples(tmp_path))
    assert [row["step"] for row in rows] == [0] * 4 + [10] * 4
    said = {row["id"]: (row["response"], row["judge"], row["correct"]) for row in rows}
    assert said == {
        "v0": ("#### 0", 0.6, True),
        "v1": ("1", 0.1, True),
        "v2": ("#### 99999", 1.0, False),
        "v3": ("", None, False),
    }
    assert {(row["tokens"], row["finished"]) for row in rows} == {(1, True)}


def test_of_a_judge_that_compares_the_win_rate_is_kept(policy, tmp_path):
    store = ValidationStore(tmp_path / "state")
    validate = Monitor(ROWS, Task("solve", "text", 4), judge=LongestOfTwo(), store=store)
    validate.set_opponents(["#### 0"] * 4, policy)
    validate(["#### 12345", "#### 1", "1", ""], policy, 0)
    store.merge(tmp_path)
    kept = {row["id"]: row["judge"] for row in read_validation_samples(tmp_path)}
    assert kept == {"v0": 1.0, "v1": 0.5, "v2": 0.0, "v3": None}


def test_a_fixed_number_of_questions_is_kept(policy, tmp_path):
    many = [{"id": f"v{i}", "question": f"What is {i}?", "gold": str(i)} for i in range(QUESTIONS + 20)]
    store = ValidationStore(tmp_path / "state")
    Monitor(many, Task("solve", "text", 4), judge=Longest(), store=store)(["#### 1"] * len(many), policy, 0)
    store.merge(tmp_path)
    kept = [row["id"] for row in read_validation_samples(tmp_path)]
    assert kept == in_drawn_order(row["id"] for row in many)[:QUESTIONS]
