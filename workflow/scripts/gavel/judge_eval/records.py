"""The rows of what is measured of a judge."""

from typing import NotRequired, TypedDict

from gavel.judge.records import Pair


class ComparedRow(TypedDict):
    """`gavel.judge.verdict.Compared` as a row has it."""

    opponents: int
    first: float
    flipped: float


class Verdicts(TypedDict):
    """The verifier's and the judge's verdict on one solution.

    Attributes:
        correct: the verifier's.
        judge: the judge's score, None where it gave none.
        probability, phrasings, says_right, truncated: as `gavel.judge.verdict.Verdict` has them.
        off_label_mass: its `off_label`.
        compared: of a judge that compares only.
    """

    correct: bool
    judge: float | None
    probability: float | None
    phrasings: list[float]
    says_right: bool | None
    off_label_mass: float
    truncated: bool
    compared: NotRequired[ComparedRow]


class Asked(TypedDict):
    """A solution that the judge is asked about; `gold` is the right answer of its question, and is not written."""

    id: str
    question: str
    response: str
    gold: str


class PolicyAsked(Asked):
    """A policy's solution: `kind` of its problem's perturbation, its `tokens` and `steps`."""

    kind: str | None
    tokens: int
    steps: int


class ProbeAsked(Asked):
    """A known trick; `probe` is a key of `gavel.judge_eval.probes.PROBES`."""

    probe: str


class VerdictRow(Verdicts):
    """A judge's verdict on a policy's solution of a validation problem.

    Attributes:
        id: the problem's.
        kind: of its perturbation, None for a problem as it was drawn.
        tokens: of the response.
        steps: of the solution.
    """

    id: str
    question: str
    response: str
    kind: str | None
    tokens: int
    steps: int


class ProbeRow(Verdicts):
    """A judge's verdict on a known trick; `probe` is a key of `gavel.judge_eval.probes.PROBES`."""

    probe: str
    id: str
    question: str
    response: str


class PairItem(Pair):
    """An item of the judge benchmark: a right and a wrong solution of a validation problem.

    Attributes:
        chosen_model, rejected_model: the policies that gave them.
        subset: the kind of error of the wrong one.
        steps: of the reference solution.
    """

    chosen_model: str
    rejected_model: str
    subset: str
    steps: int


class PairAnswer(TypedDict):
    """A judge's answer on an item.

    Attributes:
        id: the item's.
        chosen, rejected: the probability that the judge gives each solution of being right; None of one that compares.
        preferred: the probability that the right solution is better, None where the judge could not be asked.
        first, flipped: of a judge that compares only (`gavel.judge.verdict.Comparison`).
    """

    id: str
    chosen: float | None
    rejected: float | None
    preferred: float | None
    first: NotRequired[float | None]
    flipped: NotRequired[bool | None]


class WrittenJudgment(TypedDict):
    """What a judge that reasons writes of a solution or of a pair in one order, for people to read.

    Attributes:
        id: the item's.
        prompt: the judging prompt up to where the judge begins.
        judgment: its reasoning, and the label that it gives.
        label: the right one.
        said: the likelier one.
        probability: of the right one.
    """

    id: str
    prompt: str
    judgment: str
    label: str
    said: str
    probability: float
