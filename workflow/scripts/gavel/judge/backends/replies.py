"""Parse an OpenAI-compatible server's reply strictly: it follows the protocol, or it is `MalformedReply`.

Proxies answer with HTML pages, overloaded servers with half a reply, and a server's numbers can be NaN. None of that
may become a reward or end a job.

A token that the model cannot produce is listed with the logarithm of 0, for which JSON has no number. vLLM writes
-9999, llama.cpp's server the lowest 32-bit float, and Python's own encoder `-Infinity`: all mean probability 0. `null`
is malformed: encoders that write minus infinity as null, such as orjson and nlohmann's, do the same with NaN, which a
broken model returns and which is not a probability.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard, TypeVar

from gavel.judge.backends.base import ROUNDING

Kind = TypeVar("Kind")

MAX_QUOTED = 80  # characters of a malformed reply in a message


class MalformedReply(Exception):
    """A reply with status 200 that does not follow the protocol; the message names the fault."""


class LikelyToken(NamedTuple):
    """A likely token; an impossible one has the log-probability minus infinity."""

    token: str
    log_probability: float


@dataclass(frozen=True)
class Reply:
    """One completion.

    Attributes:
        text: what the model wrote; "" if log-probabilities were requested.
        likely_tokens: the likeliest tokens, if they were requested.
        read, written: tokens of prompt and completion; 0 from a server that does not report them.
    """

    text: str
    likely_tokens: list[LikelyToken]
    read: int
    written: int


def parse(body: bytes, *, chat: bool, writes: bool) -> Reply:
    """Parse a reply's first choice.

    Args:
        chat: the reply is the chat endpoint's, whose choices have another layout.
        writes: the text was requested; otherwise the log-probabilities of the first token.

    Raises:
        MalformedReply: it is not JSON, reports an error, lacks a part or has one of the wrong type, or its numbers are
            not log-probabilities.
    """
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        shown = body[:MAX_QUOTED].decode("utf-8", "replace")
        raise MalformedReply(f"not JSON but {shown!r}" if body.strip() else "an empty body") from None
    if not isinstance(reply, dict):
        raise MalformedReply(f"expected a JSON object, found {type(reply).__name__}")
    if reply.get("error"):
        raise MalformedReply(f"an error with status 200: {str(reply['error'])[:MAX_QUOTED]}")
    read, written = _usage(reply.get("usage"))
    choices = _part(reply, "choices", list)
    if not choices:
        raise MalformedReply("'choices' is empty")
    choice = _typed(choices[0], "choices[0]", dict)
    if writes:
        text = _part(_part(choice, "message", dict), "content", str) if chat else _part(choice, "text", str)
        return Reply(text, [], read, written)
    logprobs = _part(choice, "logprobs", dict)
    return Reply("", _listed_in_chat(logprobs) if chat else _listed(logprobs), read, written)


def _listed_in_chat(logprobs: Mapping[str, object]) -> list[LikelyToken]:
    content = _part(logprobs, "content", list)
    if not content:
        raise MalformedReply("'logprobs.content' is empty")
    entries = _part(_typed(content[0], "logprobs.content[0]", dict), "top_logprobs", list)
    entries = [_typed(entry, "an entry of 'top_logprobs'", dict) for entry in entries]
    return _checked([(_part(entry, "token", str), entry.get("logprob")) for entry in entries])


def _listed(logprobs: Mapping[str, object]) -> list[LikelyToken]:
    positions = _part(logprobs, "top_logprobs", list)
    if not positions:
        raise MalformedReply("'top_logprobs' is empty")
    return _checked(list(_typed(positions[0], "top_logprobs[0]", dict).items()))


def _checked(listed: Sequence[tuple[str, object]]) -> list[LikelyToken]:
    """The list, after a check that its numbers are log-probabilities of different tokens."""
    if not listed:
        raise MalformedReply("'top_logprobs' is empty")
    checked: list[LikelyToken] = []
    for token, value in listed:
        # An integer may be too large for a float; the comparison does not convert it.
        if not _is_number(value) or not (-sys.float_info.max <= value <= sys.float_info.max or value == -math.inf):
            raise MalformedReply(f"the log-probability of {token[:MAX_QUOTED]!r} is {str(value)[:MAX_QUOTED]}")
        if value > ROUNDING:
            raise MalformedReply(f"the log-probability of {token[:MAX_QUOTED]!r} is {value:g}, above 0")
        checked.append(LikelyToken(token, value))
    total = math.fsum(math.exp(value) for _, value in checked)
    if total > 1 + ROUNDING:
        raise MalformedReply(f"the probabilities of the listed tokens add up to {total:.3g}")
    return checked


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Tokens(NamedTuple):
    read: int
    written: int


def _usage(usage: object) -> _Tokens:
    """A request's tokens; 0 if the server leaves `usage` out or null."""
    if usage is None:
        return _Tokens(0, 0)
    counts = [_part(_typed(usage, "usage", dict), name, int) for name in ("prompt_tokens", "completion_tokens")]
    if min(counts) < 0:
        raise MalformedReply(f"'usage' counts {min(counts)} tokens")
    return _Tokens(*counts)


def _part(whole: Mapping[str, object], name: str, kind: type[Kind]) -> Kind:
    if name not in whole:
        raise MalformedReply(f"no {name!r}")
    return _typed(whole[name], repr(name), kind)


def _typed(value: object, name: str, kind: type[Kind]) -> Kind:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise MalformedReply(f"{name} is {type(value).__name__}, expected {kind.__name__}")
    return value
