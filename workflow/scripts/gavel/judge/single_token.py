"""The single-token judge (Shen, Tu, Wang 2026, arXiv 2604.02621): the probability of one word is the reward.

The score is P(Yes) / (P(Yes) + P(No)) at the position after the judging prompt. The published summaries say that the
judge answers in a single token whose probability is the reward; prompt, label words and renormalisation are our choice.
Where the model runs is a back end's business: `judge.local` in this process, `judge.server` over HTTP.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gavel import prompts
from gavel.errors import InputError
from gavel.judge import Verdict
from gavel.judge.cache import Cache
from gavel.judge.phrasings import phrasings

LOG_ODDS_LIMIT = 10.0  # a probability that rounds to 0 or 1 would have infinite log-odds


@dataclass(frozen=True)
class Answer:
    """What a model answers to one judging prompt: the probabilities of the two label words."""

    right: float
    wrong: float
    truncated: bool = False

    @property
    def probability(self) -> float:
        total = self.right + self.wrong
        # Both underflow only when the judge has no opinion at all; it then pays the middle.
        return self.right / total if total > 0 else 0.5


class Backend(Protocol):
    """Where the judge's model runs."""

    identity: str  # of what answers: another model has another one
    tokens_read: int  # of prompts so far, whether computed anew or not

    def answers(
        self, texts: Sequence[str], groups: Sequence[str], progress: Callable[[Iterable], Iterable]
    ) -> list[Answer | None]:
        """One answer a judging prompt, None where none could be had. Prompts of a group share their question."""


SCORES: dict[str, Callable[[float], float]] = {
    "probability": lambda p: p,
    "log-odds": lambda p: max(-LOG_ODDS_LIMIT, min(LOG_ODDS_LIMIT, _log_odds(p))),
    "hard": lambda p: float(p > 0.5),
}


class SingleTokenJudge:
    """A language model that answers with one of two label words.

    Args:
        backend: where the model runs.
        prompt: shipped prompt names or files with the slots `{question}` and `{solution}`; of several phrasings the
            probabilities are averaged. A slot `{labels}` becomes 'Yes or No'.
        labels: the words for right and wrong.
        swap_labels: ask each phrasing in both orders of the slot `{labels}` and average.
        score: what is paid: the `probability`, its `log-odds` (within -10 and 10), or `hard` 0 or 1.
        cache: file that keeps answers, so that none is paid for twice; None keeps nothing.

    Raises:
        InputError: a prompt slot is missing.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        prompt: str | Sequence[str] = "judge",
        labels: Sequence[str] = (" Yes", " No"),
        swap_labels: bool = False,
        score: str = "probability",
        cache: str | None = None,
    ):
        self.backend, self.score = backend, SCORES[score]
        self.templates = phrasings(prompt, labels, swap_labels)
        self.cache = Cache(cache, f"{backend.identity} {list(labels)}") if cache else None
        self.prompts_asked = self.prompts_cached = 0  # so far; those among them that the cache answered

    @property
    def tokens_read(self) -> int:
        """Tokens of judging prompts so far; answers from the cache cost none."""
        return self.backend.tokens_read

    def render(self, question: str, solution: str) -> list[str]:
        """The judging prompt in words, one for each phrasing."""
        return [prompts.fill(template, question=question, solution=solution) for template in self.templates]

    def verdicts(
        self,
        questions: Sequence[str],
        solutions: Sequence[str],
        progress: Callable[[Iterable], Iterable] = iter,
    ) -> list[Verdict]:
        """Score solutions; equal (question, solution) pairs are asked once."""
        pairs = list(zip(questions, solutions, strict=True))
        unique = list(dict.fromkeys(pairs))
        rendered = [self.render(*pair) for pair in unique]
        answers: list[list[Answer | None]] = [[] for _ in unique]
        for texts in zip(*rendered, strict=True):
            found = self._answers(texts, [question for question, _ in unique], progress)
            for row, answer in zip(answers, found, strict=True):
                row.append(answer)
        found = dict(zip(unique, map(self._verdict, answers), strict=True))
        return [found[pair] for pair in pairs]

    def _answers(self, texts: Sequence[str], groups: Sequence[str], progress) -> list[Answer | None]:
        known = self.cache.get(texts) if self.cache else {}
        rest = [i for i, text in enumerate(texts) if text not in known]
        fresh: list[Answer | None] = []
        size = getattr(self.backend, "chunk", None) or max(1, len(rest))
        for part in (rest[start : start + size] for start in range(0, len(rest), size)):
            found = self.backend.answers([texts[i] for i in part], [groups[i] for i in part], progress)
            if self.cache:
                self.cache.put({texts[i]: a for i, a in zip(part, found, strict=True) if a is not None})
            fresh += found
        self.prompts_asked += len(texts)
        self.prompts_cached += len(texts) - len(rest)
        answers = {texts[i]: answer for i, answer in zip(rest, fresh, strict=True)}
        return [Answer(*known[text]) if text in known else answers[text] for text in texts]

    def _verdict(self, answers: Sequence[Answer | None]) -> Verdict:
        if any(answer is None for answer in answers):
            return Verdict(None)
        each = [answer.probability for answer in answers]
        probability = statistics.fmean(each)
        return Verdict(
            self.score(probability),
            statistics.fmean(max(0.0, 1 - answer.right - answer.wrong) for answer in answers),
            any(answer.truncated for answer in answers),
            probability,
            tuple(each) if len(each) > 1 else (),
        )


def make(
    *,
    model: str,
    prompt: str | Sequence[str] = "judge",
    labels: Sequence[str] = (" Yes", " No"),
    swap_labels: bool = False,
    score: str = "probability",
    cache: str | None = None,
    server: dict | None = None,
    **local,
) -> SingleTokenJudge:
    """The judge in this process, or with `server` settings (`gavel.judge.server.ServerBackend`) behind HTTP.

    Raises:
        InputError: model or tokenizer do not load, a prompt slot is missing, a label is not one token, or there is no
            such score.
    """
    if score not in SCORES:
        raise InputError(f"judge.score: {score!r} does not exist; choose one of {', '.join(SCORES)}")
    if isinstance(labels, str) or len(labels) != 2:
        raise InputError(f"judge.labels: {labels!r}; give two words, for right and for wrong")
    common = {"prompt": prompt, "labels": labels, "swap_labels": swap_labels, "score": score, "cache": cache}
    example = prompts.fill(phrasings(prompt, labels, swap_labels)[0], question="What is 1+1?", solution="2")
    if server:
        from gavel.judge.server import ServerBackend

        return SingleTokenJudge(
            ServerBackend(model, labels, example=example, chat=local.get("chat", False), **server), **common
        )
    from gavel.judge.local import LocalBackend

    return SingleTokenJudge(LocalBackend(model, labels, example=example, **local), **common)


def _log_odds(p: float) -> float:
    return math.inf if p >= 1 else -math.inf if p <= 0 else math.log(p / (1 - p))
