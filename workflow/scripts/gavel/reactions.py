"""What a training run does when its monitor calls a collapse: the table of actions."""

from collections.abc import Callable

from transformers import PreTrainedModel

from gavel.collapse import collapsed
from gavel.progress import say
from gavel.rewards import MixedReward
from gavel.training import RunState

# At lambda 1 the unlabelled questions of a mixed run would have no reward at all.
STEP, HIGHEST = 0.25, 0.9


class Reaction:
    """Watches the looks of one run and acts on a collapse.

    Args:
        action: `flag` notes it; `stop` ends the run there; `rollback` ends it with the best checkpoint by validation
            as its result; `raise_lambda` gives the labels more weight (by `STEP`, up to `HIGHEST`) and goes on.
        drop, patience: of `gavel.collapse.collapsed`.
    """

    def __init__(self, action: str, drop: float, patience: int, run: RunState, reward: MixedReward):
        self.action, self.drop, self.patience = action, drop, patience
        self.run, self.reward = run, reward

    def collapsed(self, looks: list[dict]) -> bool:
        """Whether the looks since lambda was last raised show a collapse."""
        begun = max((i + 1 for i, look in enumerate(looks) if look.get("raised")), default=0)
        return collapsed(looks[begun:], self.drop, self.patience)

    def __call__(self, model: PreTrainedModel, step: int) -> dict:
        return ACTIONS[self.action](self, model, step)

    def stop(self, model: PreTrainedModel, step: int) -> dict:
        say(f"stopped at step {step}", console=True)
        return {"ended": 1.0}

    def rollback(self, model: PreTrainedModel, step: int) -> dict:
        say(f"stopped at step {step}; the result is the best checkpoint by validation", console=True)
        return {"ended": 1.0}

    def raise_lambda(self, model: PreTrainedModel, step: int) -> dict:
        self.reward.lam = max(self.reward.lam, min(HIGHEST, self.reward.lam + STEP))
        say(f"lambda is {self.reward.lam:g} from step {step} on", console=True)
        return {"raised": self.reward.lam}

    def resume(self, step: int) -> int | None:
        """Take up what looks until `step` have noted; the step at which the run had ended, if it had."""
        for row in self.run.checks.rows():
            if row["step"] <= step:
                self.reward.lam = row["metrics"].get("validation/raised", self.reward.lam)
                if row["metrics"].get("validation/ended"):
                    return row["step"]
        return None


ACTIONS: dict[str, Callable[[Reaction, PreTrainedModel, int], dict]] = {
    "flag": lambda reaction, model, step: {},
    "stop": Reaction.stop,
    "rollback": Reaction.rollback,
    "raise_lambda": Reaction.raise_lambda,
}
