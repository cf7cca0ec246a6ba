"""How much the labels count: the weight lambda, over a run and in one completion's reward."""


def mix(v: float | None, j: float | None, lam: float, labeled: bool | None = None) -> float | None:
    """One completion's reward from its parts.

    Labelled question: `lam * v + (1 - lam) * j`. Unlabelled question (`v` is None): `j`. A part whose weight is 0 is
    not looked at; a part that is needed and missing makes the reward None, never 0. The published summaries of
    arXiv 2604.02621 give the weight's role, not the formula: this is our reading.

    Args:
        v: verifiable reward in [0, 1], None for an unlabelled question, or where a solution could not be verified.
        j: judge's score, None where the judge could not be asked; in [0, 1] unless `judge.score` is log-odds, whose
            range (-10 to 10) then outweighs `v` at any weight but a large one.
        lam: weight of the verifiable reward, in [0, 1].
        labeled: whether the question has a label; by default it has one where `v` is there.

    Raises:
        ValueError: `lam` outside [0, 1].
    """
    if not 0 <= lam <= 1:
        raise ValueError(f"lambda={lam} is outside [0, 1]")
    if lam == 0 or (v is None and not labeled):
        return j
    if lam == 1:
        return v
    return None if v is None or j is None else lam * v + (1 - lam) * j


class MixingWeight:
    """Lambda over the rollouts of one run.

    It moves linearly from `start` to the cell's own value and stays there; a monitor may raise it for good. At 0 and 1
    it is constant whatever `start` says: those cells are the baselines that read no answer and ask no judge.

    Args:
        own: the grid cell's lambda, in [0, 1].
        start: lambda of the first rollout; None starts at `own`.
        steps: the rollout (counted from 1) that first has `own`.

    Attributes:
        least: what a monitor has raised it to; it is never below that again.
    """

    def __init__(self, own: float, start: float | None = None, steps: int = 1):
        self.own, self.steps, self.least = own, steps, 0.0
        self.start = own if start is None or own in (0, 1) else start

    def at(self, step: int) -> float:
        """Lambda of a rollout, counted from 0."""
        moved = min(1.0, step / (self.steps - 1)) if self.steps > 1 else 1.0
        return max(self.least, self.start + moved * (self.own - self.start))

    @property
    def constant(self) -> bool:
        return self.start == self.own and self.least <= self.own
