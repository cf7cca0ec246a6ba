"""The task of a policy: the config's `solution`. The only place where a question becomes what a policy reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from gavel.common.errors import InputError
from gavel.common.log import info
from gavel.models import chat, prompts
from gavel.models.records import RenderedPrompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from gavel.models.loading import Student


@dataclass(frozen=True)
class Task:
    """How questions become prompts, and what responses are expected.

    Attributes:
        prompt: solving prompt (name or file); it is read once.
        format: format of the responses.
        max_new_tokens: maximum length of a response, in tokens.
        answer_type: type of the answers (`gavel.solutions.answer_types`).
        chat: put the prompt into the student's chat template, as a user message.
        system: system message before it; None for none.
        chat_template_kwargs: arguments of the chat template.
        reasoning: whether reference programs have the reasoning as comments.
    """

    prompt: str
    format: Literal["program", "text"]
    max_new_tokens: int
    answer_type: str = "number"
    chat: bool = False
    system: str | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    reasoning: bool = False

    @classmethod
    def from_config(cls, solution: Mapping[str, Any]) -> Self:
        """The task in a config's section `solution`, whose other keys do not change responses, with its answers' type
        as `answer_type` (`gavel.study.params.solution`)."""
        return cls(**{field.name: solution[field.name] for field in fields(cls)})

    @cached_property
    def template(self) -> str:
        """The solving prompt's text. Raises `InputError` if it cannot be read or has no slot `{question}`."""
        return prompts.load(self.prompt)

    @property
    def special_tokens(self) -> bool:
        """Whether the tokenizer adds special tokens, such as BOS, to a prompt: a chat template has them already."""
        return not self.chat

    def messages(self, question: str) -> list[dict[str, str]]:
        """The conversation up to the student's reply: the system message, if there is one, and the solving prompt,
        without its last line breaks."""
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        asked = prompts.fill(self.template, question=question).rstrip("\n")
        return [*system, {"role": "user", "content": asked}]

    def prompts(self, questions: Iterable[str], tokenizer: "PreTrainedTokenizerBase") -> list[str]:
        """The text that the student reads for each question; it is tokenised with `special_tokens`.

        Raises:
            InputError: as `template`; with `chat` also if the tokenizer has no chat template or it fails.
        """
        if not self.chat:
            return [prompts.fill(self.template, question=question) for question in questions]
        return [
            chat.render(tokenizer, self.messages(question), chat.STUDENT, self.chat_template_kwargs)
            for question in questions
        ]

    def encode(self, texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
        """The token ids of texts that begin with a prompt from `prompts`."""
        if not texts:
            return []
        ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=self.special_tokens)["input_ids"]
        return ids

    def load_tokenizer(self, student: "Student", folder: str) -> "PreTrainedTokenizerBase":
        """The tokenizer of one of the student's checkpoints.

        With `chat` its end token is the one with which the chat template ends a reply, unless the config sets
        `student.eos_token`: SFT puts it after each solution, and sampling stops there.

        Raises:
            InputError: as `gavel.models.loading.load_tokenizer` and `check`.
        """
        tokenizer = student.load_tokenizer(folder)
        if not self.chat:
            return tokenizer
        self.check(tokenizer)
        if student.eos_token is None:
            end = chat.turn_end(tokenizer, self.messages("1+1?"), chat.STUDENT, self.chat_template_kwargs)
            if end is not None and end != tokenizer.eos_token:
                info(f"the chat template ends a reply with {end!r}: the end token, instead of {tokenizer.eos_token!r}")
                return replace(student, eos_token=end).load_tokenizer(folder)
        return tokenizer

    def check(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        """Check that the chat template shows the model all that it should read.

        Raises:
            InputError: there is no chat template, it fails, it does not read one of its arguments, or it leaves out the
                system message or the question.
        """
        if not self.chat:
            return
        question = "What is 1+1?"
        try:
            (shown,) = self.prompts([question], tokenizer)
        except InputError:
            if self.system is not None:
                replace(self, system=None).prompts([question], tokenizer)  # the template fails without it too
                raise InputError(
                    "solution.system: the student's chat template does not accept a system message; leave it out, and "
                    "write its text into the solving prompt (solution.prompt)"
                ) from None
            raise
        chat.check_arguments(tokenizer, chat.STUDENT, self.chat_template_kwargs)
        if self.system is not None and self.system.strip() not in shown:
            raise InputError(
                "solution.system: the student's chat template ignores the system message; leave it out, and write its "
                "text into the solving prompt (solution.prompt)"
            )
        if question not in shown:
            raise InputError("solution.chat: the student's chat template leaves out the user message; set it to false")


def show(
    kind: str, tokenizer: "PreTrainedTokenizerBase", prompt: Sequence[int], completion: Sequence[int] = ()
) -> RenderedPrompt:
    """Write the first prompt of a kind to the log, as the model reads it, and return it for the report.

    Args:
        kind: what it is, such as `rollout prompt`.
        prompt, completion: token ids.
    """
    texts = [tokenizer.decode(list(ids), clean_up_tokenization_spaces=False) for ids in (prompt, completion)]
    length = len(prompt) + len(completion)
    shown: RenderedPrompt = {"prompt": texts[0], "tokens": length}
    if completion:
        shown["completion"] = texts[1]
    info(f"first {kind} ({length} tokens):\n" + "".join(texts))
    return shown
