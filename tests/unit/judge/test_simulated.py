"""The simulated judge: its errors are what was set, once or each time; its biases are the text's."""

from typing import get_args

import pytest

from gavel.common.errors import InputError
from gavel.common.files import write_jsonl
from gavel.data.gold import read_gold
from gavel.judge.load import load
from gavel.judge.simulated import BIASES
from gavel.judge.verdict import Verdict
from gavel.stats.intervals import wilson
from gavel.study.schema.judge_kinds import SimulatedBias

SETTINGS = {"tpr": 0.8, "fpr": 0.3, "errors": "once", "noise": 0.0, "seed": 0, "bias": None, "weight": 1.0}
TASK = {"format": "text", "answer_type": "number"}


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.jsonl"
    write_jsonl(path, [{"id": str(i), "question": f"q{i}", "gold": str(i)} for i in range(2000)])
    return str(path)


def judge(answers, **changes):
    return load(kind="simulated", simulated=SETTINGS | TASK | changes, answers=[answers])


def asked(count=2000):
    """A correct and an incorrect response to each question."""
    questions = [f"q{i}" for i in range(count) for _ in range(2)]
    return questions, [f"The answer is {i + wrong}." for i in range(count) for wrong in (0, 1)]


def accepted(verdicts):
    return [verdict.says_right for verdict in verdicts[0::2]], [verdict.says_right for verdict in verdicts[1::2]]


@pytest.mark.parametrize("errors", ["once", "each-time"])
@pytest.mark.parametrize(("tpr", "fpr"), [(0.8, 0.3), (0.5, 0.5), (0.2, 0.9), (1.0, 0.0)])
def test_the_measured_rates_are_those_that_were_set(answers, tpr, fpr, errors):
    right, wrong = accepted(judge(answers, tpr=tpr, fpr=fpr, errors=errors).verdicts(*asked()))
    for found, rate in ((right, tpr), (wrong, fpr)):
        low, high = wilson(sum(found), len(found))
        assert low <= rate <= high


def test_errors_drawn_once_are_the_same_in_any_order_and_any_job(answers):
    questions, texts = asked(200)
    first = judge(answers).verdicts(questions, texts)
    assert judge(answers).verdicts(questions, texts) == first
    assert judge(answers).verdicts(questions[::-1], texts[::-1]) == first[::-1]
    assert judge(answers, seed=1).verdicts(questions, texts) != first


def test_errors_drawn_each_time_differ_for_the_same_text(answers):
    one = judge(answers, errors="each-time", tpr=0.5)
    found = [verdict.score for verdict in one.verdicts(["q1"] * 400, ["1"] * 400)]
    low, high = wilson(int(sum(found)), 400)
    assert low <= 0.5 <= high
    assert judge(answers, errors="each-time").verdicts(*asked(50)) == judge(answers, errors="each-time").verdicts(
        *asked(50)
    )  # a job draws the same when it runs again


def test_noise_stays_in_range_and_moves_scores(answers):
    scores = [verdict.score for verdict in judge(answers, noise=0.2).verdicts(*asked(200))]
    assert all(0 <= score <= 1 for score in scores)
    assert len({score for score in scores if 0 < score < 1}) > 100


@pytest.mark.parametrize(
    ("bias", "responses", "wanted"),
    [
        ({"kind": "length", "length": 10}, ["12345", "1234567890", "1" * 30], [0.5, 1.0, 1.0]),
        ({"kind": "phrase", "text": "is correct"}, ["The answer is correct: 7", "7"], [1.0, 0.0]),
        ({"kind": "format", "text": r"^#### \d+$"}, ["#### 7", "It is 7"], [1.0, 0.0]),
        ({"kind": "position"}, ["a", "b", "c"], [1.0, 0.5, 0.0]),
        ({"kind": "position"}, ["a"], [0.0]),
    ],
)
def test_a_bias_alone_is_a_property_of_the_text(answers, bias, responses, wanted):
    one = judge(answers, bias={"strength": 1.0, "text": "", "length": 200} | bias)
    assert [verdict.score for verdict in one.verdicts(["q1"] * len(responses), responses)] == wanted


def test_a_bias_is_mixed_with_the_verdict_by_its_strength(answers):
    bias = {"kind": "phrase", "text": "sure", "strength": 0.25, "length": 200}
    one = judge(answers, tpr=1.0, fpr=0.0, bias=bias)
    verdicts = one.verdicts(["q7"] * 4, ["7", "sure 7", "8", "sure 8"])
    assert [verdict.score for verdict in verdicts] == [0.75, 1.0, 0.0, 0.25]


def test_positions_are_counted_in_each_question_s_group(answers):
    one = judge(answers, bias={"kind": "position", "strength": 1.0, "text": "", "length": 200})
    found = one.verdicts(["q1", "q1", "q2", "q2"], ["a", "b", "c", "d"])
    assert [verdict.score for verdict in found] == [1.0, 0.0, 1.0, 0.0]


def test_the_schema_names_the_biases_that_exist():
    assert set(get_args(SimulatedBias.model_fields["kind"].annotation)) == set(BIASES)


def test_mixed_with_a_model_the_score_is_the_weighted_mean(tiny, answers):
    questions, texts = asked(6)
    alone = load(model=tiny).verdicts(questions, texts)
    settings = SETTINGS | TASK | {"tpr": 1.0, "fpr": 0.0, "weight": 0.25}
    mixed = load(model=tiny, simulated=settings, answers=[answers])
    found = mixed.verdicts(questions, texts)
    for place, (own, both) in enumerate(zip(alone, found, strict=True)):
        assert both.score == pytest.approx(0.25 * (place % 2 == 0) + 0.75 * own.score)
        assert both.off_label == own.off_label
    assert mixed.usage.tokens > 0
    assert mixed.first_prompt


def test_a_program_that_did_not_run_has_no_verdict(answers, monkeypatch):
    monkeypatch.setattr("gavel.judge.simulated.verify", lambda texts, *_: ([None] * len(texts), [None, True]))
    one = judge(answers, format="program", tpr=1.0)
    assert one.verdicts(["q1", "q1"], ["x", "y"]) == [Verdict(None), Verdict(1.0)]


def test_withheld_answers_are_found_by_id(tmp_path):
    write_jsonl(tmp_path / "unlabeled.jsonl", [{"id": "a", "question": "one?", "gold": None}])
    write_jsonl(tmp_path / "labeled.jsonl", [{"id": "b", "question": "two?", "gold": "2"}])
    write_jsonl(tmp_path / "withheld.jsonl", [{"id": "a", "gold": "1"}])
    paths = [str(tmp_path / f"{name}.jsonl") for name in ("withheld", "unlabeled", "labeled")]
    assert read_gold(paths) == {"one?": "1", "two?": "2"}


def test_a_question_without_a_known_answer_is_named(answers):
    with pytest.raises(InputError, match="judge.simulated: the gold answer of the question 'Where' is unknown"):
        judge(answers).verdicts(["Where"], ["here"])


def test_outside_a_study_there_are_no_answers():
    with pytest.raises(InputError, match="works only inside a study"):
        load(kind="simulated", simulated=SETTINGS | TASK)
