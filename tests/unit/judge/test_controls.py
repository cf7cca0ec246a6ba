"""Rewards that need no judge: each against a count by hand."""

import random
from collections import Counter

import pytest

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.judge.controls import JUDGES, load
from gavel.judge.kinds import CONTROL_REWARDS
from gavel.judge.verdict import Verdict
from gavel.solutions.answers import NOT_RUN

TASK = {"format": "text", "answer_type": "number", "partial": 0.1}


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.jsonl"
    write_jsonl(path, [{"id": str(i), "question": f"q{i}", "gold": str(i)} for i in range(50)])
    return [str(path)]


def scores(name, questions, solutions, answers=()):
    verdicts = load(name, **TASK, answers=answers).verdicts(questions, solutions)
    return [verdict.score for verdict in verdicts]


def test_the_table_of_rewards_is_that_of_their_classes():
    assert JUDGES.keys() == CONTROL_REWARDS.keys()


@pytest.mark.parametrize("seed", range(30))
def test_the_majority_is_that_of_a_count(seed):
    rng = random.Random(seed)
    groups = [[rng.choice(["1", "2", "3.0", "I cannot tell"]) for _ in range(rng.choice([1, 4, 7]))] for _ in range(5)]
    wanted = []
    for group in groups:
        counts = Counter(text for text in group if text[0].isdigit())
        top = max(counts.values(), default=0)
        tied = sum(count == top for count in counts.values())
        wanted += [1 / tied if counts[text] == top and text in counts else 0.0 for text in group]
    questions = [f"q{number}" for number, group in enumerate(groups) for _ in group]
    texts = [f"The answer is {text}." if text[0].isdigit() else text for group in groups for text in group]
    assert scores("majority-vote", questions, texts) == wanted


def test_equal_numbers_are_one_answer_and_questions_vote_apart():
    questions = ["q1", "q1", "q1", "q2"]
    assert scores("majority-vote", questions, ["5.0", "5", "7", "7"]) == [1, 1, 0, 1]


def test_the_coin_is_fair_and_does_not_read():
    found = scores("coin", ["q1"] * 2000, ["1"] * 2000)
    assert abs(sum(found) / 2000 - 0.5) < 4 * 0.5 / 2000**0.5  # standard errors: a fair coin fails once in 16,000 times
    assert set(found) == {0.0, 1.0}


def test_format_pays_any_answer():
    assert scores("format", ["q1"] * 3, ["The answer is 1.", "The answer is 99.", "No idea"]) == [1, 1, 0]


def test_all_answers_pay_as_the_verifiable_reward_does(answers):
    texts = ["The answer is 7.", "The answer is 8.", "No idea"]
    assert scores("all-answers", ["q7"] * 3, texts, answers) == [1.0, 0.1, 0.0]
    assert scores("all-answers", ["unknown"], ["1"], answers) == [None]


def test_all_answers_need_the_answers_and_the_others_never_read_them(answers, monkeypatch):
    with pytest.raises(InputError, match="controls.rewards: 'all-answers' needs files with gold answers"):
        load("all-answers", **TASK, answers=[])
    monkeypatch.setattr("gavel.judge.controls.read_gold", lambda paths: pytest.fail("read the gold answers"))
    for name in JUDGES.keys() - {"all-answers"}:
        assert load(name, **TASK, answers=answers).task.gold == {}


@pytest.mark.parametrize("name", ["majority-vote", "format"])
def test_a_program_that_did_not_run_has_no_reward_and_no_vote(name, monkeypatch):
    monkeypatch.setattr("gavel.judge.controls.solutions_to_answers", lambda *_: [NOT_RUN, "1", "1"])
    one = load(name, **TASK, answers=[])
    assert one.verdicts(["q"] * 3, ["a", "b", "c"]) == [Verdict(None), Verdict(1.0), Verdict(1.0)]
