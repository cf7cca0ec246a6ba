"""Rewards: the verifiable one, and the mix with the judge's. The only place where the two meet."""

import statistics
from collections.abc import Sequence

from gavel import distributed
from gavel.answers import verify
from gavel.errors import InputError
from gavel.judge import Judge


def verifiable(answer: str | None, correct: bool, partial: float = 0.1) -> float:
    """1 for a right answer, `partial` for a wrong one, 0 for none (ReFT, Luong et al. 2024, pays 0.1)."""
    if answer is None:
        return 0.0
    return 1.0 if correct else partial


def mix(v: float | None, j: float | None, lam: float) -> float | None:
    """One completion's reward from its parts.

    Labelled question: `lam * v + (1 - lam) * j`. Unlabelled question (`v` is None): `j`. A part whose weight is 0 is
    not looked at; a part that is needed and missing makes the reward None, never 0. The published summaries of
    arXiv 2604.02621 give the weight's role, not the formula: this is our reading.

    Args:
        v: verifiable reward in [0, 1], None for an unlabelled question.
        j: judge's score, None where the judge could not be asked; in [0, 1] unless `judge.score` is log-odds, whose
            range (-10 to 10) then outweighs `v` at any weight but a large one.
        lam: weight of the verifiable reward, in [0, 1].

    Raises:
        ValueError: `lam` outside [0, 1].
    """
    if not 0 <= lam <= 1:
        raise ValueError(f"lambda={lam} is outside [0, 1]")
    if v is None or lam == 0:
        return j
    if lam == 1:
        return v
    return None if j is None else lam * v + (1 - lam) * j


class MixedReward:
    """The one reward function that a TRL trainer gets.

    TRL would score a missing part of several reward functions as 0, so the mix is made here. Each call is one rollout;
    means and spreads of the parts are logged for labelled and unlabelled questions apart.

    Args:
        lam: weight of the verifiable reward; at 1 the judge is never asked, at 0 no answer is ever read.
        judge: may be None only at `lam` 1.
        solution_format: `program` or `text`.
        partial: reward of a wrong answer.
        max_missing: share of None rewards above which the rollout must not move the policy (`skip` is then True).
        max_skipped: more such rollouts in a row than this end the job: the judge is gone, not busy.
    """

    __name__ = "mixed"

    def __init__(
        self,
        *,
        lam: float,
        judge: Judge | None,
        solution_format: str,
        partial: float,
        max_missing: float,
        max_skipped: int = 3,
    ):
        if judge is None and lam < 1:
            raise ValueError(f"lambda={lam} needs a judge")
        self.lam, self.judge, self.format, self.partial = lam, judge, solution_format, partial
        self.max_missing, self.max_skipped = max_missing, max_skipped
        self.skip, self.skipped = False, 0  # this rollout; rollouts in a row

    def __call__(self, completions: Sequence[str], question: Sequence[str], answer: Sequence[str | None], **trl):
        """Rewards `(N,)` for completions of questions; `answer` is None where a question has no label."""
        v = self._verifiable(completions, answer)
        j: list[float | None] = [None] * len(completions)
        if self.lam < 1:
            j = [verdict.score for verdict in self.judge.verdicts(question, completions)]
        rewards = [mix(v_i, j_i, self.lam) for v_i, j_i in zip(v, j, strict=True)]
        missing = distributed.mean(sum(reward is None for reward in rewards) / len(rewards))
        self.skip = missing > self.max_missing
        self.skipped = self.skipped + 1 if self.skip else 0
        if self.skipped > self.max_skipped:
            raise InputError(
                f"the judge could not be asked: {missing:.0%} of the rewards are missing, and too many were in "
                f"{self.skipped} steps in a row (the log says why); the same command goes on from the last checkpoint"
            )
        if log := trl.get("log_metric"):
            log("missing", missing)
            if asked := getattr(self.judge, "prompts_asked", 0):
                log("judge_cached", self.judge.prompts_cached / asked)
            pools = trl.get("labeled", [gold is not None for gold in answer])
            for name, values in (("judge", j), ("verifiable", v), ("reward", rewards)):
                for pool in (True, False):
                    part = [x for x, labeled in zip(values, pools, strict=True) if labeled == pool and x is not None]
                    if part:
                        suffix = "labeled" if pool else "unlabeled"
                        log(f"{name}_{suffix}", statistics.fmean(part))
                        log(f"{name}_{suffix}_std", statistics.pstdev(part))
        return rewards

    def _verifiable(self, completions: Sequence[str], answer: Sequence[str | None]) -> list[float | None]:
        values: list[float | None] = [None] * len(completions)
        if self.lam == 0:
            return values
        rows = [i for i, gold in enumerate(answer) if gold is not None]
        answers, correct = verify([completions[i] for i in rows], [answer[i] for i in rows], self.format)
        for i, found, right in zip(rows, answers, correct, strict=True):
            values[i] = verifiable(found, right, self.partial)
        return values
