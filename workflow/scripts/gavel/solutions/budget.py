"""How long a batch of programs may run, and what stands for the answer of one that did not.

The budget belongs to the process: a job sets it once from `solution.batch_seconds`.
"""

import enum

# A batch of BATCH programs may take this long: a minute stops a policy that writes endless programs only (one in ten of
# them, on two cores, takes less), and a thousand simple ones take a fraction of a second.
BUDGET_S = 60.0
BATCH = 1024


class NotRun(enum.Enum):
    """What stands for the answer of a program for which there was no time."""

    NOT_RUN = "not run"


NOT_RUN = NotRun.NOT_RUN
Answer = str | None | NotRun

_budget_s = BUDGET_S


def budget() -> float:
    """Seconds that a batch of `BATCH` programs may take where a call does not say."""
    return _budget_s


def use_budget(seconds: float) -> None:
    """From now on, in this process, a batch of `BATCH` programs may take so many seconds."""
    global _budget_s
    _budget_s = seconds
