"""The kinds of judge, as far as the config needs them: names and defaults, no code.

To add a kind, write `judge/<kind>.py`, one entry here and one line in `gavel.judge.load.MODULES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Kind:
    """What the config needs to know about a kind of judge.

    Attributes:
        scores: the rewards that it offers, the default first.
        slots: required slots of its judging prompts.
        prompt, reasoning_prompt, labels: defaults; `reasoning_prompt` is for a judge that reasons first. A kind without
            judging prompts leaves these and `slots` empty.
        comparative: a score ranks a solution within its group; it says nothing about a single solution.
        model: a language model judges, the config's `judge.model`; the members of a panel have their own.
    """

    scores: tuple[str, ...]
    slots: tuple[str, ...] = ()
    prompt: str = ""
    reasoning_prompt: str = ""
    labels: tuple[str, ...] = ()
    comparative: bool = False
    model: bool = True

    def defaults(self, reasons: bool) -> dict[str, Any]:
        """The defaults of `prompt`, `labels` and `score`; without judging prompts, of `score` alone."""
        prompt = self.reasoning_prompt if reasons else self.prompt
        found = {"prompt": prompt, "labels": self.labels, "score": self.scores[0]}
        return {key: value for key, value in found.items() if value}


KINDS = {
    "single-token": Kind(
        scores=("probability", "log-odds", "hard"),
        slots=("question", "solution"),
        prompt="judge",
        reasoning_prompt="reasoning",
        labels=(" Yes", " No"),
    ),
    "pairwise": Kind(
        scores=("win-rate", "elo"),
        slots=("question", "first", "second"),
        prompt="pairwise",
        reasoning_prompt="pairwise-reasoning",
        labels=(" A", " B"),
        comparative=True,
    ),
    "simulated": Kind(scores=("probability",), model=False),
    "panel": Kind(scores=("probability",), model=False),
}

# Tasks of a judge trained from scratch -> the kind of judge, and whether it reasons first.
TASKS = {
    "single-token": ("single-token", False),
    "reasoning": ("single-token", True),
    "pairwise": ("pairwise", False),
    "pairwise-reasoning": ("pairwise", True),
}


class ControlReward(NamedTuple):
    """A reward that needs no judge.

    Attributes:
        source: what it rewards.
        answers: it knows the gold answers of all training questions.
    """

    source: str
    answers: bool = False


CONTROL_REWARDS = {
    "majority-vote": ControlReward("majority answer of the group (TTRL)"),
    "coin": ControlReward("a coin for each completion"),
    "format": ControlReward("any readable answer"),
    "all-answers": ControlReward("verifier with all answers: an upper bound", answers=True),
}


def task_of(kind: str, reasons: bool) -> str | None:
    """The task that trains a judge of this kind from scratch; None if there is none."""
    return next((task for task, made in TASKS.items() if made == (kind, reasons)), None)


def is_comparative(settings: Mapping[str, Any]) -> bool:
    """Whether these settings make a judge that compares solutions; without `kind` they make a single-token judge."""
    return KINDS[settings.get("kind", "single-token")].comparative
