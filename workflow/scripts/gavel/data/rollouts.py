"""The completions of an RL run's rollouts on disk: one Parquet file per step while the run trains, then one in all.

A row is a completion, in the order in which the rollout had them: the completions of a question are adjacent.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from gavel.common.errors import InputError
from gavel.common.files import partial_file, replace_folder

FILE = "rollouts.parquet"  # in the folder of a finished run


# Lambda at the rollout. A keyword cannot be a field of a class.
_LambdaColumn = TypedDict("_LambdaColumn", {"lambda": float})


class RolloutRow(_LambdaColumn):
    """One completion of one rollout.

    Attributes:
        step: of the run, counted from 1.
        group: place of its question in the rollout, counted from 0; a question can occur twice.
        id: of the question.
        labeled: whether the question comes from the labelled pool.
        response: the completion.
        tokens: its length, with the end token if it has one.
        finished: whether it ends with the end token; otherwise it was truncated.
        verifiable: verifiable reward; None without a label, at lambda 0, or if the program did not run.
        judge: the judge's score before centring; None at lambda 1, or if the judge could not be asked.
        terms: values of the user's own reward terms, in the order of `rl.reward_terms`; without such terms, none.
        reward: the mixed reward; None if a part that it needs is missing.
        advantage: mean over its tokens (with GRPO and its relatives all have the same); 0 if its reward is missing, or
            if a group filter left its group out. It has no effect if the update was skipped, or if truncated
            completions are masked and this one is.
        logp: log-probability of the completion under the policy that sampled it, at the sampling temperature, in nats,
            summed over its tokens; None if truncated completions are masked and this one is.
        skipped: whether the rollout's update was skipped because too many rewards were missing.
    """

    step: int
    group: int
    id: str | None
    labeled: bool
    response: str
    tokens: int
    finished: bool
    verifiable: float | None
    judge: float | None
    terms: list[float | None]
    reward: float | None
    advantage: float
    logp: float | None
    skipped: bool


_INT, _TEXT, _FLAG = pa.int32(), pa.string(), pa.bool_()
SCHEMA = pa.schema(
    [("step", _INT), ("group", _INT), ("id", _TEXT), ("labeled", _FLAG), ("response", _TEXT), ("tokens", _INT)]
    + [("finished", _FLAG)]
    + [(name, pa.float64()) for name in ("lambda", "verifiable", "judge", "reward")]  # as they were computed
    + [("terms", pa.list_(pa.float64()))]
    + [("advantage", pa.float32()), ("logp", pa.float32()), ("skipped", _FLAG)]
)


class StepStore:
    """What a run in training keeps of its steps, in its state folder.

    Args:
        folder: has one file per step, `<step>.parquet`.
        schema: of the files; it has a column `step`.
    """

    def __init__(self, folder: str | Path, schema: pa.Schema):
        self.folder, self.schema = Path(folder), schema

    def write(self, step: int, columns: Mapping[str, Sequence[Any]]) -> None:
        """Write a step, which is on disk when this returns; `columns` are those of the schema, without `step`."""
        count = len(columns["response"])
        self.folder.mkdir(parents=True, exist_ok=True)
        with partial_file(self.folder / f"{step}.parquet") as partial:
            _write([pa.table({"step": [step] * count, **columns}, self.schema)], partial, self.schema)

    def truncate(self, after_step: int) -> None:
        """Delete the later steps, and what a kill left behind."""
        for path in self.folder.glob(".*.partial"):
            path.unlink()
        for step, path in self._files().items():
            if step > after_step:
                path.unlink()

    def write_all(self, path: Path) -> None:
        """Write all steps to one file, in order."""
        files = self._files()
        _write((pq.read_table(files[step], schema=self.schema) for step in sorted(files)), path, self.schema)

    def _files(self) -> dict[int, Path]:
        return {int(path.stem): path for path in self.folder.glob("*.parquet") if re.fullmatch(r"\d+", path.stem)}


class RolloutStore(StepStore):
    """The rollouts of a run in training.

    Args:
        every: keep every Nth rollout, from the first one on.
    """

    def __init__(self, folder: str | Path, every: int = 1):
        super().__init__(folder, SCHEMA)
        self.every = every

    def keeps(self, step: int) -> bool:
        """Whether the rollout of a step, counted from 1, is to be kept."""
        return (step - 1) % self.every == 0

    def merge(self, folder: str | Path) -> None:
        """Write all rollouts to one file in a folder, which is replaced."""
        folder = Path(folder)
        partial = folder.with_name(f"{folder.name}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        self.write_all(partial / FILE)
        replace_folder(partial, folder)


def _write(tables: Iterable[pa.Table], path: Path, schema: pa.Schema) -> None:
    """One row group per table, so that a reader needs the memory of one step."""
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)


def read_rollouts(folder: str | Path) -> Iterator[list[RolloutRow]]:
    """Yield the rollouts that a finished run has kept, in order of step.

    Raises:
        InputError: the file is missing or unreadable.
    """
    path = Path(folder) / FILE
    with _readable(path), pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number).to_pylist()
            if rows:
                yield rows


class AskedQuestion(NamedTuple):
    """A question of a run's kept rollouts, and the number of rollouts that have it."""

    id: str
    labeled: bool
    rollouts: int


def asked_questions(folder: str | Path) -> list[AskedQuestion]:
    """The questions of the rollouts that a finished run has kept. Raises `InputError` as `read_rollouts` does."""
    path = Path(folder) / FILE
    with _readable(path):
        table = pq.read_table(path, columns=["step", "id", "labeled"])
    counted = table.group_by(["id", "labeled"]).aggregate([("step", "count_distinct")]).to_pylist()
    return [AskedQuestion(str(row["id"]), row["labeled"], row["step_count_distinct"]) for row in counted]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn an unreadable file into an `InputError`."""
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); a run keeps its rollouts with rl.keep_rollouts above 0"
        ) from None
