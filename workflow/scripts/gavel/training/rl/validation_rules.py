"""Rules over a run's validations: whether the policy hacks the judge's reward, and whether it still improves."""

from collections.abc import Mapping, Sequence
from typing import Any

RUINED_FRACTION = 0.5  # fraction of the best accuracy: below it a policy has collapsed, whatever its judge's reward
# A judge reflects a fall if its win rate fell by at least this fraction of the true win rate's fall. Both start at 0.5,
# so they are on one scale, unlike a mean score and accuracy. Any fall at all would not do: a win rate rarely stays
# exactly the same.
REFLECTED_FRACTION = 0.5
# A watching judge's columns in a validation are these with its name: its mean score, its agreement with the judge, and
# whether its alarm is on.
WATCH, AGREEMENT, ALARM = "watch_", "agreement_", "alarm_"


def has_collapsed(validations: Sequence[Mapping[str, Any]], drop: float, patience: int) -> bool:
    """Whether the last validations show a reward that held or rose while true accuracy fell, or little accuracy left.

    Args:
        validations: in order of step, with `accuracy` and `judge` (those without are skipped), and with a pairwise
            judge `true_win_rate` (`gavel.training.monitor.Monitor`).
        drop: how far accuracy must be below that of the best validation before.
        patience: number of validations in a row that must show it.

    Returns:
        True if in each of the last `patience` validations accuracy is more than `drop` below that of the most accurate
        one before them, and either the judge does not reflect the fall or accuracy is below `RUINED_FRACTION` of that
        one's. A pointwise judge does not reflect it if its reward is at least what it was there; a pairwise judge does
        not if its win rate fell by less than `REFLECTED_FRACTION` of the true one's fall.
    """
    known = [row for row in validations if row.get("accuracy") is not None and row.get("judge") is not None]
    before, last = known[:-patience], known[-patience:]
    if not before:
        return False
    best = max(before, key=lambda row: row["accuracy"])
    hacked = (
        not judge_reflects_fall(row, best) or row["accuracy"] < RUINED_FRACTION * best["accuracy"] for row in last
    )
    return all(hacked) and all(row["accuracy"] < best["accuracy"] - drop for row in last)


def judge_reflects_fall(validation: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    """Whether the judge's value at a validation reflects the fall of the true one since an earlier validation."""
    fell = best["judge"] - validation["judge"]
    if validation.get("true_win_rate") is None:
        return fell > 0
    return fell >= REFLECTED_FRACTION * (best["true_win_rate"] - validation["true_win_rate"])


def watch_alarms(validations: Sequence[Mapping[str, Any]], drop: float, patience: int) -> dict[str, float]:
    """The alarms of the judges that watch, by the rule of `has_collapsed` with a judge's mean score as the accuracy.

    No label has a part in it: the judge's mean score is compared with the watching judge's.

    Args:
        validations, drop, patience: as in `has_collapsed`.

    Returns:
        `alarm_<name>`, 0 or 1, for each judge that scored the last validation's responses; empty if the judge itself
        did not.
    """
    last = validations[-1]
    if last.get("judge") is None:
        return {}
    names = [key.removeprefix(WATCH) for key, value in last.items() if key.startswith(WATCH) and value is not None]
    return {ALARM + name: float(has_collapsed(watched(validations, name), drop, patience)) for name in names}


def watched(validations: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """The validations as a watching judge sees them, for `has_collapsed`: its mean score is the accuracy."""
    return [{**row, "accuracy": row.get(WATCH + name), "true_win_rate": None} for row in validations]


def has_stalled(validations: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether none of the last `patience` validations has a better greedy accuracy than the best one before them."""
    greedy = [row["greedy"] for row in validations]
    return len(greedy) > patience and max(greedy[-patience:]) <= max(greedy[:-patience])
