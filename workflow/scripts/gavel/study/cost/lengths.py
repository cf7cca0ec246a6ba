"""How long a study's texts are, in tokens: measured on a sample of its questions if they are here, or assumed."""

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gavel.common.errors import InputError
from gavel.data.prepare import read_source
from gavel.data.records import Record
from gavel.judge.kinds import KINDS
from gavel.models import prompts
from gavel.models.task import Task
from gavel.solutions.mistakes import references
from gavel.study import layout, params
from gavel.study.named_judge import judge_settings, prompts_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SAMPLE = 200  # questions


@dataclass(frozen=True)
class Lengths:
    """Lengths in tokens.

    Attributes:
        longest_prompt: the longest solving prompt.
        response: the mean response; of the longest, `longest_response`.
        max_new_tokens: the limit on a response.
        judged: a judging prompt with its response (or two).
        questions: number of questions that were measured; 0 if the lengths are assumed.
    """

    longest_prompt: float
    response: float
    longest_response: float
    max_new_tokens: float
    judged: float
    questions: int = 0

    def longest(self) -> "Lengths":
        """The same with every response at the limit, for an upper bound."""
        limit, responses = self.max_new_tokens, self.judged - self.response
        return Lengths(self.longest_prompt, limit, limit, limit, responses + limit, self.questions)


def lengths_of(config: dict[str, Any], *, prompt: float, judging: float, length: float) -> Lengths:
    """The lengths of a study's texts.

    The student's labelled solutions stand for its responses. Where questions, solutions or tokenizer are not here yet,
    the arguments are used.

    Args:
        config: resolved.
        prompt: a solving prompt; the longest has twice as many tokens.
        judging: a judging prompt without the response.
        length: mean response, as a fraction of `solution.max_new_tokens`.
    """
    limit = float(config["solution"]["max_new_tokens"])
    others = max(1, len(KINDS[config["judge"]["kind"]].slots) - 1)  # responses in a judging prompt
    assumed = Lengths(2 * prompt, length * limit, limit, limit, judging + others * length * limit)
    try:
        rows = _sample(config)
        tokenizer = _tokenizer(config) if rows else None
        return _measured(config, rows, tokenizer, assumed, others) if tokenizer else assumed
    except InputError:  # the checks of models and the data job tell what is wrong
        return assumed


def _measured(
    config: dict[str, Any], rows: Sequence[Record], tokenizer: "PreTrainedTokenizerBase", assumed: Lengths, others: int
) -> Lengths:
    def count(texts: Collection[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(list(texts))["input_ids"]] if texts else []

    task = Task.from_config(params.solution(config))
    asked = count(task.prompts([row["question"] for row in rows], tokenizer))
    solutions = references(rows, task.format, task.reasoning).values()
    written = [min(each, assumed.max_new_tokens) for each in count(solutions)] or [assumed.response]
    response, longest = statistics.fmean(written), max(written) if solutions else assumed.longest_response
    templates = count([prompts.find(name).read_text(encoding="utf-8") for name in prompts_of(judge_settings(config))])
    questions = statistics.fmean(count([row["question"] for row in rows]))
    judged = max(templates, default=0) + questions + others * response
    return Lengths(max(asked), response, longest, assumed.max_new_tokens, judged, len(rows))


def _sample(config: dict[str, Any]) -> Sequence[Record]:
    """The first questions of `data.train`; none if they are on the hub."""
    source = layout.data(config)["train"]
    if source["reader"] == "generator":
        return read_source(source | {"size": min(SAMPLE, source["size"])}, "train", "data.train")
    if not Path(source["path"]).exists():
        return []
    return read_source(source | {"limit": min(SAMPLE, source["limit"] or SAMPLE)}, "train", "data.train")


def _tokenizer(config: dict[str, Any]) -> "PreTrainedTokenizerBase | None":
    """The student's tokenizer; None if it is not here."""
    place = layout.model_or_hub_name(config, "student")
    if not Path(place).exists():
        return None
    from gavel.models.loading import plain_tokenizer  # takes seconds, which a study of hub models need not wait for

    return plain_tokenizer(place, "student.model")
