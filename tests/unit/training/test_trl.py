"""`gavel.trl`: a judge as TRL's reward function, its measurement, and the alarm as a callback."""

import pytest
from datasets import Dataset
from transformers import TrainerControl, TrainerState
from trl import GRPOConfig, GRPOTrainer

from gavel.common.errors import InputError
from gavel.judge.verdict import ComparisonSummary, Judge, Verdict
from gavel.models.task import Task
from gavel.study.schema.training import Validation
from gavel.trl import CollapseMonitor, JudgeReward, judge_reward, measure_judge

TASK = Task("solve", "program", max_new_tokens=8)


class Known(Judge):
    """Gives each response its own score; nothing for one that it does not know."""

    def __init__(self, **scores):
        self.scores, self.asked = scores, []

    def verdicts(self, questions, solutions):
        self.asked += zip(questions, solutions, strict=True)
        return [Verdict(self.scores.get(text)) for text in solutions]


def test_a_completion_without_a_score_gets_none_and_is_counted():
    judge, logged = Known(good=0.9, bad=0.0, wild=99.0), {}
    reward = JudgeReward(judge)
    found = reward(["q"] * 4, ["good", "bad", "unknown", "wild"], log_metric=logged.__setitem__, trainer_state=None)
    assert found == [0.9, 0.0, None, None]
    assert logged == {"judge_missing": 0.5}
    assert reward.__name__ == "judge"


def test_the_judge_reads_the_question_of_the_data_set_or_of_the_prompt():
    judge = Known()
    JudgeReward(judge)(["Question: 1+1?\nAnswer:"], ["2"], question=["1+1?"], gold=["2"])
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]
    JudgeReward(judge)([chat], [[{"role": "assistant", "content": "4"}]])
    JudgeReward(judge)(["3+3?"], ["6"])
    assert judge.asked == [("1+1?", "2"), ("2+2?", "4"), ("3+3?", "6")]


def test_a_reward_is_made_from_a_model_with_the_judge_s_settings(tiny, tmp_path):
    reward = judge_reward(tiny, cache=str(tmp_path / "judge.db"))
    first = reward(["1+1?", "1+1?"], ["return 2", "return 3"])
    assert all(0 <= score <= 1 for score in first)
    assert reward(["1+1?", "1+1?"], ["return 2", "return 3"]) == first
    assert reward.judge.usage.cached == 2
    with pytest.raises(InputError, match="judge.score: 'best' does not exist"):
        judge_reward(tiny, score="best")


def test_a_judge_is_measured_on_labelled_responses():
    rows = [
        {"question": f"q{number % 60}", "response": text, "correct": text == "good"}
        for number in range(120)
        for text in ("good", "bad")
    ]
    found = measure_judge(Known(good=0.9, bad=0.2), rows)
    assert (found.metrics["n"], found.metrics["questions"], found.metrics["auc_within"]) == (240, 60, 1.0)
    assert (found.decision.answer, found.metrics["accuracy"]) == ("yes", 1.0)
    assert measure_judge(Known(good=0.2, bad=0.9), rows).decision.answer == "no"
    assert measure_judge(Known(good=0.9, bad=0.2), rows[:8]).decision.answer == "unclear"
    with pytest.raises(InputError, match="rows: there are none"):
        measure_judge(Known(), [])
    with pytest.raises(InputError, match="the judge gave no answer on any solution"):
        measure_judge(Known(), rows)


def test_a_pairwise_judge_gets_the_responses_of_a_question_together():
    class Pairwise(Known):
        def verdicts(self, questions, solutions):
            super().verdicts(questions, solutions)
            return [Verdict(0.5, compared=ComparisonSummary(1, 0.5, 0.0)) for _ in solutions]

    judge = Pairwise()
    rows = [{"question": q, "response": r, "correct": r == "a"} for r in ("a", "b") for q in ("q1", "q2")]
    assert measure_judge(judge, rows).metrics["accuracy"] is None
    assert [question for question, _ in judge.asked] == ["q1", "q1", "q2", "q2"]


@pytest.fixture
def alarm(monkeypatch):
    """Makes a monitor whose validations are given as (accuracy, judge)."""

    def make(*validations, **options):
        made = CollapseMonitor([{"question": "1+1?", "gold": "2"}], TASK, Known(), every=5, **options)
        left = iter(validations)
        made.monitor = lambda model, tokenizer, step: dict(zip(("accuracy", "judge"), next(left), strict=True))
        made.monitor.judge = None
        return made

    return make


