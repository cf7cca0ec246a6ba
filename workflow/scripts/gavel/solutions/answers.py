"""The answers of solutions, the placeholder answer of a program that did not run, and the time limit of a batch.

The budget belongs to the process: a job sets it once from `solution.batch_seconds`.
"""

import enum

# Time limit of a batch of BATCH programs. A minute stops a policy that writes only endless programs (one in ten of
# them, on two cores, takes less); a thousand simple programs take a fraction of a second.
BUDGET_S = 60.0
BATCH = 1024


class NotRun(enum.Enum):
    """The placeholder answer of a program for which there was no time."""

    NOT_RUN = "not run"


NOT_RUN = NotRun.NOT_RUN
Answer = str | None | NotRun

_budget_s = BUDGET_S


def budget() -> float:
    """The default time limit of a batch of `BATCH` programs, in seconds."""
    return _budget_s


def use_budget(seconds: float) -> None:
    """Set this process's default time limit of a batch of `BATCH` programs, in seconds."""
    global _budget_s
    _budget_s = seconds
