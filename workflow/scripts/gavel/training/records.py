"""`run.json`, which training writes for every run."""

from typing import Any, Literal, NotRequired, TypedDict

from gavel.models.records import RenderedPrompt

_Lambda = TypedDict("_Lambda", {"lambda": float | None})  # a keyword, hence no class


class Summary(_Lambda):
    """A finished run.

    Attributes:
        run: its name.
        algorithm: `sft`, `base`, or a key of `gavel.training.rl.algorithms.ALGORITHMS`; in judge training the method.
        lambda: weight of the verifiable reward on labelled questions; None outside RL.
        seed: None for `base`, which is not trained.
        steps: number of steps taken.
        best_step: the best step by validation.
        settings: the section of the config.
        seconds: duration; steps repeated after a kill count once.
    """

    run: str
    algorithm: str
    seed: int | None
    steps: int
    best_step: int | None
    settings: dict[str, Any]
    seconds: float
    status: Literal["finished"]


class EarlyEnd(TypedDict):
    """Where a run ended before its last step, and by which action."""

    step: int
    action: str


class RunSummary(Summary):
    """A run of SFT or RL, or the untrained baseline `base`.

    Attributes:
        labels: number of labelled questions whose gold answers were used; with a group filter, that could be.
        unlabeled: number of unlabelled questions that were used; with a group filter, that could be.
        completions: number of rewarded completions.
        algorithm_notes: `gavel.training.rl.algorithms.Algorithm`, with its passes; None for the baseline.
        ended: in RL only; None if the run took all of its steps.
        control: of a control, its name (`gavel.judge.controls`, `gavel.training.control_examples`).
        example: the first SFT example, or the first rollout prompt, as the policy reads it; not for `base`.
    """

    labels: int
    unlabeled: int
    completions: int
    algorithm_notes: dict[str, Any] | None
    ended: NotRequired[EarlyEnd | None]
    control: NotRequired[str]
    example: NotRequired[RenderedPrompt]


class JudgeSummary(Summary):
    """A stage of a judge's training.

    Attributes:
        examples: number of training examples.
        selected_on: number of validation pairs.
        untrained: why the judge was left unchanged, if it was.
    """

    examples: int
    selected_on: int
    untrained: NotRequired[str]
