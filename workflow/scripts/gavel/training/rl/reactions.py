"""What a training run does about its looks at validation problems: the table of actions, and early stopping."""

from collections.abc import Callable

from gavel.common.log import say
from gavel.training.rl.collapse import collapsed, stale
from gavel.training.rl.rewards import MixingWeight
from gavel.training.state import RunState

# At lambda 1 the unlabelled questions of a mixed run would have no reward at all.
STEP, HIGHEST = 0.25, 0.9
EARLY = "early_stop"
ROLLS_BACK = ("rollback", EARLY)  # the run's result is then its best checkpoint by validation


class Reaction:
    """Watches the looks of one run and acts on a collapse, or when nothing more is learnt.

    Args:
        run: whose best checkpoint a rollback takes, and whose journal says what was done before a resume.
        weight: lambda over the run, which an action may raise.
        on_collapse: `flag` notes a collapse; `stop` ends the run there; `rollback` ends it with the best checkpoint by
            validation; `raise_lambda` gives the labels more weight (by `STEP`, up to `HIGHEST`) and goes on.
        collapse_drop, collapse_patience: of `gavel.training.rl.collapse.collapsed`.
        early_stopping_patience: looks without a better greedy accuracy after which the run ends with its best
            checkpoint; None never does.
    """

    def __init__(
        self,
        run: RunState,
        weight: MixingWeight,
        *,
        on_collapse: str,
        collapse_drop: float,
        collapse_patience: int,
        early_stopping_patience: int | None = None,
    ):
        self.run, self.weight, self.on_collapse = run, weight, on_collapse
        self.drop, self.patience = collapse_drop, collapse_patience
        self.early_stopping_patience = early_stopping_patience

    def __call__(self, past: list[dict], found: dict, step: int) -> dict:
        """What to note beside a look's figures; a noted `ended` ends the training.

        Of several processes the main one decides; `heed` then makes all act alike.

        Args:
            past: earlier looks, in order; `found` is the newest.
            step: rollouts done.
        """
        looks, notes = [*past, found], {}
        if "judge" in found:
            notes["collapsed"] = float(self.collapsed(looks))
        if notes.get("collapsed") and not (past and past[-1].get("collapsed")):
            say(
                f"step {step}: true accuracy has fallen, and the judge does not see it or little is left of it",
                console=True,
            )
            notes |= ACTIONS[self.on_collapse](self, step)
        patience = self.early_stopping_patience
        if patience and not notes.get("ended") and stale(looks, patience):
            notes |= self.rollback(step) | {EARLY: 1.0}
        return notes

    def collapsed(self, looks: list[dict]) -> bool:
        """Whether the looks since lambda was last raised show a collapse."""
        begun = max((i + 1 for i, look in enumerate(looks) if look.get("raised")), default=0)
        return collapsed(looks[begun:], self.drop, self.patience)

    def heed(self, noted: dict) -> None:
        """Do what a look noted."""
        self.weight.least = noted.get("raised", self.weight.least)

    def stop(self, step: int) -> dict:
        say(f"stopped at step {step}", console=True)
        return {"ended": 1.0}

    def rollback(self, step: int) -> dict:
        say(f"stopped at step {step}; the result is the best checkpoint by validation", console=True)
        return {"ended": 1.0}

    def raise_lambda(self, step: int) -> dict:
        lam = self.weight.at(step)
        raised = max(lam, min(HIGHEST, lam + STEP))
        say(f"lambda is at least {raised:g} from step {step} on", console=True)
        return {"raised": raised}

    def resume(self, step: int) -> dict | None:
        """Take up what looks until `step` have noted.

        Returns:
            Where and why the run had ended, as `run.json` has it; None if it had not.
        """
        for look in self.run.looks():
            if look["step"] <= step:
                self.heed(look)
                if look.get("ended"):
                    return {"step": look["step"], "action": EARLY if look.get(EARLY) else self.on_collapse}
        return None


ACTIONS: dict[str, Callable[[Reaction, int], dict]] = {
    "flag": lambda reaction, step: {},
    "stop": Reaction.stop,
    "rollback": Reaction.rollback,
    "raise_lambda": Reaction.raise_lambda,
}
