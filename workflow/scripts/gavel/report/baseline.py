"""How the pages name a study's baseline (SFT, or without SFT the base model) and its controls."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Baseline(NamedTuple):
    """The run from which RL starts and with which the others are compared, and its names.

    Attributes:
        run: its name in files.
        label: in legends and column titles.
        name: in sentences.
        policy: the policy, in sentences.
        checkpoint: which of its checkpoints is in the main results.
        sources: the policies whose responses are in the judge benchmark.
    """

    run: str
    label: str
    name: str
    policy: str
    checkpoint: str
    sources: str


BASELINES = {
    "sft": Baseline(
        run="sft",
        label="SFT",
        name="SFT",
        policy="the SFT policy",
        checkpoint="best validation checkpoint",
        sources="the untuned student, SFT",
    ),
    "base": Baseline(
        run="base",
        label="base model",
        name="the base model",
        policy="the base model",
        checkpoint="the student before any training",
        sources="the base model",
    ),
}
_ANY = Baseline(
    run="",
    label="baseline",
    name="the baseline",
    policy="the policy that RL started from",
    checkpoint="SFT's best validation checkpoint, or the student before any training",
    sources="the untuned student, SFT if there is one",
)


def shared_baseline(baselines: Iterable[Baseline]) -> Baseline:
    """The names for several studies: those of their baseline, or neutral ones if they have different ones."""
    found = set(baselines)
    return found.pop() if len(found) == 1 else _ANY


# (algorithm, control) -> its name; any RL algorithm is "".
CONTROLS = {
    ("", "majority-vote"): "majority vote",
    ("", "coin"): "coin",
    ("", "format"): "format only",
    ("", "all-answers"): "all answers",
    ("sft", "judge-accepted"): "SFT on samples that the judge accepts",
    ("sft", "majority-vote"): "SFT on majority-vote answers",
    ("sft", "all-answers"): "SFT on all solutions",
    ("base", "base"): "base model",
}


def control_label(about: Mapping[str, Any], seed: object = None) -> str:
    """A control's name in tables and sentences, with its seed if one is given."""
    algorithm, control = about["algorithm"], about["control"]
    name = CONTROLS.get((algorithm, control)) or f"{algorithm.upper()}, {CONTROLS.get(('', control), control)}"
    return name if seed is None or about.get("seed") is None else f"{name}, seed {seed}"
