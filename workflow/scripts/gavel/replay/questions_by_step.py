"""A few questions followed through training: each run's responses, and what judge, verifier and truth said of them.

As `gavel.replay.truth`, it reads the gold answers of unlabelled questions, after training and for the report only.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from gavel.common.files import partial_file, read_jsonl
from gavel.data.draw import in_drawn_order
from gavel.data.gold import Question
from gavel.data.rollouts import RolloutRow, asked_questions
from gavel.data.validation_samples import QUESTIONS, ValidationSample, read_validation_samples

POOLS = ("validation", "labelled", "unlabelled")


class FollowedResponse(TypedDict):
    """A response to a followed question.

    Attributes:
        pool: one of `POOLS`. Only validation questions are asked at fixed steps, from step 0 on.
        kind: the question's (`gavel.data.records.Record`).
        finished: whether the response ended before the limit.
        judge: the judge's score; None if it gave none or was not asked. For a training question in a control, its
            reward.
        judge_right: whether the judge accepts a correct response or does not accept an incorrect one; None if its score
            or the truth is missing, and for a judge that only compares.
        verifiable: verifiable reward; None without a label, at lambda 0, or if the program did not run.
        truth: whether the response is correct, by the gold answer, which may be a withheld one; None if unknown.
    """

    pool: str
    id: str
    question: str
    gold: str | None
    kind: str | None
    run: str
    step: int
    response: str
    finished: bool
    judge: float | None
    judge_right: bool | None
    verifiable: float | None
    truth: bool | None


_TEXT, _FLAG, _NUMBER = pa.string(), pa.bool_(), pa.float64()
SCHEMA = pa.schema(
    [(name, _TEXT) for name in ("pool", "id", "question", "gold", "kind", "run")]
    + [("step", pa.int32()), ("response", _TEXT), ("finished", _FLAG), ("judge", _NUMBER), ("judge_right", _FLAG)]
    + [("verifiable", _NUMBER), ("truth", _FLAG)]
)


class FollowedQuestions:
    """Collects the responses to the followed questions.

    Training questions are those that most runs were asked, then those that were asked in most steps, then by a draw
    that depends on their ids alone. The first of a question's completions in a step is taken.

    Args:
        folders: run -> the folder of its rollouts.
        questions: id -> question, with every gold answer that is known.
        kinds: id -> the question's kind.
        accepts: score above which the judge accepts a response; None for a judge that only compares.

    Raises:
        InputError: rollouts cannot be read.
    """

    def __init__(
        self,
        folders: Mapping[str, str],
        questions: Mapping[str, Question],
        kinds: Mapping[str, str | None],
        accepts: float | None = 0.5,
    ):
        self.questions, self.kinds, self.accepts = questions, kinds, accepts
        self.runs, self.rows = list(folders), list[FollowedResponse]()
        self.followed = set(_followed(folders))
        for run, folder in folders.items():
            for sample in read_validation_samples(folder):
                self._take("validation", run, sample, None, sample["correct"])

    def add(self, run: str, rollout: Sequence[RolloutRow], right: Sequence[bool | None]) -> None:
        """Take a rollout's responses to the followed questions; `right` says which of its completions are correct."""
        seen: set[str] = set()
        for row, truth in zip(rollout, right, strict=True):
            if (key := str(row["id"])) in self.followed - seen:
                seen.add(key)
                self._take("labelled" if row["labeled"] else "unlabelled", run, row, row["verifiable"], truth)

    def write(self, path: str | Path) -> None:
        """Write the rows: by pool and question, each in the order in which it was drawn, then by run and step."""
        drawn = {key: place for place, key in enumerate(in_drawn_order({row["id"] for row in self.rows}))}
        runs = {run: place for place, run in enumerate(self.runs)}
        self.rows.sort(key=lambda row: (POOLS.index(row["pool"]), drawn[row["id"]], runs[row["run"]], row["step"]))
        with partial_file(path) as partial:
            pq.write_table(pa.Table.from_pylist(self.rows, SCHEMA), partial, compression="zstd")

    def _take(
        self,
        pool: str,
        run: str,
        response: RolloutRow | ValidationSample,
        verifiable: float | None,
        truth: bool | None,
    ) -> None:
        score, key = response["judge"], str(response["id"])
        question = self.questions[key]
        self.rows.append(
            {
                "pool": pool,
                "id": key,
                "question": question.text,
                "gold": question.gold,
                "kind": self.kinds[key],
                "run": run,
                "step": response["step"],
                "response": response["response"],
                "finished": response["finished"],
                "judge": score,
                "judge_right": _agrees(score, self.accepts, truth),
                "verifiable": verifiable,
                "truth": truth,
            }
        )


def _agrees(score: float | None, accepts: float | None, truth: bool | None) -> bool | None:
    if score is None or accepts is None or truth is None:
        return None
    return (score > accepts) == truth


def _followed(folders: Mapping[str, str]) -> Iterator[str]:
    """The ids of the training questions that are followed."""
    runs: Counter[str] = Counter()
    rollouts: Counter[str] = Counter()
    pools: dict[bool, set[str]] = {True: set(), False: set()}
    for folder in folders.values():
        for asked in asked_questions(folder):
            runs[asked.id] += 1
            rollouts[asked.id] += asked.rollouts
            pools[asked.labeled].add(asked.id)
    for ids in pools.values():
        # Sorting is stable: the draw decides between questions that occur equally often.
        yield from sorted(in_drawn_order(ids), key=lambda one: (-runs[one], -rollouts[one]))[:QUESTIONS]


def read_kinds(paths: Iterable[str]) -> dict[str, str | None]:
    """id -> the question's kind, from data files."""
    return {row["id"]: row["kind"] for path in paths for row in read_jsonl(path)}
