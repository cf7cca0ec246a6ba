"""The rows of a study's data files: one question each."""

from typing import NotRequired, TypedDict


class Record(TypedDict):
    """A question; what is unknown is None.

    Attributes:
        source: the data set that it comes from.
        solution: the reference solution as it was published.
        gold: the right answer in canonical text; "None" where the question cannot be answered. Other files have the
            model's own answer as `answer` beside it.
        kind: the kind of perturbation that made it of another question.
        seed_id: that question's id.
    """

    id: str
    source: str
    question: str
    solution: str | None
    gold: str | None
    kind: str | None
    seed_id: str | None


class LoadedRecord(Record):
    """A record as it was read.

    Attributes:
        seed_question: GSM-Plus's text of the question that it was made from, until it is linked by id.
    """

    seed_question: NotRequired[str]


class LabeledRecord(Record):
    """A labelled training problem.

    Attributes:
        program: the reference solution as a program, where solutions are programs.
    """

    program: NotRequired[str]


class Problem(TypedDict):
    """What a reader makes of a published row: a record less what is not there. `gold` is the right answer."""

    question: str
    gold: str
    id: NotRequired[str]
    source: NotRequired[str]
    solution: NotRequired[str | None]
    kind: NotRequired[str | None]
    seed_id: NotRequired[str | None]
    seed_question: NotRequired[str]
