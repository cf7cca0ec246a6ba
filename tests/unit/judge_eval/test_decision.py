"""Whether a judge is good enough: by its AUC within questions and its interval, if it answers at all."""

import pytest

from gavel.judge_eval.decision import decide


def metrics(auc=0.85, low=0.82, high=0.88, questions=100, **more):
    found = {"n": 800, "auc_within": auc, "auc_within_ci95": [low, high], "auc_within_questions": questions}
    return found | {"off_label_mass": 0.01} | more


@pytest.mark.parametrize(
    ("found", "answer", "why"),
    [
        (metrics(), "yes", "its AUC within questions is 0.850 (0.820 to 0.880), at least 0.8"),
        (metrics(0.7, 0.65, 0.75), "no", "0.700 (0.650 to 0.750), below 0.8"),
        (metrics(0.82, 0.77, 0.87), "unclear", "the interval contains 0.8"),
        (metrics(off_label_mass=0.7), "no", "70% of its probability is on other tokens"),
        (metrics(missing=400), "unclear", "no answer on 33% of the responses"),
        (metrics(questions=5), "unclear", "rests on 5 questions with"),
        (metrics(questions=1), "unclear", "rests on 1 question with"),
        (metrics(None) | {"auc_within_ci95": None, "auc_within_questions": 0}, "unclear", "rests on 0 questions"),
    ],
)
def test_the_answer_follows_from_the_interval(found, answer, why):
    decision = decide(found, 0.8)
    assert decision.answer == answer
    assert why in decision.why
    assert decision.advice


def test_the_questions_that_would_decide_narrow_the_interval_to_the_distance():
    decision = decide(metrics(0.82, 0.77, 0.87, questions=40), 0.8)
    assert decision.questions == 250  # (0.05 / 0.02)² = 6.25 times as many
    assert "about 250 such questions in all; these are 40" in decision.advice
    near = decide(metrics(0.801, 0.77, 0.83), 0.8)
    assert near.questions is None
    assert "so near the minimum" in near.advice


def test_without_a_limit_off_label_probability_does_not_count():
    assert decide(metrics(off_label_mass=0.9), 0.8, max_off_label=None).answer == "yes"
    server = metrics()
    del server["off_label_mass"]
    assert decide(server, 0.8).answer == "yes"
