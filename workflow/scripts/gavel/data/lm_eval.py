"""Sample logs of EleutherAI's lm-evaluation-harness (`lm_eval --log_samples`): what stands where in a row.

A log is JSON Lines with one row for each question and filter (a filter is one of the harness's ways to extract an
answer; GSM8K has two), all rows of a filter together. The responses are the same under every filter, so a question is
taken once. `resps` holds the responses of each request; tasks that generate text make one request a question, with as
many responses as the task's `repeats`. `filtered_resps` and the harness's own verdicts are not read: Gavel's verifier
reads the responses. Tasks that only compare likelihoods have no text there and do not fit.

Versions 0.4.0 to 0.4.2 write one indented JSON list instead, also into a file named `.jsonl`, and name no filter in a
row; the rows are otherwise the same (`gavel.common.files.json_texts` reads both).

Sources: `lm_eval/evaluator.py`, `lm_eval/__main__.py` and `lm_eval/loggers/evaluation_tracker.py` of its versions 0.4.
"""

import json
from hashlib import blake2b

from gavel.common.errors import InputError
from gavel.solutions.numbers import TOO_LONG, canonical, too_long


def gold(row: dict) -> str:
    """Canonical gold answer from `target`, which is a number or ends with `#### N`. Raises `InputError` otherwise."""
    target = row.get("target")
    value = target.rpartition("####")[2] if isinstance(target, str) else target
    found = canonical(value)
    if found is None:
        why = f" ({TOO_LONG})" if too_long(value) else ""
        raise InputError(f"'target' is neither a number nor None nor ends with '#### N': {_shown(target)}{why}")
    return found


def responses(row: dict) -> list[str]:
    """All responses to the row's question, in order. Raises `InputError` where they are not text."""
    requests = row.get("resps")
    if not isinstance(requests, list) or not all(isinstance(request, list) for request in requests):
        raise InputError(f"'resps' is not a list of lists of texts: {_shown(requests)}")
    found = [response for request in requests for response in request]
    if not found or not all(isinstance(response, str) for response in found):
        raise InputError(f"'resps' holds no text, found {_shown(requests)}; the task must be one that generates")
    return found


def doc_id(row: dict) -> str:
    """The question's number in its task, as text. Raises `InputError` where there is none."""
    number = row.get("doc_id")
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise InputError(f"'doc_id' is not a number: {_shown(number)}; expected a log of `lm_eval --log_samples`")
    return str(number)


class Once:
    """Says of each row of one log whether its question is new (True) or was there under another filter (False)."""

    def __init__(self) -> None:
        self._seen: dict[str, bytes] = {}

    def __call__(self, row: dict) -> bool:
        """Raises `InputError`: no `doc_id`, or it was there with another target or other responses."""
        identity = doc_id(row)
        content = json.dumps([row.get("target"), row.get("resps")]).encode()
        digest = blake2b(content, digest_size=8).digest()
        if identity not in self._seen:
            self._seen[identity] = digest
            return True
        if self._seen[identity] != digest:
            raise InputError(
                f"doc_id {identity} was there before with another target or other responses; give one log of one task"
            )
        return False


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]
