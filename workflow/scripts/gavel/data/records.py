"""The rows of a study's data files, one question each."""

from typing import NotRequired, TypedDict


class Record(TypedDict):
    """A question. Unknown fields are None.

    Attributes:
        source: the data set.
        solution: the reference solution as published.
        question: of a multiple-choice question also the options.
        gold: the gold answer in canonical form; "None" if the question is unanswerable. In other files, `answer` is
            the model's answer.
        kind: the perturbation kind, for a question made from another one.
        seed_id: the id of the original question.
    """

    id: str
    source: str
    question: str
    solution: str | None
    gold: str | None
    kind: str | None
    seed_id: str | None


class LoadedRecord(Record):
    """A record as read from its source.

    Attributes:
        seed_question: the original question's text in GSM-Plus, until it is linked by id.
    """

    seed_question: NotRequired[str]


class LabeledRecord(Record):
    """A labelled training problem.

    Attributes:
        program: the reference solution as a program, if solutions are programs and it converts.
    """

    program: NotRequired[str]


class Problem(TypedDict):
    """A published row as a reader returns it: the fields of a record that the row has. `gold` is the gold answer."""

    question: str
    gold: str
    id: NotRequired[str]
    source: NotRequired[str]
    solution: NotRequired[str | None]
    kind: NotRequired[str | None]
    seed_id: NotRequired[str | None]
    seed_question: NotRequired[str]