def run(monitor, model, steps):
    """Train for some steps that do nothing; returns the trainer's state, and the step at which it was stopped."""
    state, control = TrainerState(), TrainerControl()
    given = {"model": model, "processing_class": None}
    monitor.on_train_begin(None, state, control, **given)
    for state.global_step in range(1, steps + 1):
        monitor.on_step_end(None, state, control, **given)
        if control.should_training_stop:
            return state, state.global_step
    return state, None


HACKED = [(0.6, 0.5), (0.6, 0.6), (0.4, 0.7), (0.3, 0.8)]  # the judge's score rises while accuracy falls


def test_the_alarm_goes_on_when_accuracy_falls_and_the_judge_s_score_does_not(alarm, model, capsys):
    monitor = alarm(*HACKED)
    state, stopped = run(monitor, model, 15)
    assert [row["step"] for row in monitor.validations] == [0, 5, 10, 15]
    assert [row["collapsed"] for row in monitor.validations] == [False, False, False, True]
    assert monitor.collapsed and stopped is None
    assert state.log_history[-1] == {
        "step": 15, "validation/accuracy": 0.3, "validation/judge": 0.8, "validation/collapsed": True,
    }  # fmt: skip
    assert capsys.readouterr().err.count("step 15: COLLAPSE: true accuracy has fallen") == 1


def test_a_collapse_stops_the_training_if_asked_to(alarm, model):
    monitor = alarm(*HACKED, (0.2, 0.9), patience=1, on_collapse="stop")
    assert run(monitor, model, 20)[1] == 10
    assert [row["collapsed"] for row in monitor.validations] == [False, False, True]


def test_there_is_no_alarm_where_the_judge_reflects_the_fall_or_does_not_answer(alarm, model, capsys):
    assert not run_quietly(alarm((0.6, 0.6), (0.6, 0.6), (0.45, 0.4), (0.4, 0.3)), model)
    assert not run_quietly(alarm((0.6, None), (0.6, None), (0.1, None), (0.1, None)), model)
    assert "COLLAPSE" not in capsys.readouterr().err


def run_quietly(monitor, model):
    run(monitor, model, 15)
    return monitor.collapsed


def test_its_defaults_are_the_config_s():
    monitor, settings = CollapseMonitor([], TASK, Known()), Validation()
    assert (monitor.drop, monitor.patience) == (settings.collapse_drop, settings.collapse_patience)


def test_validation_questions_need_right_answers():
    with pytest.raises(InputError, match="rows: no 'gold' for '1\\+1\\?'; validation needs right answers"):
        CollapseMonitor([{"question": "1+1?", "gold": None}], TASK, Known())


def test_both_work_in_trl_s_trainer(tiny, tokenizer, rows, tmp_path):
    """TRL trains a policy with random weights for two steps; one completion in two has no score."""

    class Every(Judge):
        def verdicts(self, questions, solutions):
            return [Verdict(None if place % 2 else place / len(solutions)) for place in range(len(solutions))]

    alarm = CollapseMonitor(rows[:4], TASK, Every(), every=1)
    questions = [row["question"] for row in rows[4:12]]
    prompts = TASK.prompts(questions, tokenizer)
    data = [{"prompt": prompt, "question": question} for prompt, question in zip(prompts, questions, strict=True)]
    options = dict(use_cpu=True, bf16=False, gradient_checkpointing=False, save_strategy="no", report_to="none")
    config = GRPOConfig(
        str(tmp_path), max_steps=2, per_device_train_batch_size=8, num_generations=4, max_completion_length=8,
        logging_steps=1, **options,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=tiny, reward_funcs=JudgeReward(Every()), args=config, train_dataset=Dataset.from_list(data),
        processing_class=tokenizer, callbacks=[alarm],
    )  # fmt: skip
    trainer.train()
    assert [row["step"] for row in alarm.validations] == [0, 1, 2]
    logged = [row for row in trainer.state.log_history if "rewards/judge/mean" in row]
    assert [row["judge_missing"] for row in logged] == [0.5, 0.5]
    assert logged[0]["rewards/judge/mean"] == pytest.approx((0 + 2 + 4 + 6) / 4 / 8)
