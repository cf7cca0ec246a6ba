"""A judge's model behind an OpenAI-compatible server (vLLM, llama.cpp, hosted): one token for each solution over HTTP.

Each judging prompt is one request for one token with the log-probabilities of the likeliest ones. A label word that is
not listed counts as 0 (its probability is below that of the last listed token). If neither word is listed, or both
are 0, the answer is unknown. It is also unknown if the request fails or the reply is malformed
(`gavel.judge.backends.replies`), after all retries. A prompt that is too long is left to the server to cut or to
reject.

A judge that reasons first sends two requests: for the reasoning, and for the token after it. On the chat endpoint the
second request ends with the start of the assistant's message, which the server must continue. vLLM and SGLang do so
with `continue_final_message`, llama.cpp's server by default; a server that rejects the request is named in the log.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from gavel.common.errors import InputError, first_line
from gavel.common.log import info, progress_bar
from gavel.common.redaction import expand_variables, register_secrets
from gavel.jobs.serving import is_gone, wait_for
from gavel.judge.backends.base import LabelProbabilities, Writer
from gavel.judge.backends.replies import MalformedReply, Reply, parse
from gavel.judge.prompting import CLOSING_HINT, Prompt, open_thought

if TYPE_CHECKING:
    import openai

Result = TypeVar("Result")

NAME = "judge server"
RETRIED_STATUSES = (408, 409, 429)  # statuses below 500 that are worth a retry
MIN_WAIT_S, MAX_WAIT_S, MAX_RETRY_AFTER_S = 0.5, 8.0, 60.0  # between attempts; the last if the server asks for it
HTTP = ("httpx", "httpcore", "h11")  # packages whose errors the openai client may let through


class ServerBackend(Writer):
    """Asks a server for the next token's log-probabilities.

    Args:
        model: the server's name for the model.
        labels: the two label words, compared with the texts of the listed tokens.
        example: any judging prompt; the first call checks with it whether the label words are listed.
        base_url: of the API, for instance `http://localhost:8000/v1`; `${NAME}` is replaced by that environment
            variable.
        chat: use the chat endpoint (the server applies the template) instead of plain completions.
        chat_template_kwargs: arguments of that template, as vLLM, SGLang and llama.cpp's server accept them.
        api_key_env: environment variable with the key; self-hosted servers need none.
        top_logprobs: number of tokens to list; servers allow 5 to 20.
        concurrency: simultaneous requests.
        timeout_s: for one request.
        retries: of a failed request (connection, time-out, overload, server error, malformed reply), with growing
            waits.
        status: status file of a server that the job started itself (`gavel.jobs.serving`): while the server restarts,
            the next prompts wait for it. Its address differs in every job, so it is not part of the identity.

    Raises:
        InputError: the package `openai` is missing; later, the server rejects key or model, lists neither label word,
            or is permanently down.
    """

    chunk = 256
    tokens_read = 0
    tokens_written = 0

    def __init__(
        self,
        model: str,
        labels: Sequence[str],
        *,
        example: Prompt,
        base_url: str,
        chat: bool = False,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        top_logprobs: int = 20,
        concurrency: int = 32,
        timeout_s: float = 60.0,
        retries: int = 5,
        status: str | None = None,
    ):
        try:
            import openai
        except ImportError:
            raise InputError("judge.server: needs the package openai; pip install openai") from None
        self.model, self.labels, self.chat, self.top = model, tuple(labels), chat, top_logprobs
        self.base_url, self.concurrency, self.example, self.openai = base_url, concurrency, example, openai
        key = os.environ.get(api_key_env)
        register_secrets(key)
        self.has_key = bool(key)
        try:
            address = expand_variables(base_url, "judge.server.base_url")
        except ValueError as error:
            raise InputError(str(error)) from None
        self.client = openai.OpenAI(
            base_url=address,
            api_key=key or "none",
            timeout=timeout_s,
            max_retries=0,  # `_with_retries` retries, because a malformed reply is a failure too
        )
        self.retries = retries
        self.status = status
        self.template_kwargs = dict(chat_template_kwargs or {})
        self.checked = False
        self.counting = threading.Lock()

    @property
    def identity(self) -> str:
        own = f" {sorted(self.template_kwargs.items())}" if self.template_kwargs else ""
        return f"{'job' if self.status else self.base_url} {self.model} {self.chat} {self.top}{own}"

    def shown(self, text: Prompt) -> str:
        """As in `gavel.judge.backends.base.Backend`; with `chat` the messages, since the server has the template."""
        if not self.chat:
            return super().shown(text)
        text, start = (text, "") if isinstance(text, str) else text
        return f"user: {text}" + (f"\nassistant: {start}" if start else "")

    def answers(self, texts: Sequence[Prompt], groups: Sequence[Hashable]) -> list[LabelProbabilities | None]:
        """As in `gavel.judge.backends.base.Backend`. After many failed requests in a row the rest are not sent."""
        self._wait_until_ready()
        return self._run_all([partial(self._label_probabilities, text) for text in texts])

    def write(
        self,
        texts: Sequence[str],
        *,
        n: int,
        temperature: float,
        max_new_tokens: int,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> list[list[str | None]]:
        """As in `gavel.judge.backends.base.Writer`, one request for each reply. Servers use seeds differently."""
        self._wait_until_ready()
        common = {"temperature": temperature, "max_tokens": max_new_tokens}
        ends = [{"stop": [end.strip()]} if end.strip() else {} for end in stop or [""] * len(texts)]
        asked = [
            partial(self._generate, text, seed=seed + place, **common, **end)
            for text, end in zip(texts, ends, strict=True)
            for place in range(n)
        ]
        replies = iter(self._run_all(asked))
        return [list(islice(replies, n)) for _ in texts]

    def _wait_until_ready(self) -> None:
        if self.status:
            wait_for(NAME, self.status)
        if not self.checked:
            self._check()

    def _run_all(self, requests: Sequence[Callable[[], Result]]) -> list[Result | None]:
        """The results of the requests, in order; None for failed ones, which are logged."""
        failures = _Failures(self.concurrency)
        with ThreadPoolExecutor(self.concurrency) as pool:
            asked = [pool.submit(self._with_retries, request, failures) for request in requests]
            found = [answer.result() for answer in progress_bar(asked, label="judge requests", brief=False)]
        if failures.total:
            info(
                f"judge server {self.base_url}: {failures.total} of {len(requests)} answers missing ({failures.last})",
                console=True,
            )
            if self.status and is_gone(self.status):
                wait_for(NAME, self.status)  # raises with the reason
        return found

    def _check(self) -> None:
        try:
            listed = self._request(self.example, **self._one_token()).likely_tokens
        except (self.openai.OpenAIError, MalformedReply):
            return  # the prompts themselves will show the error
        first = max(listed, key=lambda entry: entry[1])[0]
        if self.chat and open_thought(first):
            raise InputError(
                f"judge.prompting.chat: the model behind {self.base_url} opens a thought ({first}) before the label, "
                f"where a label word is not an answer; close it with {CLOSING_HINT}, or choose another judge"
            )
        if not any(token in self.labels for token, _ in listed):
            shown = ", ".join(repr(token) for token, _ in listed[:8]) or "no tokens"
            thought = f"; if they begin a thought, close it with {CLOSING_HINT}" if self.chat else ""
            raise InputError(
                f"judge.prompting.labels: neither of {list(self.labels)} is among the likeliest tokens of "
                f"{self.base_url} ({shown}); name the words as they are listed there (a leading space counts){thought}"
            )
        self.checked = True

    def _with_retries(self, request: Callable[[], Result], failures: "_Failures") -> Result | None:
        """The result of a request, after retries; None if it failed for good, which `failures` counts."""
        for attempt in range(self.retries + 1):
            if failures.down:
                failures.add(failures.last)
                return None
            wait = min(MAX_WAIT_S, MIN_WAIT_S * 2**attempt)
            try:
                found = request()
            except (
                self.openai.AuthenticationError,
                self.openai.PermissionDeniedError,
                self.openai.NotFoundError,
            ) as error:
                raise InputError(
                    f"judge.server: {self.base_url} rejects key or model {self.model!r}: {error}{self._unset()}"
                ) from None
            except _NoLabel as error:
                failures.forget()
                failures.add(str(error), down=False)
                return None
            except MalformedReply as error:
                reason = f"malformed reply: {error}"
            except self.openai.APIStatusError as error:
                reason = first_line(error)
                if 400 <= error.status_code < 500 and error.status_code not in RETRIED_STATUSES:
                    failures.add(reason, down=False)  # only this prompt's fault
                    return None
                wait = _asked_to_wait(error) or wait
            except UnicodeEncodeError as error:  # a lone surrogate, which JSON cannot hold
                failures.add(first_line(error), down=False)
                return None
            except Exception as error:
                if not isinstance(error, self.openai.OpenAIError) and not type(error).__module__.startswith(HTTP):
                    raise
                reason = first_line(error)
            else:
                failures.forget()
                return found
            if attempt < self.retries:
                time.sleep(wait)
        failures.add(reason)
        return None

    def _label_probabilities(self, text: Prompt) -> LabelProbabilities:
        listed = self._request(text, **self._one_token()).likely_tokens
        first, second = (sum(math.exp(value) for token, value in listed if token == label) for label in self.labels)
        if first + second == 0:
            shown = ", ".join(repr(token) for token, _ in listed[:5])
            if impossible := [label for label in self.labels if any(token == label for token, _ in listed)]:
                raise _NoLabel(f"the probability of {' and '.join(map(repr, impossible))} is 0; listed tokens: {shown}")
            raise _NoLabel(f"no label word among the listed tokens: {shown}")
        return LabelProbabilities(min(1.0, first), min(1.0, second))

    def _one_token(self) -> dict[str, Any]:
        """Request settings for the log-probabilities of the likeliest next tokens."""
        listing = {"logprobs": True, "top_logprobs": self.top} if self.chat else {"logprobs": self.top}
        return {"max_tokens": 1, "temperature": 0.0} | listing

    def _generate(self, text: str, **settings: Any) -> str:
        return self._request(text, writes=True, **settings).text

    def _request(self, text: Prompt, writes: bool = False, **settings: Any) -> Reply:
        """Send one request and return its reply; `writes`: the reply is a reasoning, whose tokens count.

        Raises:
            MalformedReply: the server answered with status 200, but not with such a reply.
        """
        text, start = (text, "") if isinstance(text, str) else text
        if self.chat:
            messages = [{"role": "user", "content": text}]
            extra: dict[str, Any] = {}
            if self.template_kwargs:
                extra["chat_template_kwargs"] = self.template_kwargs
            if start:
                messages.append({"role": "assistant", "content": start})
                extra |= {"continue_final_message": True, "add_generation_prompt": False}
            if extra:
                settings["extra_body"] = extra
            endpoint = self.client.chat.completions.with_raw_response
            raw = endpoint.create(model=self.model, messages=messages, **settings)
        else:
            endpoint = self.client.completions.with_raw_response
            raw = endpoint.create(model=self.model, prompt=text + start, **settings)
        reply = parse(raw.content, chat=self.chat, writes=writes)
        with self.counting:
            self.tokens_read += reply.read
            self.tokens_written += reply.written if writes else 0
        return reply

    def _unset(self) -> str:
        return "" if self.has_key else "; the variable that judge.server.api_key_env names is not set"


def _asked_to_wait(error: "openai.APIStatusError") -> float | None:
    """Seconds that an overloaded server asks its clients to wait (`Retry-After`); None if it does not."""
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 < seconds <= MAX_RETRY_AFTER_S else None


class _NoLabel(Exception):
    """A server's list of likely tokens has neither label word, or only with probability 0."""


class _Failures:
    """Counts failed requests; `down` once `limit` of them in a row have failed."""

    def __init__(self, limit: int):
        self.limit, self.total, self.row, self.last = limit, 0, 0, ""
        self.lock = threading.Lock()

    @property
    def down(self) -> bool:
        return self.row >= self.limit

    def add(self, reason: str, down: bool = True) -> None:
        with self.lock:
            self.total, self.last, self.row = self.total + 1, reason, self.row + down

    def forget(self) -> None:
        with self.lock:
            self.row = 0
