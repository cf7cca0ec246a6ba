"""Parse rows of sample logs from EleutherAI's lm-evaluation-harness (`lm_eval --log_samples`).

A log is JSON Lines with one row per question and filter, grouped by filter. A filter is one of the harness's ways to
extract an answer; GSM8K has two. The responses are the same under every filter, so each question is read once. `resps`
holds the responses of each request; generation tasks make one request per question, with as many responses as the
task's `repeats`. `filtered_resps` and the harness's own verdicts are ignored: Gavel's verifier reads the responses.
Tasks that only compare likelihoods have no responses and are not supported.

Versions 0.4.0 to 0.4.2 write one indented JSON list instead, even to a file named `.jsonl`, without the filter's name.
The rows are otherwise the same (`gavel.common.files.json_texts` reads both).

Sources: `lm_eval/evaluator.py`, `lm_eval/__main__.py` and `lm_eval/loggers/evaluation_tracker.py` of versions 0.4.
"""

import json
from hashlib import blake2b
from typing import Any

from gavel.common.errors import InputError
from gavel.solutions import answer_types
from gavel.solutions.numbers import too_long_note


def gold(row: dict[str, Any], answer_type: str = answer_types.DEFAULT) -> str:
    """Canonical gold answer from `target`: an answer, or text that ends with `####` and one. Raises `InputError`
    otherwise."""
    target, kind = row.get("target"), answer_types.find(answer_type)
    value = target.rpartition("####")[2] if isinstance(target, str) else target
    answer = kind.canonical(value)
    if answer is None:
        raise InputError(
            f"'target' is not {kind.expected}, and does not end with '#### ' and one: "
            f"{_shown(target)}{too_long_note(value)}"
        )
    return answer


def responses(row: dict[str, Any]) -> list[str]:
    """All responses to the row's question, in order. Raises `InputError` if they are not text."""
    requests = row.get("resps")
    if not isinstance(requests, list) or not all(isinstance(request, list) for request in requests):
        raise InputError(f"'resps' is not a list of lists of strings: {_shown(requests)}")
    texts = [response for request in requests for response in request]
    if not texts or not all(isinstance(response, str) for response in texts):
        raise InputError(f"'resps' holds no text, found {_shown(requests)}; the task must generate text")
    return texts


def doc_id(row: dict[str, Any]) -> str:
    """The question's number in its task, as text. Raises `InputError` if there is none."""
    number = row.get("doc_id")
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise InputError(f"'doc_id' is not a number: {_shown(number)}; expected a log of `lm_eval --log_samples`")
    return str(number)


class RepeatFilter:
    """Whether a row's question is new in this log (True) or is repeated under another filter (False)."""

    def __init__(self) -> None:
        self._seen: dict[str, bytes] = {}

    def __call__(self, row: dict[str, Any]) -> bool:
        """Raises `InputError` if there is no `doc_id`, or if it occurred with another target or other responses."""
        identity = doc_id(row)
        content = json.dumps([row.get("target"), row.get("resps")]).encode()
        digest = blake2b(content, digest_size=8).digest()
        if identity not in self._seen:
            self._seen[identity] = digest
            return True
        if self._seen[identity] != digest:
            raise InputError(
                f"doc_id {identity} is repeated with another target or other responses; give one log of one task"
            )
        return False


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]
