"""How a training run reacts to its validations: the table of actions, and early stopping."""

from collections.abc import Callable
from typing import Any

from gavel.common.log import info
from gavel.training.records import EarlyEnd
from gavel.training.rl.rewards import LambdaSchedule
from gavel.training.rl.settings import ValidationSettings
from gavel.training.rl.validation_rules import ALARM, has_collapsed, has_stalled, watch_alarms
from gavel.training.state import RunState

# `HIGHEST` is below 1, where the unlabelled questions of a run with mixed reward would have no reward at all.
STEP, HIGHEST = 0.25, 0.9
EARLY = "early_stop"
ROLLS_BACK = ("rollback", EARLY)  # the run's result is then its best checkpoint by validation


class CollapseHandler:
    """Follows the validations of one run and acts on a collapse, or when the policy stops improving.

    Args:
        run: its best checkpoint is a rollback's result, and its journal records the actions before a resume.
        schedule: lambda over the run, which an action may raise.
        rules: what a collapse is, and what to do on it: `flag` records it; `stop` ends the run there; `rollback` ends
            it with the best checkpoint by validation; `raise_lambda` raises lambda (by `STEP`, up to `HIGHEST`) and
            continues. Early stopping ends the run with its best checkpoint.
    """

    def __init__(self, run: RunState, schedule: LambdaSchedule, rules: ValidationSettings):
        self.run, self.schedule, self.rules = run, schedule, rules

    def __call__(self, past: list[dict[str, Any]], found: dict[str, Any], step: int) -> dict[str, Any]:
        """Entries to add to a validation's metrics; an entry `ended` ends the training.

        With several processes the main one decides; `apply` then makes all act alike.

        Args:
            past: earlier validations, in order; `found` is the newest.
            step: number of finished rollouts.
        """
        validations, notes = [*past, found], {}
        if "judge" in found:
            notes["collapsed"] = float(self.has_collapsed(validations))
        if notes.get("collapsed") and not (past and past[-1].get("collapsed")):
            info(
                f"step {step}: true accuracy has fallen, and the judge does not reflect it or little accuracy is left",
                console=True,
            )
            notes |= ACTIONS[self.rules.on_collapse](self, step)
        notes |= self.watch_alarms(validations, step)
        patience = self.rules.early_stopping_patience
        if patience and not notes.get("ended") and has_stalled(validations, patience):
            notes |= self.rollback(step) | {EARLY: 1.0}
        return notes

    def has_collapsed(self, validations: list[dict[str, Any]]) -> bool:
        """Whether the validations since lambda was last raised show a collapse."""
        return has_collapsed(_since_raised(validations), self.rules.collapse_drop, self.rules.collapse_patience)

    def watch_alarms(self, validations: list[dict[str, Any]], step: int) -> dict[str, float]:
        """The alarms of the judges that watch, since lambda was last raised; they are logged, and change nothing."""
        alarms = watch_alarms(_since_raised(validations), self.rules.collapse_drop, self.rules.collapse_patience)
        before = validations[-2] if len(validations) > 1 else {}
        for name in (alarm for alarm, on in alarms.items() if on and not before.get(alarm)):
            info(
                f"step {step}: alarm without labels: the mean score of the watching judge {name.removeprefix(ALARM)} "
                "has fallen and the judge's has not, or less than half of it is left",
                console=True,
            )
        return alarms

    def apply(self, noted: dict[str, Any]) -> None:
        """Act on a validation's entries."""
        if "raised" in noted:
            self.schedule.raise_to(noted["raised"])

    def stop(self, step: int) -> dict[str, Any]:
        info(f"stopped at step {step}", console=True)
        return {"ended": 1.0}

    def rollback(self, step: int) -> dict[str, Any]:
        info(f"stopped at step {step}; the result is the best checkpoint by validation", console=True)
        return {"ended": 1.0}

    def raise_lambda(self, step: int) -> dict[str, Any]:
        lam = self.schedule.at(step)
        raised = max(lam, min(HIGHEST, lam + STEP))
        info(f"lambda is at least {raised:g} from step {step} on", console=True)
        return {"raised": raised}

    def resume(self, step: int) -> EarlyEnd | None:
        """Apply the entries of the validations up to `step`.

        Returns:
            Where and why the run had ended, as in `run.json`; None if it had not.
        """
        for row in self.run.validations():
            if row["step"] <= step:
                self.apply(row)
                if row.get("ended"):
                    return {"step": row["step"], "action": EARLY if row.get(EARLY) else self.rules.on_collapse}
        return None


def _since_raised(validations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The validations since lambda was last raised."""
    start = max((i + 1 for i, row in enumerate(validations) if row.get("raised")), default=0)
    return validations[start:]


ACTIONS: dict[str, Callable[[CollapseHandler, int], dict[str, Any]]] = {
    "flag": lambda handler, step: {},
    "stop": CollapseHandler.stop,
    "rollback": CollapseHandler.rollback,
    "raise_lambda": CollapseHandler.raise_lambda,
}
