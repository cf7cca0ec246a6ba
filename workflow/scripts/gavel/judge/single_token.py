"""The single-token judge (Shen, Tu, Wang 2026, arXiv 2604.02621): the probability of one word is the reward.

The score is P(Yes) / (P(Yes) + P(No)) at the position after the judging prompt. According to the published summaries,
the judge answers in a single token whose probability is the reward. Prompt, label words and renormalisation are our
choice.
"""

import copy
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from gavel.judge.backends.base import Backend, LabelProbabilities
from gavel.judge.kinds import KINDS
from gavel.judge.label_judge import LabelJudge, build_judge, check_choices
from gavel.judge.prompting import REFERENCE, Prompt, phrasings, render
from gavel.judge.verdict import Verdict

KIND = KINDS["single-token"]
LOG_ODDS_LIMIT = 10.0  # a probability that rounds to 0 or 1 would have infinite log-odds


SCORES: dict[str, Callable[[float], float]] = {
    "probability": lambda p: p,
    "log-odds": lambda p: max(-LOG_ODDS_LIMIT, min(LOG_ODDS_LIMIT, _log_odds(p))),
    "hard": lambda p: float(p > 0.5),
}


class SingleTokenJudge(LabelJudge):
    """A language model that answers with one of two label words.

    Args:
        backend: where the model runs.
        prompt: shipped prompt names or files with the slots `{question}` and `{solution}`; probabilities are averaged
            over several phrasings. A slot `{labels}` becomes 'Yes or No'.
        labels: the label words for a correct and an incorrect solution.
        swap_labels: ask each phrasing with both orders in the slot `{labels}` and average.
        score: the reward: the `probability`, its `log-odds` (from -10 to 10), or `hard` 0 or 1.
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
        swap_labels: bool = False,
        score: str = KIND.scores[0],
        reasons: bool = False,
        cache: str | None = None,
    ):
        super().__init__(backend, labels, cache)
        self.score = SCORES[score]
        self.score_range = (-LOG_ODDS_LIMIT, LOG_ODDS_LIMIT) if score == "log-odds" else (0.0, 1.0)
        self.templates = phrasings(prompt, labels, swap_labels, KIND.slots, reasons)
        self.swap_labels = swap_labels
        self.references: Mapping[str, str] | None = None

    def with_reference(self, prompt: str, references: Mapping[str, str]) -> Self:
        """The same judge, which also reads the gold answer: an upper bound, for questions with a label.

        Args:
            prompt: as in `SingleTokenJudge`, with the slot `{reference}` too.
            references: question -> gold answer, for all questions that it will be asked about.

        Raises:
            InputError: a prompt slot is missing.
        """
        judge, slots = copy.copy(self), (*KIND.slots, REFERENCE)
        reasons, key = self.reasoner is not None, "judge.reference_prompt"
        judge.templates = phrasings(prompt, self.labels, self.swap_labels, slots, reasons, key)
        judge.references, judge.first_prompt = references, None
        return judge

    def render(self, question: str, solution: str) -> list[Prompt]:
        """The filled-in judging prompt, one for each phrasing."""
        values = {"question": question, "solution": solution}
        if self.references is not None:
            values[REFERENCE] = self.references[question]
        return [render(template, **values) for template in self.templates]

    def verdicts(
        self,
        questions: Sequence[str],
        solutions: Sequence[str],
    ) -> list[Verdict]:
        """Score solutions; equal (question, solution) pairs are asked once."""
        pairs = list(zip(questions, solutions, strict=True))
        unique = list(dict.fromkeys(pairs))
        rendered = [self.render(*pair) for pair in unique]
        answers: list[list[LabelProbabilities | None]] = [[] for _ in unique]
        for texts in zip(*rendered, strict=True):
            found = self.answers(texts, [question for question, _ in unique])
            for row, answer in zip(answers, found, strict=True):
                row.append(answer)
        verdicts = dict(zip(unique, map(self._verdict, answers), strict=True))
        return [verdicts[pair] for pair in pairs]

    def _verdict(self, answers: Sequence[LabelProbabilities | None]) -> Verdict:
        known = [answer for answer in answers if answer is not None]
        if len(known) < len(answers):
            return Verdict(None)
        each = [answer.probability for answer in known]
        probability = statistics.fmean(each)
        return Verdict(
            self.score(probability),
            statistics.fmean(answer.off_label for answer in known),
            any(answer.truncated for answer in known),
            probability,
            tuple(each) if len(each) > 1 else (),
        )


def make_judge(*, labels: Sequence[str], score: str, swap_labels: bool = False, **settings: Any) -> SingleTokenJudge:
    """Make the judge; the settings are those of `gavel.judge.label_judge.build_judge`.

    Raises:
        InputError: as there, or the score does not exist.
    """
    check_choices(labels, score, SCORES, "right and for wrong")
    own = {"score": score, "swap_labels": swap_labels}
    return build_judge(SingleTokenJudge, KIND, labels=labels, own=own, **settings)


def _log_odds(p: float) -> float:
    return math.inf if p >= 1 else -math.inf if p <= 0 else math.log(p / (1 - p))
