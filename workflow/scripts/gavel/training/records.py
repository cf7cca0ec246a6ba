"""What training writes of a run: `run.json`."""

from typing import Any, Literal, NotRequired, TypedDict

_Lambda = TypedDict("_Lambda", {"lambda": float | None})  # a keyword, hence no class


class Summary(_Lambda):
    """A finished run.

    Attributes:
        run: its name.
        algorithm: `sft`, or a key of `gavel.training.rl.algorithms.ALGORITHMS`; of a judge's training its method.
        lambda: the share of the verifiable reward on labelled questions; None outside RL.
        steps: that were taken.
        best_step: the best by validation.
        settings: the section of the config.
        seconds: without what a kill made it take twice.
    """

    run: str
    algorithm: str
    seed: int
    steps: int
    best_step: int | None
    settings: dict[str, Any]
    seconds: float
    status: Literal["finished"]


class Ended(TypedDict):
    """Where and by which action a run ended before its last step."""

    step: int
    action: str


class RunSummary(Summary):
    """A run of SFT or RL.

    Attributes:
        labels: labelled questions whose right answers were used.
        unlabeled: unlabelled questions.
        completions: that were rewarded.
        algorithm_notes: `gavel.training.rl.algorithms.Algorithm`, with its passes; None for SFT.
        ended: of RL only; None where the run took all of its steps.
    """

    labels: int
    unlabeled: int
    completions: int
    algorithm_notes: dict[str, Any] | None
    ended: NotRequired[Ended | None]


class JudgeSummary(Summary):
    """A stage of a judge's training.

    Attributes:
        examples: that it learnt from.
        selected_on: pairs of the validation.
        untrained: why the judge is left as it was, where it is.
    """

    examples: int
    selected_on: int
    untrained: NotRequired[str]
