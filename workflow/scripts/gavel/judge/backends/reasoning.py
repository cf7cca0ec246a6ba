"""Reasoning before the verdict (chain of thought), around any back end and under any kind of judge.

As in the reward reasoning models of Guo et al. 2025 (arXiv 2505.14674; we have read the abstract and reviews) the model
reasons first and then gives its verdict, and several reasonings may vote. Ours reads the verdict from the probabilities
of the label words after the reasoning, where the prompt puts the verdict. A reasoning that runs out of tokens therefore
has a verdict too, and none has to be parsed. The same model without reasoning is their DirectJudge.
"""

import copy
import statistics
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Literal, Self

from gavel.judge.backends.base import Backend, LabelProbabilities, Writer
from gavel.judge.prompting import Prompt
from gavel.judge.verdict import MIN_KNOWN

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_NEW_TOKENS = 512


class Reasoning(Backend):
    """A back end that lets another one reason before it answers.

    Args:
        writer: where the model runs.
        max_new_tokens: token budget of one reasoning.
        samples: independent reasonings for each prompt.
        temperature: of sampling; 0 takes the likeliest token and allows only one sample.
        vote: how several verdicts are combined: the `mean` of their probabilities, or the `majority`, the fraction of
            verdicts for a label word (an even verdict counts half for each).
        seed: of sampling, together with the prompt.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        max_new_tokens: int = MAX_NEW_TOKENS,
        samples: int = 1,
        temperature: float = 0.7,
        vote: Literal["mean", "majority"] = "mean",
        seed: int = 0,
    ):
        self.writer, self.samples, self.vote = writer, samples, vote
        self.max_new_tokens, self.temperature, self.seed = max_new_tokens, temperature, seed
        self.chunk = writer.chunk

    def with_model(self, model: "PreTrainedModel") -> Self:
        """The same back end around another model in this process."""
        backend = copy.copy(self)
        backend.writer = self.writer.with_model(model)
        return backend

    @property
    def identity(self) -> str:
        sampling = [
            ("max_new_tokens", self.max_new_tokens),
            ("seed", self.seed),
            ("temperature", self.temperature),
        ]
        return f"{self.writer.identity} reasoning {self.samples} {self.vote} {sampling}"

    @property
    def tokens_read(self) -> int:
        return self.writer.tokens_read

    @property
    def tokens_written(self) -> int:
        return self.writer.tokens_written

    def shown(self, text: Prompt) -> str:
        """As in `gavel.judge.backends.base.Backend`, without a reasoning."""
        return self.writer.shown(text)

    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> list[LabelProbabilities | None]:
        """As in `gavel.judge.backends.base.Backend`.

        Raises:
            ValueError: a prompt has no place for a reasoning.
        """
        pairs = [text for text in texts if not isinstance(text, str)]
        if len(pairs) < len(texts):
            raise ValueError("a prompt has no place for a reasoning")
        written = self.reason(pairs)
        asked: list[Prompt] = []
        prefixes: list[Hashable] = []
        for place, ((prompt, _), own) in enumerate(zip(pairs, written, strict=True)):
            known = [(prompt, text) for text in own if text is not None]
            asked += known
            prefixes += [groups[place] if self.samples == 1 else place] * len(known)
        answers = iter(self.writer.answers(asked, prefixes) if asked else ())
        voted = [self._voted(list(islice(answers, sum(text is not None for text in own)))) for own in written]
        cut_off = self.writer.truncates([prompt for prompt, _ in pairs], self.max_new_tokens)
        return [
            replace(answer, truncated=True) if answer is not None and truncated else answer
            for answer, truncated in zip(voted, cut_off, strict=True)
        ]

    def reason(
        self,
        prompts: Sequence[tuple[str, str]],
        *,
        samples: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
    ) -> list[list[str | None]]:
        """As in `gavel.judge.verdict.Reasoner`.

        A reasoning is cut where the model continues to the verdict by itself.
        """
        cues = [cue for _, cue in prompts]
        sampled = self.writer.write(
            [text for text, _ in prompts],
            n=samples or self.samples,
            temperature=self.temperature if temperature is None else temperature,
            max_new_tokens=self.max_new_tokens,
            seed=self.seed if seed is None else seed,
            stop=cues,
        )
        return [
            [None if text is None else strip_verdict(text, cue) + cue for text in own]
            for own, cue in zip(sampled, cues, strict=True)
        ]

    def probabilities(self, replies: Sequence[tuple[str, str]], groups: Sequence[Hashable]) -> list[float | None]:
        """As in `gavel.judge.verdict.Reasoner`."""
        answers = self.writer.answers(replies, groups)
        return [None if answer is None else answer.probability for answer in answers]

    def _voted(self, answers: Sequence[LabelProbabilities | None]) -> LabelProbabilities | None:
        known = [answer for answer in answers if answer is not None]
        if not known or len(known) < MIN_KNOWN * self.samples:
            return None
        first = statistics.fmean(answer.first for answer in known)
        second = statistics.fmean(answer.second for answer in known)
        if self.vote == "majority":
            votes = [(answer.first > answer.second) + 0.5 * (answer.first == answer.second) for answer in known]
            fraction, both = statistics.fmean(votes), first + second
            first, second = fraction * both, (1 - fraction) * both
        return LabelProbabilities(first, second, any(answer.truncated for answer in known))


def strip_verdict(text: str, cue: str) -> str:
    """A reasoning without the verdict that the model continued to, and without trailing blanks."""
    end = cue.strip()
    return (text.partition(end)[0] if end else text).rstrip()
