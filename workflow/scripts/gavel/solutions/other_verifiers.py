r"""Other verifiers of numbers, to compare Gavel's with: lm-evaluation-harness's two filters for GSM8K, and math-verify.

They read text, so a program is given to them with its value, as text (`with_answer`).

A filter of lm-evaluation-harness is a regular expression that finds an answer in a response. The answer is compared
with the gold one as text without case, after `IGNORED` is taken out of both: `1,200` equals `$1200.`, but `3.0` is not
`3`. The strict filter takes the first `#### 18`, the flexible one the last number. Sources, of version 0.4.13:
`lm_eval/tasks/gsm8k/gsm8k.yaml`, `lm_eval/filters/extraction.py`, and `exact_match_hf_evaluate` in
`lm_eval/api/metrics.py`.

math-verify (https://github.com/huggingface/Math-Verify) is used as its README has it: `verify(parse(gold),
parse(response))`.
"""

import logging
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

IGNORED = (",", r"\$", r"(?s).*#### ", r"\.$")


class Filter(NamedTuple):
    """A filter: its pattern, and which of the matches is the answer, counted as a list's index."""

    pattern: str
    match: int


FILTERS = {
    "strict-match": Filter(r"#### (\-?[0-9\.\,]+)", 0),
    "flexible-extract": Filter(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1),
}


class Reading(NamedTuple):
    """What a verifier found in a response, None if nothing, and whether it equals the gold answer."""

    answer: str | None
    correct: bool


Verifier = Callable[[str, str], Reading]  # of a response and a gold answer


def with_answer(program: str, value: str | None) -> str:
    """A program and what it returns, as a text that other verifiers can read; it still runs, since `#` is a comment."""
    return program if value is None else f"{program}\n#### {value}"


def filtered(response: str, filter: Filter) -> str | None:
    """What a filter finds in a response."""
    matches = re.findall(filter.pattern, response)
    if not matches:
        return None
    match = matches[filter.match]
    text: str = match if isinstance(match, str) else next(group for group in match if group)
    return text.strip()


def by_filter(filter: Filter) -> Verifier:
    """The verifier that a filter of lm-evaluation-harness makes."""

    def read(response: str, gold: str) -> Reading:
        found = filtered(response, filter)
        return Reading(found, found is not None and _plain(found) == _plain(gold))

    return read


def by_math_verify(response: str, gold: str) -> Reading:
    """math-verify's verdict, which needs its package; it can be called in the main thread only."""
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it logs each text that it cannot read
    found = parse(response)
    return Reading(str(found[-1]) if found else None, verify(parse(gold), found))


def available() -> dict[str, Verifier]:
    """Name -> verifier. math-verify is among them if its package is installed."""
    verifiers = {name: by_filter(filter) for name, filter in FILTERS.items()}
    return verifiers | ({"math-verify": by_math_verify} if find_spec("math_verify") else {})


def _plain(text: str) -> str:
    for pattern in IGNORED:
        text = re.sub(pattern, "", text)
    return text.lower()
