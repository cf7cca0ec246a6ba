"""The kinds of judge, as far as a config must know them: names and defaults, no code.

To add a kind, write `judge/<kind>.py`, one entry here and one line in `gavel.judge.load.MODULES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """What a config must know of a kind of judge.

    Attributes:
        slots: of its judging prompts.
        scores: what its reward may be, the default first.
        prompt, reasoning_prompt, labels: the defaults; the second of a judge that writes before it answers.
        relative: a score says how a solution stands among those of its group, nothing about one that is alone.
    """

    slots: tuple[str, ...]
    scores: tuple[str, ...]
    prompt: str
    reasoning_prompt: str
    labels: tuple[str, str]
    relative: bool = False

    def defaults(self, reasons: bool) -> dict[str, Any]:
        """What `prompt`, `labels` and `score` are where a config does not say."""
        prompt = self.reasoning_prompt if reasons else self.prompt
        return {"prompt": prompt, "labels": self.labels, "score": self.scores[0]}


KINDS = {
    "single-token": Kind(
        slots=("question", "solution"),
        scores=("probability", "log-odds", "hard"),
        prompt="judge",
        reasoning_prompt="reasoning",
        labels=(" Yes", " No"),
    ),
    "pairwise": Kind(
        slots=("question", "first", "second"),
        scores=("win-rate", "elo"),
        prompt="pairwise",
        reasoning_prompt="pairwise-reasoning",
        labels=(" A", " B"),
        relative=True,
    ),
}

# Tasks of a judge made from scratch -> the kind of judge, and whether it reasons before it answers.
TASKS = {
    "single-token": ("single-token", False),
    "reasoning": ("single-token", True),
    "pairwise": ("pairwise", False),
    "pairwise-reasoning": ("pairwise", True),
}


def task_of(kind: str, reasons: bool) -> str | None:
    """The task that makes a judge of this kind from scratch; None where none does."""
    return next((task for task, made in TASKS.items() if made == (kind, reasons)), None)


def is_comparative(settings: Mapping[str, Any]) -> bool:
    """Whether a judge made of these settings compares solutions; without `kind` it is a single-token judge."""
    return KINDS[settings.get("kind", "single-token")].relative
