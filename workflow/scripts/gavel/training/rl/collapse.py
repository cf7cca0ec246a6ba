"""When is a policy fooling its judge, and when has it stopped learning? Rules over a run's validations."""

from collections.abc import Mapping, Sequence
from typing import Any

RUINED = 0.5  # of the best accuracy: below that a policy is broken, whatever its judge makes of it
# Of the fall of the true win rate: a judge whose own fell by less does not see it. Both count wins and begin at 0.5, so
# they are on one scale, as a mean score and accuracy are not; a win rate that only ever held exactly would be luck.
SEEN = 0.5


def collapsed(validations: Sequence[Mapping[str, Any]], drop: float, patience: int) -> bool:
    """Whether the last validations show a reward that held or rose while true accuracy fell, or no accuracy left.

    Args:
        validations: in order of step, each with `accuracy` and `judge` (those without are passed over), and under a
            judge that compares `true_win_rate` (`gavel.training.monitor.Monitor`).
        drop: how far accuracy must lie below that of the best validation before.
        patience: so many validations in a row must show it.

    Returns:
        True if in each of the last `patience` validations accuracy is more than `drop` below that of the most accurate
        one before them, and either the judge does not see it or accuracy is below `RUINED` of it. It does not see it
        where its reward is at least what it was there; where it compares, where its win rate has fallen by less than
        `SEEN` of what the true one has.
    """
    known = [row for row in validations if row.get("accuracy") is not None and row.get("judge") is not None]
    before, last = known[:-patience], known[-patience:]
    if not before:
        return False
    best = max(before, key=lambda row: row["accuracy"])
    fooled = (not seen(row, best) or row["accuracy"] < RUINED * best["accuracy"] for row in last)
    return all(fooled) and all(row["accuracy"] < best["accuracy"] - drop for row in last)


def seen(validation: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    """Whether the judge's figure at a validation has followed what is true down, from an earlier one."""
    fell = best["judge"] - validation["judge"]
    if validation.get("true_win_rate") is None:
        return fell > 0
    return fell >= SEEN * (best["true_win_rate"] - validation["true_win_rate"])


def stale(validations: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether none of the last `patience` validations had a better greedy accuracy than the best one before them."""
    greedy = [row["greedy"] for row in validations]
    return len(greedy) > patience and max(greedy[-patience:]) <= max(greedy[:-patience])
