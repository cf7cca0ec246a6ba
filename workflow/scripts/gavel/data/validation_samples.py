"""What a policy wrote at each validation, for a few questions, on disk: as `gavel.data.rollouts`, and beside them.

Rollouts have other questions at every step; these are the same in every validation and in every run of a study.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from gavel.common.files import partial_file
from gavel.data.rollouts import StepStore

FILE = "validation.parquet"  # in the folder of a finished run's rollouts
QUESTIONS = 12


class ValidationSample(TypedDict):
    """The response that was sampled for one validation question at one validation.

    Attributes:
        step: of the run; 0 is before training.
        id: of the question.
        tokens: length of the response.
        finished: whether it ended before the limit.
        judge: the judge's score, of a pairwise judge its win rate against the first policy's response; None if the
            judge could not be asked.
        correct: the verifier's verdict; None if the program did not run.
    """

    step: int
    id: str
    response: str
    tokens: int
    finished: bool
    judge: float | None
    correct: bool | None


SCHEMA = pa.schema(
    [("step", pa.int32()), ("id", pa.string()), ("response", pa.string()), ("tokens", pa.int32())]
    + [("finished", pa.bool_()), ("judge", pa.float64()), ("correct", pa.bool_())]
)


class ValidationStore(StepStore):
    """The samples of a run in training.

    A validation that is repeated after a kill replaces the earlier one, with all that came after.
    """

    def __init__(self, folder: str | Path):
        super().__init__(folder, SCHEMA)

    def write(self, step: int, columns: Mapping[str, Sequence[Any]]) -> None:
        self.truncate(step - 1)
        super().write(step, columns)

    def merge(self, folder: str | Path) -> None:
        """Write all samples to one file in a folder that exists."""
        with partial_file(Path(folder) / FILE) as partial:
            self.write_all(partial)


def read_validation_samples(folder: str | Path) -> Iterator[ValidationSample]:
    """Yield the samples that a finished run has kept, in order of step; none if it is from before they were kept."""
    path = Path(folder) / FILE
    if path.exists():
        yield from pq.read_table(path, schema=SCHEMA).to_pylist()
