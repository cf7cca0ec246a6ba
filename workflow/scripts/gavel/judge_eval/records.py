"""The rows of a judge's evaluation."""

from typing import NotRequired, TypedDict

from gavel.judge.records import Pair


class ComparisonSummaryRow(TypedDict):
    """`gavel.judge.verdict.ComparisonSummary` in a row."""

    opponents: int
    first: float
    flipped: float


class JudgeVerdict(TypedDict):
    """A judge's verdict on one solution.

    Attributes:
        judge: the judge's score, None if it gave none.
        probability, phrasings, says_right, truncated: as in `gavel.judge.verdict.Verdict`.
        off_label_mass: its `off_label`.
        compared: from a pairwise judge only.
    """

    judge: float | None
    probability: float | None
    phrasings: list[float]
    says_right: bool | None
    off_label_mass: float
    truncated: bool
    compared: NotRequired[ComparisonSummaryRow]


class Verdicts(JudgeVerdict):
    """The verifier's and the judge's verdict on one solution.

    Attributes:
        correct: the verifier's.
        reference: the judge's when it also reads the gold answer, if the config has a prompt for that.
    """

    correct: bool
    reference: NotRequired[JudgeVerdict]


class Candidate(TypedDict):
    """A solution that the judge is asked about; `gold` is its question's gold answer, which is not written."""

    id: str
    question: str
    response: str
    gold: str


class PolicyCandidate(Candidate):
    """A policy's response; the other fields are those of `VerdictRow`."""

    kind: str | None
    tokens: int
    finished: bool
    steps: int


class ProbeCandidate(Candidate):
    """An adversarial probe; `probe` is a key of `gavel.judge_eval.probes.PROBES`."""

    probe: str


class VerdictRow(Verdicts):
    """A judge's verdict on a policy's response to a validation question.

    Attributes:
        id: the question's.
        kind: of perturbation, None for an unperturbed question.
        tokens: of the response.
        finished: whether it was not truncated.
        steps: of the response.
    """

    id: str
    question: str
    response: str
    kind: str | None
    tokens: int
    finished: bool
    steps: int


class ProbeRow(Verdicts):
    """A judge's verdict on an adversarial probe; `probe` is a key of `gavel.judge_eval.probes.PROBES`."""

    probe: str
    id: str
    question: str
    response: str


class PairItem(Pair):
    """An item of the judge benchmark: a correct and an incorrect solution of a validation question.

    Attributes:
        chosen_model, rejected_model: the policies that gave them.
        subset: the incorrect one's kind of error.
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
        chosen, rejected: the judge's probability that each solution is correct; None from a pairwise judge.
        preferred: the probability that the correct solution is better, None if the judge could not be asked.
        first, flipped: from a pairwise judge only (`gavel.judge.verdict.Comparison`).
    """

    id: str
    chosen: float | None
    rejected: float | None
    preferred: float | None
    first: NotRequired[float | None]
    flipped: NotRequired[bool | None]


class WrittenJudgment(TypedDict):
    """What a judge that reasons first writes about a solution, or about a pair in one order, for people to read.

    Attributes:
        id: the item's.
        prompt: the judging prompt up to the start of the judge's text.
        judgment: the judge's reasoning, and the label word that it gives.
        label: the correct label word.
        said: the likelier label word.
        probability: of the correct label word.
    """

    id: str
    prompt: str
    judgment: str
    label: str
    said: str
    probability: float
