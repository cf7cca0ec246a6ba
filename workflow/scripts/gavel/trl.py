"""Gavel's judge and its alarm for reward hacking as parts of your own TRL script; docs/how-to/trl.md shows how."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict, cast

from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from gavel.common.errors import InputError
from gavel.common.log import info
from gavel.data.records import Record
from gavel.judge import load
from gavel.judge.verdict import Comparer, Judge, rewards
from gavel.judge_eval.calibration import calibrate
from gavel.judge_eval.decision import MIN_AUC, Decision, decide
from gavel.models.task import Task
from gavel.training import distributed
from gavel.training.monitor import Monitor
from gavel.training.rl.validation_rules import has_collapsed
from gavel.training.state import VALIDATION

Message = Mapping[str, Any]  # of a conversation: `role` and `content`
Text = str | Sequence[Message]  # a prompt or completion as TRL passes it


class CheckedResponse(TypedDict):
    """A response to a question whose right answer is known."""

    question: str
    response: str
    correct: bool


class Measured(NamedTuple):
    """How good a judge is.

    Attributes:
        metrics: of `gavel.judge_eval.calibration.calibrate`.
        decision: whether it is good enough to train on: `answer` (`yes`, `no` or `unclear`), `why` and `advice`.
    """

    metrics: dict[str, Any]
    decision: Decision


class JudgeReward:
    """A judge as a reward function of TRL's trainers.

    The judge reads the data set's column `question`, or without this column the prompt (of a conversation, its last
    user message). A completion that it could not score gets None, which TRL leaves out of the group's mean and of the
    update; the fraction of those is logged as `judge_missing`.
    """

    __name__ = "judge"  # TRL logs the reward's mean under it

    def __init__(self, judge: Judge):
        self.judge = judge

    def __call__(
        self,
        prompts: Sequence[Text],
        completions: Sequence[Text],
        question: Sequence[str] | None = None,
        **trl: Any,
    ) -> list[float | None]:
        """The judge's scores, `(N,)`, as TRL calls it; a question's completions are adjacent."""
        asked = [_last(prompt) for prompt in prompts] if question is None else question
        found = rewards(self.judge, self.judge.verdicts(asked, [_last(one) for one in completions]))
        if log := trl.get("log_metric"):
            log("judge_missing", found.count(None) / len(found))
        return found


def judge_reward(model: str, **settings: Any) -> JudgeReward:
    """A reward function for `reward_funcs`, by a judge that answers with one word.

    Args:
        model: hub name or local folder of the judge's model.
        settings: of `gavel.judge.load.load`, such as `prompt` (a shipped name or a file with the slots `{question}` and
            `{solution}`), `labels` (the words for correct and incorrect), `chat`, `dtype`, `cache` (a file, so that no
            prompt is asked twice), `server`, or `kind: pairwise`.

    Raises:
        InputError: the model does not load, a label is not one token, or a setting is invalid.
    """
    return JudgeReward(load.load(model=model, **settings))


def measure_judge(judge: Judge, rows: Iterable[CheckedResponse], min_auc: float = MIN_AUC) -> Measured:
    """Measure a judge on responses labelled correct or incorrect, as `gavel judge` does, before it gives rewards.

    Args:
        rows: several responses to each question, some correct and some not, are what the answer rests on.
        min_auc: minimum AUC within questions of a judge that is good enough.

    Raises:
        InputError: there are no rows, or the judge answered on none.
    """
    groups: dict[str, list[CheckedResponse]] = {}
    for row in rows:
        groups.setdefault(row["question"], []).append(row)
    if not groups:
        raise InputError("rows: there are none; label several responses to each of some questions")
    together = [row for group in groups.values() for row in group]
    questions = [row["question"] for row in together]
    verdicts = judge.verdicts(questions, [row["response"] for row in together])
    metrics = calibrate(questions, verdicts, [row["correct"] for row in together])
    return Measured(metrics, decide(metrics, min_auc))


class CollapseMonitor(TrainerCallback):
    """Validates the policy during training, and raises the alarm when it hacks the judge.

    Every `every` steps, and before the first, it samples a response to each validation question, and compares the
    judge's mean score with true accuracy (`gavel.training.monitor.Monitor`). The alarm is on when accuracy has fallen
    and the judge's score has not, or when less than half of the best accuracy is left
    (`gavel.training.rl.validation_rules.has_collapsed`). With several processes the main one validates.

    Args:
        rows: validation questions, which training must not contain: `question` and the right answer, `gold`.
        task: how a question becomes the policy's prompt, and what is expected in response.
        judge: the one that gives the rewards.
        every: optimiser steps between validations.
        drop: how far accuracy must be below its best.
        patience: number of validations in a row that must show it.
        on_collapse: `flag` writes a line and goes on; `stop` also ends the training.
        temperature: of the sampled responses; use that of the rollouts.
        seed: of sampling, the same at every validation.

    Attributes:
        validations: their metrics with `step` and `collapsed` (whether the alarm is on), in order. The trainer's
            `state.log_history` has them, too, as `validation/<metric>`.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        task: Task,
        judge: Judge,
        *,
        every: int = 10,
        drop: float = 0.1,
        patience: int = 2,
        on_collapse: Literal["flag", "stop"] = "flag",
        temperature: float = 1.0,
        seed: int = 0,
    ):
        asked = [cast(Record, row) for row in rows]
        if lacking := [row for row in asked if row.get("gold") is None]:
            raise InputError(f"rows: no 'gold' for {lacking[0]['question'][:60]!r}; validation needs right answers")
        self.monitor = Monitor(asked, task, judge=judge, temperature=temperature, seed=seed)
        self.every, self.drop, self.patience, self.on_collapse = every, drop, patience, on_collapse
        self.validations: list[dict[str, Any]] = []

    @property
    def collapsed(self) -> bool:
        """Whether the alarm was on at any validation."""
        return any(row["collapsed"] for row in self.validations)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PreTrainedModel,
        processing_class: PreTrainedTokenizerBase,
        **others: Any,
    ) -> None:
        if isinstance(self.monitor.judge, Comparer):
            with distributed.unsharded(model) as policy:
                distributed.on_main(lambda: self.monitor.set_opponents(policy, processing_class))
        self._validate(model, processing_class, state)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PreTrainedModel,
        processing_class: PreTrainedTokenizerBase,
        **others: Any,
    ) -> TrainerControl:
        if state.global_step % self.every == 0:
            self._validate(model, processing_class, state)
            if self.on_collapse == "stop" and self.validations[-1]["collapsed"]:
                control.should_training_stop = True
        return control

    def _validate(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, state: TrainerState) -> None:
        step = state.global_step
        with distributed.unsharded(model) as policy:
            found: dict[str, Any] = distributed.on_main(lambda: self.monitor(policy, tokenizer, step))
        before = self.collapsed
        found["collapsed"] = has_collapsed([*self.validations, found], self.drop, self.patience)
        self.validations.append({"step": step, **found})
        state.log_history.append({"step": step} | {VALIDATION + name: value for name, value in found.items()})
        if not distributed.is_main():
            return
        shown = [f"{key} {found[key]:.3f}" for key in ("accuracy", "judge") if found.get(key) is not None]
        info(f"step {step}: validation {', '.join(shown)}")
        if found["collapsed"] and not before:
            info(
                f"step {step}: COLLAPSE: true accuracy has fallen, and the judge does not reflect it, or little is left"
            )


def _last(text: Text) -> str:
    """A text, or the content of a conversation's last message that is not the system's."""
    if isinstance(text, str):
        return text
    spoken = [message for message in text if message["role"] != "system"]
    return str(spoken[-1]["content"])
