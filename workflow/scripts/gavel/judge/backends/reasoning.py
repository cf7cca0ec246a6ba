"""A judge that writes before it answers, around any back end and under any kind of judge.

As in the reward reasoning models of Guo et al. 2025 (arXiv 2505.14674; we have read the abstract and reviews) the model
reasons first and gives its verdict then, and several reasonings may vote. Ours reads the verdict from the probabilities
of the label words after the reasoning, in the place where the prompt puts it, so a reasoning that ran out of tokens has
a verdict too, and none has to be parsed. The same model without reasoning is their DirectJudge.
"""

import statistics
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal

from gavel.judge.backends.base import Answer, Writer
from gavel.judge.prompting import Prompt

MAX_NEW_TOKENS = 512
KNOWN = 0.5  # of a prompt's reasonings: with fewer verdicts than this it has no answer


class Reasoning:
    """A back end that lets another one write.

    Args:
        backend: where the model runs.
        max_new_tokens: the budget of one reasoning.
        samples: reasonings of each prompt, drawn apart.
        temperature: at which they are drawn; 0 takes the likeliest token, and is for one sample.
        vote: what becomes of several verdicts: the `mean` of their probabilities, or the `majority`, the share of them
            that is for a label (an even one is half for each).
        seed: of the draws, with the prompt.
    """

    def __init__(
        self,
        backend: Writer,
        *,
        max_new_tokens: int = MAX_NEW_TOKENS,
        samples: int = 1,
        temperature: float = 0.7,
        vote: Literal["mean", "majority"] = "mean",
        seed: int = 0,
    ):
        self.backend, self.samples, self.vote = backend, samples, vote
        self.drawing = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
        self.chunk = getattr(backend, "chunk", None)

    @property
    def identity(self) -> str:
        return f"{self.backend.identity} reasoning {self.samples} {self.vote} {sorted(self.drawing.items())}"

    @property
    def tokens_read(self) -> int:
        return self.backend.tokens_read

    @property
    def tokens_written(self) -> int:
        return self.backend.tokens_written

    def answers(
        self,
        texts: Sequence[tuple[str, str]],
        groups: Sequence[Hashable],
    ) -> list[Answer | None]:
        """As `gavel.judge.backends.base.Backend` says; the prompts have room for a reasoning."""
        written = self.begun(texts)
        asked: list[Prompt] = []
        alike: list[Hashable] = []
        for place, ((prompt, _), own) in enumerate(zip(texts, written, strict=True)):
            known = [(prompt, text) for text in own if text is not None]
            asked += known
            alike += [groups[place] if self.samples == 1 else place] * len(known)
        answers = iter(self.backend.answers(asked, alike) if asked else ())
        voted = [self._voted(list(islice(answers, sum(text is not None for text in own)))) for own in written]
        if not hasattr(self.backend, "cuts"):  # behind a server nobody here knows
            return voted
        cut_off = self.backend.cuts([prompt for prompt, _ in texts], self.drawing["max_new_tokens"])
        return [
            replace(answer, truncated=True) if answer is not None and lost else answer
            for answer, lost in zip(voted, cut_off, strict=True)
        ]

    def begun(
        self,
        texts: Sequence[tuple[str, str]],
        *,
        samples: int | None = None,
        **drawing,
    ) -> list[list[str | None]]:
        """The beginnings of replies to each prompt: a reasoning and what stands between it and the label.

        A reasoning is cut where the model goes on to the verdict by itself.

        Args:
            samples: of each prompt; None is as many as vote.
            drawing: `temperature` and `seed` where they are not this judge's.
        """
        cues = [cue for _, cue in texts]
        drawn = self.backend.write(
            [prompt for prompt, _ in texts],
            n=samples or self.samples,
            stop=cues,
            **self.drawing | drawing,
        )
        return [
            [None if text is None else cut(text, cue) + cue for text in own]
            for own, cue in zip(drawn, cues, strict=True)
        ]

    def _voted(self, answers: Sequence[Answer | None]) -> Answer | None:
        known = [answer for answer in answers if answer is not None]
        if not known or len(known) < KNOWN * self.samples:
            return None
        right, wrong = (statistics.fmean(getattr(answer, label) for answer in known) for label in ("right", "wrong"))
        if self.vote == "majority":
            votes = [(answer.right > answer.wrong) + 0.5 * (answer.right == answer.wrong) for answer in known]
            share, both = statistics.fmean(votes), right + wrong
            right, wrong = share * both, (1 - share) * both
        return Answer(right, wrong, any(answer.truncated for answer in known))


def cut(text: str, cue: str) -> str:
    """A reasoning without the verdict that the model went on to, and without blanks at its end."""
    end = cue.strip()
    return (text.partition(end)[0] if end else text).rstrip()
