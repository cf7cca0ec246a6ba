"""The rows of an evaluation's files."""

from typing import NotRequired, TypedDict

# A run's place in the grid; lambda is None for the baseline and for controls. `control` is a control's name, None for
# the others. A keyword is among the fields, hence no class.
RunColumns = TypedDict(
    "RunColumns", {"algorithm": str, "lambda": float | None, "seed": int | None, "control": str | None}
)


class Response(TypedDict):
    """A response to a test question, before it is scored.

    Attributes:
        id: the question's id.
        sample: -1 for the greedy response; sampled ones count from 0.
        tokens: number of tokens of the response.
        finished: whether it ended before the limit.
    """

    id: str
    sample: int
    temperature: float
    response: str
    tokens: int
    finished: bool


class JudgeColumns(TypedDict):
    """The judge's columns, by which the best sample is picked.

    Attributes:
        judge: the judge's score; None if it gave none or was not asked.
        elo, knockout: present in studies whose judge picks by them too.
    """

    judge: float | None
    elo: NotRequired[float | None]
    knockout: NotRequired[bool | None]


class ScoredSample(Response, JudgeColumns):
    """A response with its verdicts, and its question's columns.

    Attributes:
        answer: the model's answer; None if none was found.
        correct: the verifier's verdict; None, as is `answer`, if the program did not run.
        gold: the gold answer.
        kind, seed_id: the question's (`gavel.data.records.Record`).
    """

    answer: str | None
    correct: bool | None
    question: str
    gold: str
    kind: str | None
    seed_id: str | None


class Primary(TypedDict):
    """The primary comparison with the baseline, named before any run: its run, test set and metric.

    Attributes:
        run: its name in the tables; of several seeds, a name without a seed.
        runs: the runs of the grid that it covers, one for each seed.
    """

    run: str
    runs: list[str]
    set: str
    metric: str
    k: int | None
