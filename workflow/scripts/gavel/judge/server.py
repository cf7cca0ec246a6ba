"""A judge's model behind an OpenAI-compatible server (vLLM, llama.cpp, hosted ones): one token a solution over HTTP.

Each judging prompt is one request for one token with the log-probabilities of the likeliest ones. A label that is not
among them counts as 0 (its probability is below that of the last one listed); with neither there the answer is unknown,
as it is when the server could not be asked. Too long a prompt is the server's to cut or to refuse.
"""

import math
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from gavel.errors import InputError
from gavel.judge.asking import Answer
from gavel.progress import say
from gavel.serving import is_gone, wait_for

NAME = "judge server"


class ServerBackend:
    """Asks a server for the next token's log-probabilities.

    Args:
        model: the name by which the server knows the model.
        labels: the words for right and wrong, compared with the texts of the listed tokens.
        example: any judging prompt, to see at the first call whether the labels are among the listed tokens.
        base_url: of the API, for instance `http://localhost:8000/v1`.
        chat: use the chat endpoint (the server applies the template) instead of plain completions.
        api_key_env: environment variable that holds the key; servers of one's own need none.
        top_logprobs: how many tokens to list; servers allow 5 to 20.
        concurrency: requests at a time.
        timeout_s: for one request.
        retries: of a request that failed (connection, time-out, overload, server error), each after a longer wait.
        status: status file of a server that the job started itself (`gavel.serving`): while it is started again, the
            next prompts wait for it. Its address is another one in every job, so it is no part of the identity.

    Raises:
        InputError: the package `openai` is missing; later, the server refuses key or model, lists neither label, or is
            gone for good.
    """

    chunk = 256  # prompts whose answers are kept together

    def __init__(
        self,
        model: str,
        labels: Sequence[str],
        *,
        example: str,
        base_url: str,
        chat: bool = False,
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
        self.client = openai.OpenAI(
            base_url=base_url,
            api_key=os.environ.get(api_key_env) or "none",
            timeout=timeout_s,
            max_retries=retries,
        )
        self.status = status
        self.identity = f"{'job' if status else base_url} {model} {chat} {top_logprobs}"
        self.checked = False
        self.tokens_read, self.tokens_written, self.counting = 0, 0, threading.Lock()

    def answers(
        self, texts: Sequence[str], groups: Sequence[str], progress: Callable[[Iterable], Iterable] = iter
    ) -> list[Answer | None]:
        """As `gavel.judge.asking.Backend` says. When many requests in a row fail the rest is not asked."""
        failures = _Failures(self.concurrency)
        if self.status:
            wait_for(NAME, self.status)
        if not self.checked:
            self._check()
        with ThreadPoolExecutor(self.concurrency) as pool:
            asked = [pool.submit(self._answer, text, failures) for text in texts]
            found = [answer.result() for answer in progress(asked)]
        if failures.total:
            say(
                f"judge server {self.base_url}: {failures.total} of {len(texts)} answers missing ({failures.last})",
                console=True,
            )
            if self.status and is_gone(self.status):
                wait_for(NAME, self.status)  # says why
        return found

    def _check(self) -> None:
        try:
            listed = self._listed(self.example)
        except self.openai.OpenAIError:
            return  # the prompts themselves will tell
        if not any(token in self.labels for token, _ in listed):
            shown = ", ".join(repr(token) for token, _ in listed[:8]) or "no tokens"
            raise InputError(
                f"judge.labels: neither of {list(self.labels)} is among the likeliest tokens of {self.base_url} "
                f"({shown}); name the words as they are listed there (a leading space counts)"
            )
        self.checked = True

    def _answer(self, text: str, failures: "_Failures") -> Answer | None:
        if failures.down:
            failures.add(failures.last)
            return None
        try:
            listed = self._listed(text)
        except (self.openai.AuthenticationError, self.openai.PermissionDeniedError, self.openai.NotFoundError) as error:
            raise InputError(f"judge.server: {self.base_url} refuses key or model {self.model!r}: {error}") from None
        except (self.openai.BadRequestError, self.openai.UnprocessableEntityError) as error:
            failures.add(f"{type(error).__name__}: {error}", down=False)  # this prompt's fault
            return None
        except self.openai.OpenAIError as error:
            failures.add(f"{type(error).__name__}: {error}")
            return None
        right, wrong = (sum(math.exp(value) for token, value in listed if token == label) for label in self.labels)
        failures.forget()
        if right + wrong == 0:
            shown = ", ".join(repr(token) for token, _ in listed[:5])
            failures.add(f"no label among the listed tokens: {shown}", down=False)
            return None
        return Answer(right, wrong)

    def _listed(self, text: str) -> list[tuple[str, float]]:
        """(text, log-probability) of the likeliest next tokens."""
        common = {"model": self.model, "max_tokens": 1, "temperature": 0.0}
        if self.chat:
            reply = self.client.chat.completions.create(
                messages=[{"role": "user", "content": text}], logprobs=True, top_logprobs=self.top, **common
            )
            self._count(reply.usage)
            content = reply.choices[0].logprobs and reply.choices[0].logprobs.content
            return [(entry.token, entry.logprob) for entry in content[0].top_logprobs] if content else []
        reply = self.client.completions.create(prompt=text, logprobs=self.top, **common)
        self._count(reply.usage)
        found = reply.choices[0].logprobs
        return list(found.top_logprobs[0].items()) if found and found.top_logprobs else []

    def _count(self, usage) -> None:
        """Add what a server says that it has read; one that says nothing counts as nothing."""
        with self.counting:
            self.tokens_read += usage.prompt_tokens if usage else 0


class _Failures:
    """Counts what could not be answered; `down` once so many requests in a row have failed."""

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
