"""What an OpenAI-compatible server replies, read strictly: a reply is as the protocol has it, or `Malformed`.

Proxies answer with pages of HTML, overloaded servers with half a reply, and a server's numbers can be none. Nothing of
that may become a reward, nor end a job.

A token that the model cannot say is listed with the logarithm of 0, for which JSON has no number. vLLM writes -9999,
llama.cpp's server the lowest number of 32 bits, and Python's own encoder `-Infinity`: all are a probability of 0.
`null` is malformed: encoders that write minus infinity so, such as orjson and nlohmann's, write it for NaN too, which a
broken model gives and which is no probability.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard, TypeVar

from gavel.judge.backends.base import ROUNDING

Kind = TypeVar("Kind")

SHOWN = 80  # characters of a malformed reply in a message


class Malformed(Exception):
    """A reply with status 200 that is none; the text says what is wrong with it."""


class Listed(NamedTuple):
    """A likely token; minus infinity is the log-probability of one that cannot be."""

    token: str
    log_probability: float


@dataclass(frozen=True)
class Reply:
    """One completion.

    Attributes:
        text: what the model wrote; "" where log-probabilities were asked for.
        listed: the likeliest tokens, where they were asked for.
        read, written: tokens of prompt and completion; 0 of a server that does not count.
    """

    text: str
    listed: list[Listed]
    read: int
    written: int


def parse(body: bytes, *, chat: bool, writes: bool) -> Reply:
    """Read a reply's first choice.

    Args:
        chat: of the chat endpoint, whose choices have another layout.
        writes: the text was asked for; else the log-probabilities of the first token.

    Raises:
        Malformed: it is not JSON, reports an error, or lacks a part, has one of another type, or its numbers are no
            log-probabilities.
    """
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        shown = body[:SHOWN].decode("utf-8", "replace")
        raise Malformed(f"not JSON but {shown!r}" if body.strip() else "an empty body") from None
    if not isinstance(reply, dict):
        raise Malformed(f"a JSON object was expected, found {type(reply).__name__}")
    if reply.get("error"):
        raise Malformed(f"an error with status 200: {str(reply['error'])[:SHOWN]}")
    read, written = _usage(reply.get("usage"))
    choices = _part(reply, "choices", list)
    if not choices:
        raise Malformed("'choices' is empty")
    choice = _typed(choices[0], "choices[0]", dict)
    if writes:
        text = _part(_part(choice, "message", dict), "content", str) if chat else _part(choice, "text", str)
        return Reply(text, [], read, written)
    logprobs = _part(choice, "logprobs", dict)
    return Reply("", _listed_in_chat(logprobs) if chat else _listed(logprobs), read, written)


def _listed_in_chat(logprobs: Mapping[str, object]) -> list[Listed]:
    content = _part(logprobs, "content", list)
    if not content:
        raise Malformed("'logprobs.content' is empty")
    entries = _part(_typed(content[0], "logprobs.content[0]", dict), "top_logprobs", list)
    entries = [_typed(entry, "an entry of 'top_logprobs'", dict) for entry in entries]
    return _checked([(_part(entry, "token", str), entry.get("logprob")) for entry in entries])


def _listed(logprobs: Mapping[str, object]) -> list[Listed]:
    positions = _part(logprobs, "top_logprobs", list)
    if not positions:
        raise Malformed("'top_logprobs' is empty")
    return _checked(list(_typed(positions[0], "top_logprobs[0]", dict).items()))


def _checked(listed: Sequence[tuple[str, object]]) -> list[Listed]:
    """The list, whose numbers are log-probabilities of different tokens."""
    if not listed:
        raise Malformed("'top_logprobs' is empty")
    found: list[Listed] = []
    for token, value in listed:
        # An integer may be too large for a float; compared with one it need not be made one.
        if not _is_number(value) or not (-sys.float_info.max <= value <= sys.float_info.max or value == -math.inf):
            raise Malformed(f"the log-probability of {token[:SHOWN]!r} is {str(value)[:SHOWN]}")
        if value > ROUNDING:
            raise Malformed(f"the log-probability of {token[:SHOWN]!r} is {value:g}, above 0")
        found.append(Listed(token, value))
    total = math.fsum(math.exp(value) for _, value in found)
    if total > 1 + ROUNDING:
        raise Malformed(f"the probabilities of the listed tokens add up to {total:.3g}")
    return found


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Tokens(NamedTuple):
    read: int
    written: int


def _usage(usage: object) -> _Tokens:
    """What a request took; a server that leaves `usage` out, or null, counts none."""
    if usage is None:
        return _Tokens(0, 0)
    counts = [_part(_typed(usage, "usage", dict), name, int) for name in ("prompt_tokens", "completion_tokens")]
    if min(counts) < 0:
        raise Malformed(f"'usage' counts {min(counts)} tokens")
    return _Tokens(*counts)


def _part(whole: Mapping[str, object], name: str, kind: type[Kind]) -> Kind:
    if name not in whole:
        raise Malformed(f"no {name!r}")
    return _typed(whole[name], repr(name), kind)


def _typed(value: object, name: str, kind: type[Kind]) -> Kind:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Malformed(f"{name} is {type(value).__name__}, expected {kind.__name__}")
    return value
