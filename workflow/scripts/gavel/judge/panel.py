"""A panel: several judges of single responses as one judge.

Its score is the members' mean, their minimum, or their mean less a penalty for disagreement: a policy that learns what
one member wrongly accepts gains little while the others reject it.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gavel.judge import load
from gavel.judge.verdict import Judge, Usage, Verdict

# Name -> the score from the members' probabilities and the penalty; limited to [0, 1] afterwards.
COMBINE: dict[str, Callable[[Sequence[float], float], float]] = {
    "mean": lambda each, penalty: statistics.fmean(each),
    "minimum": lambda each, penalty: min(each),
    "mean-less-disagreement": lambda each, penalty: statistics.fmean(each) - penalty * statistics.pstdev(each),
}


class Panel(Judge):
    """Asks every member about every response.

    A response that any member could not judge has no score, because a score of fewer members is another score.

    Args:
        members: name -> a judge of single responses.
        combine: a key of `COMBINE`.
        penalty: of the members' standard deviation.
    """

    score_range = (0.0, 1.0)

    def __init__(self, members: Mapping[str, Judge], combine: str = "mean", penalty: float = 1.0):
        self.members, self.combine, self.penalty = dict(members), COMBINE[combine], penalty

    @property
    def usage(self) -> Usage:
        """The sum over the members."""
        return Usage(*map(sum, zip(*(member.usage for member in self.members.values()), strict=True)))

    def verdicts(self, questions: Sequence[str], solutions: Sequence[str]) -> list[Verdict]:
        """A verdict's `phrasings` are the members' probabilities, in order."""
        each = [member.verdicts(questions, solutions) for member in self.members.values()]
        self.first_prompt = next((member.first_prompt for member in self.members.values() if member.first_prompt), None)
        return [self._verdict(verdicts) for verdicts in zip(*each, strict=True)]

    def _verdict(self, verdicts: Sequence[Verdict]) -> Verdict:
        each = [verdict.probability for verdict in verdicts if verdict.probability is not None]
        if len(each) < len(verdicts):
            return Verdict(None)
        score = min(1.0, max(0.0, self.combine(each, self.penalty)))
        off_label = statistics.fmean(verdict.off_label for verdict in verdicts)
        return Verdict(score, off_label, any(verdict.truncated for verdict in verdicts), phrasings=tuple(each))


def make_judge(
    *,
    panel: Mapping[str, Any],
    cache: str | None = None,
    batch_tokens: int | None = None,
    answers: Sequence[str] = (),
    **unused: Any,
) -> Panel:
    """The judge of the config's `judge.panel`; `unused` are settings that a panel has no use for.

    Args:
        panel: `combine`, `penalty`, and `members`: name -> keyword arguments of `gavel.judge.load.load`.
        cache: file that keeps the members' answers; its keys tell them apart.
        batch_tokens: of every member.
        answers: files with gold answers, for simulated members.

    Raises:
        InputError: a member does not load; the message names it.
    """
    shared: dict[str, Any] = {"cache": cache or "off"} | ({"batch_tokens": batch_tokens} if batch_tokens else {})
    members = {
        name: load.load_named(f"judge.panel.judges.{name}", own | shared | _known(own, answers))
        for name, own in panel["members"].items()
    }
    return Panel(members, panel["combine"], panel["penalty"])


def _known(member: Mapping[str, Any], answers: Sequence[str]) -> dict[str, Any]:
    """The gold answers, if the member is simulated."""
    return {"answers": answers} if "simulated" in member else {}
