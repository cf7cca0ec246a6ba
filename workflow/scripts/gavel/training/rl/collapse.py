"""When is a policy fooling its judge, and when has it stopped learning? Rules over looks at validation problems."""

from collections.abc import Mapping, Sequence

RUINED = 0.5  # of the best accuracy: below that a policy is broken, whatever its judge makes of it
# Of the fall of the true win rate: a judge whose own fell by less does not see it. Both count wins and begin at 0.5, so
# they are on one scale, as a mean score and accuracy are not; a win rate that only ever held exactly would be luck.
SEEN = 0.5


def collapsed(looks: Sequence[Mapping], drop: float, patience: int) -> bool:
    """Whether the last looks show a reward that held or rose while true accuracy fell, or an accuracy that is gone.

    Args:
        looks: in order of step, each with `accuracy` and `judge` (those without are passed over), and under a judge
            that compares `true_win_rate` (`gavel.training.monitor.Monitor`).
        drop: how far accuracy must lie below that of the best look before.
        patience: so many looks in a row must show it.

    Returns:
        True if in each of the last `patience` looks accuracy is more than `drop` below that of the most accurate look
        before them, and either the judge does not see it or accuracy is below `RUINED` of it. It does not see it where
        its reward is at least what it was there; where it compares, where its win rate has fallen by less than `SEEN`
        of what the true one has.
    """
    known = [look for look in looks if look.get("accuracy") is not None and look.get("judge") is not None]
    before, last = known[:-patience], known[-patience:]
    if not before:
        return False
    best = max(before, key=lambda look: look["accuracy"])
    fooled = (not seen(look, best) or look["accuracy"] < RUINED * best["accuracy"] for look in last)
    return all(fooled) and all(look["accuracy"] < best["accuracy"] - drop for look in last)


def seen(look: Mapping, best: Mapping) -> bool:
    """Whether the judge's figure at a look has followed what is true down, from an earlier look."""
    fell = best["judge"] - look["judge"]
    if look.get("true_win_rate") is None:
        return fell > 0
    return fell >= SEEN * (best["true_win_rate"] - look["true_win_rate"])


def stale(looks: Sequence[Mapping], patience: int) -> bool:
    """Whether none of the last `patience` looks had a better greedy accuracy than the best look before them."""
    greedy = [look["greedy"] for look in looks]
    return len(greedy) > patience and max(greedy[-patience:]) <= max(greedy[:-patience])
