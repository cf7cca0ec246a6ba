"""Chat templates: a conversation as the text that a model reads. Needs no model, only its tokenizer."""

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
import jinja2.meta

from gavel.common.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Side(NamedTuple):
    """Whose template it is: the config section with `chat` and `chat_template_kwargs`, and the model's name there."""

    section: str
    model: str


STUDENT = Side("solution", "student")
JUDGE = Side("judge.prompting", "judge")

# Some templates (Llama 3's) write the current date into the system prompt. The date of an evaluation would then differ
# from that of the training, so it is fixed; it is the one that those templates themselves fall back on.
DATE = datetime.date(2024, 7, 26)
_NOW = re.compile(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""")
# Variables that every chat template gets.
STANDARD_VARIABLES = {
    "add_generation_prompt", "bos_token", "continue_final_message", "documents", "eos_token", "messages", "pad_token",
    "tools", "unk_token",
}  # fmt: skip
FUNCTIONS = {"raise_exception", "strftime_now", "namespace"}
REPLY = "gavel-reply"  # stands for a reply, to see what a template puts after one


def render(
    tokenizer: "PreTrainedTokenizerBase",
    messages: Sequence[Mapping[str, str]],
    side: Side,
    template_kwargs: Mapping[str, Any] | None = None,
    *,
    add_generation_prompt: bool = True,
) -> str:
    """A conversation in the tokenizer's chat template, up to where the model's reply begins.

    The text has the special tokens that the template wants, so the tokenizer must not add any.

    Args:
        messages: `{"role", "content"}` of each.
        template_kwargs: arguments of the template besides the messages.
        add_generation_prompt: end with the header of the reply.

    Raises:
        InputError: there is no chat template, or it fails.
    """
    if tokenizer.chat_template is None:
        raise InputError(
            f"{side.section}.chat: the {side.model}'s tokenizer has no chat template; set it to false, or use an "
            "instruction-tuned model"
        )
    try:
        shown = tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            chat_template=_NOW.sub(_fixed_date, tokenizer.get_chat_template()),
            **(template_kwargs or {}),
        )
    except jinja2.TemplateSyntaxError as error:
        raise InputError(
            f"{side.section}.chat: the {side.model}'s chat template is not a valid template (line {error.lineno}: "
            f"{error.message}); mend the tokenizer's template, use another model, or set {side.section}.chat to false"
        ) from None
    except Exception as error:  # a template may fail in any way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise InputError(
            f"{side.section}.chat: the {side.model}'s chat template cannot be filled in ({reason}); check "
            f"{side.section}.chat_template_kwargs, or set {side.section}.chat to false"
        ) from None
    assert isinstance(shown, str)  # because nothing is tokenised
    return shown


def _fixed_date(call: re.Match[str]) -> str:
    return repr(DATE.strftime(call[2]))


def arguments(tokenizer: "PreTrainedTokenizerBase") -> set[str] | None:
    """The arguments that a chat template reads besides those that every template gets; None if unknown."""
    try:
        source = tokenizer.get_chat_template()
        parsed = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).parse(
            re.sub(r"{%-?\s*(?:end)?generation\s*-?%}", "", source)
        )
    except (jinja2.TemplateError, ValueError, TypeError):
        return None
    return jinja2.meta.find_undeclared_variables(parsed) - STANDARD_VARIABLES - FUNCTIONS


def check_arguments(tokenizer: "PreTrainedTokenizerBase", side: Side, template_kwargs: Mapping[str, Any] | None) -> str:
    """Check that a chat template reads every argument; returns a note on those that it reads.

    Raises:
        InputError: the template does not read one of them.
    """
    reads = arguments(tokenizer)
    named = f"it reads {', '.join(sorted(reads))}" if reads else "it reads none"
    for name in template_kwargs or ():
        if reads is not None and name not in reads:
            raise InputError(
                f"{side.section}.chat_template_kwargs.{name}: the {side.model}'s chat template does not read it; "
                f"{named}"
            )
    return named


def turn_end(
    tokenizer: "PreTrainedTokenizerBase",
    messages: Sequence[Mapping[str, str]],
    side: Side,
    template_kwargs: Mapping[str, Any] | None = None,
) -> str | None:
    """The special token with which a template ends the model's reply, such as `<|im_end|>`; None if there is none.

    It need not be the tokenizer's end token: Gemma's tokenizer has `<eos>`, but its template `<end_of_turn>`.

    Raises:
        InputError: as `render`.
    """
    reply = {"role": "assistant", "content": REPLY}
    shown = render(tokenizer, [*messages, reply], side, template_kwargs, add_generation_prompt=False)
    after = tokenizer(shown[shown.rfind(REPLY) + len(REPLY) :], add_special_tokens=False)["input_ids"]
    ends = (token for token in after if token in tokenizer.all_special_ids)
    first = next(ends, None) if REPLY in shown else None
    return None if first is None else str(tokenizer.convert_ids_to_tokens(first))
