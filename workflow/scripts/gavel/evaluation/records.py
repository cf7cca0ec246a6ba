"""The rows of an evaluation's files."""

from typing import NotRequired, TypedDict


class Response(TypedDict):
    """One completion of a test question, before it is scored.

    Attributes:
        id: the question's.
        sample: -1 is the greedy completion; sampled ones count from 0.
        tokens: of the completion.
        finished: it ended before the limit.
    """

    id: str
    sample: int
    temperature: float
    response: str
    tokens: int
    finished: bool


class Picked(TypedDict):
    """What a judge picks the best sample by.

    Attributes:
        judge: its score, None where it gave none or none was asked.
        elo, knockout: in studies whose judge picks by them too.
    """

    judge: float | None
    elo: NotRequired[float | None]
    knockout: NotRequired[bool | None]


class ScoredSample(Response, Picked):
    """A response with its verdicts, and its question's columns.

    Attributes:
        answer: the model's, None where none was found.
        correct: the verifier's verdict; None, and `answer` too, where the program did not run.
        gold: the right answer.
        kind, seed_id: of the question (`gavel.data.records.Record`).
    """

    answer: str | None
    correct: bool | None
    question: str
    gold: str
    kind: str | None
    seed_id: str | None
