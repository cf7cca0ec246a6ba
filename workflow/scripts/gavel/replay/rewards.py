"""The rewards of a run's rollouts under another judge, another lambda or another verifier."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gavel.data.gold import Question
from gavel.data.rollouts import RolloutRow
from gavel.judge.verdict import Judge
from gavel.judge.verdict import rewards as judge_rewards
from gavel.replay.steps import Rollout
from gavel.solutions.verifier import verify
from gavel.training.rl.reward_terms import add_terms
from gavel.training.rl.rewards import RewardRules, center_scores, mix, penalize_length, verifiable_reward

# Responses and gold answers -> whether each response is correct; None where that could not be decided.
Verifier = Callable[[Sequence[str], Sequence[str]], Sequence[bool | None]]


@dataclass(frozen=True)
class Reward:
    """The reward of a replay; None everywhere is the run's own.

    Attributes:
        judge: scores the completions; None takes the scores that the run has kept.
        truth: correctness is the judge's score, missing where it is unknown.
        lam: lambda; None takes that of each rollout.
        verifier: decides for the verifiable reward; None is the project's own.
    """

    judge: Judge | None = None
    truth: bool = False
    lam: float | None = None
    verifier: Verifier | None = None


class Truth:
    """The verifier's verdicts on completions, each distinct one verified once."""

    def __init__(self, questions: Mapping[str, Question], rules: RewardRules):
        self.questions, self.rules = questions, rules
        self._known: dict[tuple[str, str], tuple[bool | None, bool]] = {}

    def verdicts(self, rows: Sequence[RolloutRow]) -> tuple[list[bool | None], list[bool]]:
        """Whether each completion is correct (None without a gold answer, or if its program did not run), and whether
        it has an answer."""
        keys = [(str(row["id"]), row["response"]) for row in rows]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        known = [(key, gold) for key in new if (gold := self.questions[key[0]].gold) is not None]
        self._known |= dict.fromkeys(new, (None, False))
        if known:
            answers, correct = verify(
                [text for (_, text), _ in known], [gold for _, gold in known], self.rules.format, self.rules.answer_type
            )
            found = zip(known, answers, correct, strict=True)
            self._known |= {key: (right, answer is not None) for (key, _), answer, right in found}
        right, answered = zip(*(self._known[key] for key in keys), strict=True)
        return list(right), list(answered)


def replay(
    rollouts: Iterable[list[RolloutRow]],
    run_lambda: float,
    questions: Mapping[str, Question],
    truth: Truth,
    reward: Reward,
) -> Iterator[Rollout]:
    """Yield each rollout with its original reward and the replayed one.

    The judge gets a rollout's completions together and in order, as in training, so that a pairwise judge compares the
    same ones.

    Args:
        run_lambda: of the run; at 0 it used no label.
        questions: id -> question, for every question of the rollouts.
    """
    lam = reward.lam
    for rows in rollouts:
        right, answered = truth.verdicts(rows)
        yield Rollout(
            rows[0]["step"],
            [str(row["id"]) for row in rows],
            [row["group"] for row in rows],
            [row["reward"] for row in rows],
            _replayed(rows, run_lambda if lam is None else lam, questions, right, answered, truth.rules, reward),
            right,
        )


def _replayed(
    rows: Sequence[RolloutRow],
    run_lambda: float,
    questions: Mapping[str, Question],
    right: Sequence[bool | None],
    answered: Sequence[bool],
    rules: RewardRules,
    reward: Reward,
) -> list[float | None]:
    texts, asked = [row["response"] for row in rows], [questions[str(row["id"])] for row in rows]
    uses_label = [row["labeled"] and run_lambda > 0 for row in rows]
    scores = [row["judge"] for row in rows]
    lams = [row["lambda"] if reward.lam is None else reward.lam for row in rows]
    if reward.truth:
        scores = [None if one is None else float(one) for one in right]
    elif reward.judge is not None and any(lam < 1 or not uses for lam, uses in zip(lams, uses_label, strict=True)):
        scores = judge_rewards(reward.judge, reward.judge.verdicts([one.text for one in asked], texts))
    labeled = [place for place, uses in enumerate(uses_label) if uses]
    if reward.verifier is not None and labeled:
        found = reward.verifier([texts[place] for place in labeled], [str(asked[place].gold) for place in labeled])
        right = list(right)
        for place, verdict in zip(labeled, found, strict=True):
            right[place] = verdict
    verifiable = [
        verifiable_reward("an answer" if has or ok else None, ok, rules.partial) if uses and ok is not None else None
        for uses, ok, has in zip(uses_label, right, answered, strict=True)
    ]
    judged = center_scores(scores, [one.text for one in asked]) if rules.center_judge else scores
    mixed = [
        mix(value, score, lam, uses)
        for value, score, lam, uses in zip(verifiable, judged, lams, uses_label, strict=True)
    ]
    if rules.per_token:
        mixed = penalize_length(mixed, [range(row["tokens"]) for row in rows], rules.per_token)
    return add_terms(mixed, [row["terms"] for row in rows], rules.weights)
