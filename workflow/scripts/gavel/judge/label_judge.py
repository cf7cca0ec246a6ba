"""The base class of judges that answer with one of two label words, over any back end and with a cache.

The back end runs the model: `gavel.judge.backends.local` in this process, `gavel.judge.backends.server` over HTTP.
"""

import copy
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from gavel.common.errors import InputError
from gavel.common.log import info
from gavel.judge.backends.base import Backend, InProcessBackend, LabelProbabilities, Writer
from gavel.judge.backends.cache import Cache
from gavel.judge.backends.reasoning import MAX_NEW_TOKENS, Reasoning
from gavel.judge.kinds import Kind
from gavel.judge.prompting import Prompt, example, phrasings
from gavel.judge.verdict import Judge, Usage

if TYPE_CHECKING:
    from transformers import PreTrainedModel

AnyLabelJudge = TypeVar("AnyLabelJudge", bound="LabelJudge")  # a kind of judge


class LabelJudge(Judge):
    """Asks a back end for what its cache does not have.

    Args:
        backend: where the model runs.
        labels: the two label words; a `LabelProbabilities` has their probabilities in this order.
        cache: file that keeps answers, so that no prompt is asked twice; None keeps nothing.

    Attributes:
        labels: the two label words.
    """

    def __init__(self, backend: Backend, labels: Sequence[str], cache: str | None = None):
        self.backend = backend
        self.labels = tuple(labels)
        self.cache = Cache(cache, f"{backend.identity} {list(labels)}") if cache else None
        self.reasoner = backend if isinstance(backend, Reasoning) else None
        self.first_prompt: str | None = None
        self._prompts = self._cached = 0

    @property
    def usage(self) -> Usage:
        """`read` counts tokens of judging prompts, `written` those of reasonings."""
        return Usage(self._prompts, self.backend.tokens_read, self.backend.tokens_written, self._cached)

    @property
    def in_process_backend(self) -> InProcessBackend:
        """The judge's model, if it runs in this process.

        Raises:
            TypeError: it runs elsewhere.
        """
        base = self.backend.writer if isinstance(self.backend, Reasoning) else self.backend
        if not isinstance(base, InProcessBackend):
            raise TypeError(f"{type(base).__name__}: the judge's model does not run in this process")
        return base

    def with_model(self, model: "PreTrainedModel") -> Self:
        """The same judge with another model of the same tokenizer in this process, and without a cache."""
        judge = copy.copy(self)
        LabelJudge.__init__(judge, self.backend.with_model(model), self.labels)
        return judge

    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> list[LabelProbabilities | None]:
        """One answer for each judging prompt, as in `Backend.answers`; the texts are distinct."""
        if texts and self.first_prompt is None:
            self.first_prompt = self.backend.shown(texts[0])
        known = self.cache.get(texts) if self.cache else {}
        known = {text: answer for text, answer in known.items() if answer.valid}
        rest = [i for i, text in enumerate(texts) if text not in known]
        fresh: list[LabelProbabilities | None] = []
        size = self.backend.chunk or max(1, len(rest))
        for part in (rest[start : start + size] for start in range(0, len(rest), size)):
            found = _valid(self.backend.answers([texts[i] for i in part], [groups[i] for i in part]))
            if self.cache:
                self.cache.put({texts[i]: a for i, a in zip(part, found, strict=True) if a is not None})
            fresh += found
        self._prompts += len(texts)
        self._cached += len(texts) - len(rest)
        answers = {texts[i]: answer for i, answer in zip(rest, fresh, strict=True)}
        return [known[text] if text in known else answers[text] for text in texts]


def _valid(answers: Sequence[LabelProbabilities | None]) -> list[LabelProbabilities | None]:
    """The answers, with None for those that are not probabilities: they must not become rewards."""
    checked = [answer if answer is not None and answer.valid else None for answer in answers]
    invalid = [answer for answer, kept in zip(answers, checked, strict=True) if answer is not None and kept is None]
    if invalid:
        info(
            f"{len(invalid)} of {len(answers)} judge answers are not probabilities ({invalid[-1]}) and count as missing"
        )
    return checked


def check_choices(labels: Sequence[str], score: str, scores: Iterable[str], meanings: str) -> None:
    """Raises `InputError` unless there are two label words and the score exists.

    Args:
        scores: the rewards that this kind of judge offers.
        meanings: what its two label words stand for.
    """
    if score not in scores:
        raise InputError(f"judge.score: {score!r} does not exist; choose one of {', '.join(scores)}")
    if isinstance(labels, str) or len(labels) != 2:
        raise InputError(f"judge.prompting.labels: {labels!r}; give two words, for {meanings}")


def load_backend(
    model: str,
    labels: Sequence[str],
    template: str,
    *,
    slots: Sequence[str],
    server: dict[str, Any] | None,
    reasoning: dict[str, Any] | None = None,
    **local: Any,
) -> Backend:
    """Load the model here, or with `server` settings (`gavel.judge.backends.server.ServerBackend`) reach it over HTTP.

    Args:
        template: any of the judging prompts, with the `slots` of its kind; the label words are checked after it.
        reasoning: settings of `gavel.judge.backends.reasoning.Reasoning`; None for a direct judge.

    Raises:
        InputError: model or tokenizer do not load, or a label is not one token.
    """
    prompt = example(template, slots)
    writer: Writer
    if server:
        from gavel.judge.backends.server import ServerBackend

        own = {"chat": local.get("chat", False), "chat_template_kwargs": local.get("chat_template_kwargs")}
        writer = ServerBackend(model, labels, example=prompt, **own, **server)
    else:
        from gavel.judge.backends.local import LocalBackend

        writer = here = LocalBackend(model, labels, example=prompt, **local)
        if reasoning:
            here.longest_prompt(reasoning.get("max_new_tokens", MAX_NEW_TOKENS))
    if not reasoning:
        return writer
    return Reasoning(writer, **reasoning)


def build_judge(
    judge: Callable[..., AnyLabelJudge],
    kind: Kind,
    *,
    model: str,
    prompt: str | Sequence[str],
    labels: Sequence[str],
    own: dict[str, Any],
    reasoning: dict[str, Any] | None = None,
    cache: str | None = None,
    server: dict[str, Any] | None = None,
    **local: Any,
) -> AnyLabelJudge:
    """Make a judge of the given class over its back end (`load_backend`); with `reasoning` settings it reasons first.

    Args:
        judge: takes a back end, `prompt`, `labels`, `reasons`, `cache`, and the settings in `own`.
        local: settings of `gavel.judge.backends.local.LocalBackend`.

    Raises:
        InputError: model or tokenizer do not load, a prompt slot is missing, or a label is not one token.
    """
    template = phrasings(prompt, labels, own.get("swap_labels", False), kind.slots, bool(reasoning))[0]
    where = load_backend(model, labels, template, slots=kind.slots, server=server, reasoning=reasoning, **local)
    return judge(where, prompt=prompt, labels=labels, reasons=bool(reasoning), cache=cache, **own)
