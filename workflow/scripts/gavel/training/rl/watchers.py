"""Judges that watch a run: they score the monitor's samples beside the judge, and never reward.

A policy that learns what its own judge wrongly accepts gains nothing with another judge, so the scores of the two
diverge. That shows without a label (`gavel.training.rl.validation_rules.watch_alarms`).
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from gavel.judge import load
from gavel.judge.verdict import Judge, Verdict
from gavel.training import distributed
from gavel.training.rl.validation_rules import AGREEMENT, WATCH

TOKENS = "watcher_tokens"


class Watchers:
    """The watching judges of a run, by name."""

    def __init__(self, judges: Mapping[str, Judge]):
        self.judges = judges

    def __call__(
        self, questions: Sequence[str], responses: Sequence[str], accepted: Sequence[bool | None]
    ) -> dict[str, float]:
        """Score one response `(N,)` to each question.

        Args:
            accepted: whether the judge accepts each response; None where that is unknown, as with a pairwise judge.

        Returns:
            For each watching judge `watch_<name>`, its mean probability that a response is correct, and
            `agreement_<name>`, the fraction of responses that both judges accept or both reject. A judge without
            answers has neither; without known `accepted` there is no agreement. `watcher_tokens` are those of all.
        """
        found: dict[str, float] = {}
        tokens = 0
        for name, judge in self.judges.items():
            before = judge.usage
            verdicts = judge.verdicts(questions, responses)
            tokens += judge.usage.since(before).tokens
            found |= _columns(name, verdicts, accepted)
        return found | {TOKENS: tokens}


def _columns(name: str, verdicts: Sequence[Verdict], accepted: Sequence[bool | None]) -> dict[str, float]:
    known = [
        (verdict.probability, verdict.says_right, yes)
        for verdict, yes in zip(verdicts, accepted, strict=True)
        if verdict.probability is not None
    ]
    if not known:
        return {}
    both = [says_right == yes for _, says_right, yes in known if yes is not None]
    found = {WATCH + name: statistics.fmean(probability for probability, _, _ in known)}
    return found | ({AGREEMENT + name: statistics.fmean(both)} if both else {})


def load_watchers(settings: Mapping[str, dict[str, Any]], cache: str) -> Watchers | None:
    """The watching judges, in the process that validates; None in the others, and without any.

    Args:
        settings: name -> keyword arguments of `gavel.judge.load.load`.
        cache: file that keeps their answers; keys tell judges apart, so all judges of a run can share it.

    Raises:
        InputError: a judge does not load; the message names it.
    """
    if not settings or not distributed.is_main():
        return None
    kept = {"cache": cache}
    return Watchers(
        {
            name: load.load_named(f"judge.watch.{name}", own | ({} if own.get("cache") == "off" else kept))
            for name, own in settings.items()
        }
    )
