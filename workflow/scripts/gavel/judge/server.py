"""A judge's model behind an OpenAI-compatible server (vLLM, llama.cpp, hosted ones): one token a solution over HTTP.

Each judging prompt is one request for one token with the log-probabilities of the likeliest ones. A label that is not
among them counts as 0 (its probability is below that of the last one listed); with neither there the answer is unknown,
as it is when the server could not be asked. Too long a prompt is the server's to cut or to refuse.

A judge that reasons asks twice: for the reasoning, and for the token after it. By the chat endpoint the second request
ends with the beginning of the assistant's message, which the server must go on with: vLLM and SGLang are told so by
`continue_final_message`, llama.cpp's server does it by itself; one that refuses is named in the log.
"""

import math
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from gavel.errors import InputError
from gavel.judge.asking import Answer
from gavel.judge.phrasings import Prompt
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
        example: Prompt,
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
        self, texts: Sequence[Prompt], groups: Sequence[Hashable], progress: Callable[[Iterable], Iterable] = iter
    ) -> list[Answer | None]:
        """As `gavel.judge.asking.Backend` says. When many requests in a row fail the rest is not asked."""
        self._ready()
        return self._all([partial(self._answer, text) for text in texts], progress)

    def write(
        self,
        texts: Sequence[str],
        *,
        n: int,
        temperature: float,
        max_new_tokens: int,
        seed: int = 0,
        stop: Sequence[str] = (),
        progress: Callable[[Iterable], Iterable] = iter,
    ) -> list[list[str | None]]:
        """As `gavel.judge.asking.Writer` says, one request a reply; how far a seed binds is the server's affair."""
        self._ready()
        common = {"temperature": temperature, "max_tokens": max_new_tokens}
        ends = [{"stop": [end.strip()]} if end.strip() else {} for end in stop or [""] * len(texts)]
        asked = [
            partial(self._written, text, seed=seed + place, **common, **end)
            for text, end in zip(texts, ends, strict=True)
            for place in range(n)
        ]
        replies = iter(self._all(asked, progress))
        return [list(islice(replies, n)) for _ in texts]

    def _ready(self) -> None:
        if self.status:
            wait_for(NAME, self.status)
        if not self.checked:
            self._check()

    def _all(self, requests: Sequence[Callable], progress) -> list:
        """What the requests give, in order; None for those that failed, which are told of."""
        failures = _Failures(self.concurrency)
        with ThreadPoolExecutor(self.concurrency) as pool:
            asked = [pool.submit(self._tried, request, failures) for request in requests]
            found = [answer.result() for answer in progress(asked)]
        if failures.total:
            say(
                f"judge server {self.base_url}: {failures.total} of {len(requests)} answers missing ({failures.last})",
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

    def _tried(self, request: Callable, failures: "_Failures"):
        if failures.down:
            failures.add(failures.last)
            return None
        try:
            found = request()
        except (self.openai.AuthenticationError, self.openai.PermissionDeniedError, self.openai.NotFoundError) as error:
            raise InputError(f"judge.server: {self.base_url} refuses key or model {self.model!r}: {error}") from None
        except (self.openai.BadRequestError, self.openai.UnprocessableEntityError) as error:
            failures.add(f"{type(error).__name__}: {error}", down=False)  # this prompt's fault
            return None
        except self.openai.OpenAIError as error:
            failures.add(f"{type(error).__name__}: {error}")
            return None
        except _NoLabel as error:
            failures.forget()
            failures.add(str(error), down=False)
            return None
        failures.forget()
        return found

    def _answer(self, text: Prompt) -> Answer:
        listed = self._listed(text)
        right, wrong = (sum(math.exp(value) for token, value in listed if token == label) for label in self.labels)
        if right + wrong == 0:
            raise _NoLabel(f"no label among the listed tokens: {', '.join(repr(token) for token, _ in listed[:5])}")
        return Answer(right, wrong)

    def _listed(self, text: Prompt) -> list[tuple[str, float]]:
        """(text, log-probability) of the likeliest next tokens."""
        if self.chat:
            choice = self._asked(text, max_tokens=1, temperature=0.0, logprobs=True, top_logprobs=self.top)
            content = choice.logprobs and choice.logprobs.content
            return [(entry.token, entry.logprob) for entry in content[0].top_logprobs] if content else []
        found = self._asked(text, max_tokens=1, temperature=0.0, logprobs=self.top).logprobs
        return list(found.top_logprobs[0].items()) if found and found.top_logprobs else []

    def _written(self, text: str, **settings) -> str:
        choice = self._asked(text, writes=True, **settings)
        return (choice.message.content if self.chat else choice.text) or ""

    def _asked(self, text: Prompt, writes: bool = False, **settings):
        """The only choice of one request; `writes`: what comes back is a reasoning, whose tokens count."""
        text, begun = (text, "") if isinstance(text, str) else text
        if self.chat:
            messages = [{"role": "user", "content": text}]
            if begun:
                messages.append({"role": "assistant", "content": begun})
                settings["extra_body"] = {"continue_final_message": True, "add_generation_prompt": False}
            reply = self.client.chat.completions.create(model=self.model, messages=messages, **settings)
        else:
            reply = self.client.completions.create(model=self.model, prompt=text + begun, **settings)
        if reply.usage:  # a server that says nothing counts as nothing
            with self.counting:
                self.tokens_read += reply.usage.prompt_tokens
                self.tokens_written += reply.usage.completion_tokens if writes else 0
        return reply.choices[0]


class _NoLabel(Exception):
    """A server's list of likely tokens has neither label."""


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
