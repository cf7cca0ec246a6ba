"""The pairwise judge: which of two solutions of a question is better? No ties; both orders are asked and averaged.

As in the reward reasoning models of Guo et al. 2025 (arXiv 2505.14674; we have read the abstract and reviews) the judge
sees a question and exactly two solutions. Ours answers in one token, directly or after a reasoning
(`gavel.judge.backends.reasoning`). Its reward comes from a round robin of a question's solutions
(`gavel.judge.tournaments`), so it ranks a solution within its group and says nothing about a single one.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gavel.common.errors import InputError
from gavel.judge import tournaments
from gavel.judge.backends.base import Backend, LabelProbabilities
from gavel.judge.kinds import KINDS
from gavel.judge.label_judge import LabelJudge, build_judge, check_choices
from gavel.judge.prompting import Prompt, phrasings, render
from gavel.judge.tournaments import SCORES
from gavel.judge.verdict import Comparison, Match, Verdict

KIND = KINDS["pairwise"]


class PairwiseJudge(LabelJudge):
    """A language model that answers with the label word of the better solution.

    Args:
        backend: where the model runs.
        prompt: shipped prompt names or files with the slots `{question}`, `{first}` and `{second}`; probabilities are
            averaged over several phrasings. A slot `{labels}` becomes 'A or B'.
        labels: the label words for the first and the second solution.
        score: the reward, `win-rate` or `elo` (`gavel.judge.tournaments.SCORES`).
        reasons: the back end reasons first (`gavel.judge.backends.reasoning`), in the prompts' slot `{reasoning}`.
        cache: file that keeps answers, so that no prompt is asked twice; None keeps nothing.

    Raises:
        InputError: a prompt slot is missing.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        prompt: str | Sequence[str] = KIND.prompt,
        labels: Sequence[str] = KIND.labels,
        score: str = KIND.scores[0],
        reasons: bool = False,
        cache: str | None = None,
    ):
        super().__init__(backend, labels, cache)
        self.score, self.score_range = SCORES[score], (0.0, 1.0)
        self.templates = phrasings(prompt, labels, False, KIND.slots, reasons)

    def render(self, question: str, first: str, second: str) -> list[Prompt]:
        """The filled-in judging prompt, one for each phrasing."""
        return [render(template, question=question, first=first, second=second) for template in self.templates]

    def verdicts(
        self,
        questions: Sequence[str],
        solutions: Sequence[str],
    ) -> list[Verdict]:
        """As in `gavel.judge.tournaments.verdicts`: n solutions of a question cost n(n-1) prompts for each phrasing."""
        return tournaments.verdicts(self, questions, solutions, self.score)

    def compare(self, matches: Sequence[Match]) -> list[Comparison | None]:
        """As in `gavel.judge.verdict.Comparer`: two prompts for each match and phrasing, all in one batch."""
        orders = [order for q, a, b in matches for order in ((q, a, b), (q, b, a))]
        rendered = {order: self.render(*order) for order in dict.fromkeys(orders)}
        # The prompts of a first solution share everything before the second one, which is computed once. A first
        # solution with one opponent shares only the question with the other prompts.
        opponents = Counter(order[:2] for order in rendered)
        prefixes = {
            text: (place, *order[: 2 if opponents[order[:2]] > 1 else 1])
            for order, own in rendered.items()
            for place, text in enumerate(own)
        }
        texts = list(prefixes)
        known = dict(zip(texts, self.answers(texts, list(prefixes.values())), strict=True))
        answers = [[known[text] for text in rendered[order]] for order in orders]
        return [_comparison(ahead, behind) for ahead, behind in zip(answers[::2], answers[1::2], strict=True)]


def _comparison(
    ahead: Sequence[LabelProbabilities | None], behind: Sequence[LabelProbabilities | None]
) -> Comparison | None:
    """The comparison, from the answers with the match's first solution shown first (`ahead`) and second (`behind`)."""
    known = [[answer for answer in answers if answer is not None] for answers in (ahead, behind)]
    both = [*known[0], *known[1]]
    if len(both) < len(ahead) + len(behind):
        return None
    p, q = (statistics.fmean(answer.probability for answer in answers) for answers in known)
    return Comparison(
        probability=(p + 1 - q) / 2,
        first=(p + q) / 2,
        flipped=(p - 0.5) * (q - 0.5) > 0,
        off_label=statistics.fmean(answer.off_label for answer in both),
        truncated=any(answer.truncated for answer in both),
    )


def make_judge(*, labels: Sequence[str], score: str, swap_labels: bool = False, **settings: Any) -> PairwiseJudge:
    """Make the judge; the settings are those of `gavel.judge.label_judge.build_judge`.

    Raises:
        InputError: as there, or the score does not exist, or `swap_labels` is set.
    """
    if swap_labels:
        raise InputError("judge.prompting.swap_labels: a pairwise judge swaps the solutions instead; leave it out")
    check_choices(labels, score, SCORES, "the first and for the second solution")
    return build_judge(PairwiseJudge, KIND, labels=labels, own={"score": score}, **settings)
