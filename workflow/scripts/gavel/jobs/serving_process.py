"""The supervisor of a job's server: it starts the server, restarts it when it dies, and ends with the job.

`gavel.jobs.serving` starts it as `python -I -S serving_process.py TASK`, so this file uses only the standard library
and `gavel.common.redaction`, which does too. Nothing is written to its standard input: it closes when the job ends in
any way, and then the server is stopped. A server is its own process group, so its children end with it. If this
process is killed, the kernel kills the server (prctl, Linux).

It prints one JSON object to standard output: the server is up (`{"url"}`) or could not be started (`{"error"}`). Later,
the server's clients in any process read the status file (`gavel.jobs.serving.wait_for`): `{"state": "starting" | "up" |
"gone", "why", "pid", "until"}`. Its own messages go to standard error, which is the job's log.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from threading import Thread
from types import FrameType, ModuleType
from typing import IO

POLL_S = 0.2
GRACE_S = 5.0  # between SIGTERM and SIGKILL
ANSWER_S = 2.0  # time-out of a health check
PORTS = 5  # maximum number of ports to try
LAST_LINES_S = 2.0  # wait for the last output of a server that has ended
TAIL_LINES = 15  # lines of a failed server's log that are copied to the job's log
PORT_IN_USE = ("address already in use", "address in use", "eaddrinuse", "errno 98")
PR_SET_PDEATHSIG = 1


def _redaction() -> ModuleType:
    """Load the module from its file, so that the library's folder does not come before the standard library's."""
    library = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    spec = spec_from_file_location("redaction", os.path.join(library, "common", "redaction.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{library}: no module common/redaction.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


redaction = _redaction()


class StartFailed(Exception):
    """The server did not become ready; the message gives the reason."""


class JobEnded(Exception):
    """The job has ended or no longer needs the server."""


class Supervisor:
    """Supervises one server from start to end.

    Args:
        name: for messages, such as "judge server".
        command: words; `{port}` is replaced by the port, `${NAME}` by the environment variable.
        host: address of the server.
        log: file for the server's output, without passwords and API keys.
        status: status file for the server's clients.
        startup_timeout_s: seconds within which it must answer, at each start.
        restarts: how many times it is restarted after it has died.
        ends_job_after: seconds until a job whose server has died for good is terminated (SIGTERM), for jobs that might
            wait for the server for ever; None: never.
    """

    def __init__(
        self,
        *,
        name: str,
        command: list[str],
        host: str,
        log: str,
        status: str,
        startup_timeout_s: float,
        restarts: int,
        ends_job_after: float | None,
    ):
        self.name, self.command, self.host, self.log, self.status = name, command, host, log, status
        self.startup_timeout_s, self.restarts, self.ends_job_after = startup_timeout_s, restarts, ends_job_after
        self.job = os.getppid()
        self.held: socket.socket | None = None
        self.server: subprocess.Popen[bytes] | None = None
        self.logging: Thread | None = None

    def run(self) -> None:
        try:
            why = self._first_start()
            print(json.dumps({"error": why} if why else {"url": self.url}), flush=True)
            if not why:
                self._supervise()
        except JobEnded:
            pass
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            self._stop()
            for path in (self.status, f"{self.status}.new"):
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def _first_start(self) -> str | None:
        """Start the server on a free port; returns an error message if it could not be started."""
        for attempt in range(PORTS):
            # No other process can take a port that is held here, now or at a restart. But a server that does not share
            # addresses (SO_REUSEADDR) cannot use it either.
            self._choose_port(hold=attempt == 0)
            try:
                self._start()
                return None
            except StartFailed as error:
                why = str(error)
                self._stop()
                if not any(words in self._printed().lower() for words in PORT_IN_USE):
                    break
                self._log(f"port {self.port} is taken")
        self._repeat_log()
        return why

    def _supervise(self) -> None:
        """Restart the server when it has died, up to `restarts` times."""
        for left in range(self.restarts, -1, -1):
            while (status := self._server.poll()) is None:
                self._pause()
            why = f"it {_ended(status)}"
            if left:
                self._log(f"{why}; restarting it ({self.restarts - left + 1} of {self.restarts})")
                self._stop()
                try:
                    self._start()
                except StartFailed as error:
                    self._stop()
                    self._log(str(error))
        self._log(f"{why} and is not restarted")
        self._repeat_log()
        self._write_status("gone", why=f"{why}, after {self.restarts} restarts")
        gone = time.monotonic()
        while self.ends_job_after is None or time.monotonic() < gone + self.ends_job_after:
            self._pause()
        self._log("terminating the job, which still waits for it")
        os.kill(self.job, signal.SIGTERM)

    def _choose_port(self, hold: bool) -> None:
        if self.held:
            self.held.close()
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind((self.host, 0))
        self.port = self.held.getsockname()[1]
        self.url = f"http://{self.host}:{self.port}"
        if not hold:
            self.held.close()

    def _start(self) -> None:
        """Start the server and wait until it answers; raises `StartFailed` if it ends first or takes too long."""
        command = [
            redaction.expand_variables(word.replace("{port}", str(self.port)), self.name) for word in self.command
        ]
        begun, die_with_parent = time.monotonic(), _death_signal()
        with open(self.log, "ab") as log:
            self.printed_from = log.tell()
        self.server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        self.logging = Thread(target=_copy, args=(self.server.stdout, self.log), daemon=True)
        self.logging.start()
        self._write_status("starting", until=time.time() + self.startup_timeout_s)
        self._log(f"starting on port {self.port}, process {self.server.pid}, log {self.log}")
        while not self._answers():
            if self.server.poll() is not None:
                raise StartFailed(f"it {_ended(self.server.returncode)} before it answered")
            if time.monotonic() > begun + self.startup_timeout_s:
                raise StartFailed(f"it did not answer within {self.startup_timeout_s:g} s")
            self._pause()
        if self.server.poll() is not None:  # then another process answered
            raise StartFailed(f"it {_ended(self.server.returncode)} before it answered")
        self._log(f"ready after {time.monotonic() - begun:.1f} s at {self.url}")
        self._write_status("up")

    def _answers(self) -> bool:
        """Whether its health check succeeds or, if it has none, it lists its models."""
        found = self._get("/health")
        if found in (404, 405, 501):
            found = self._get("/v1/models")
        return found in (200, 204, 401, 403)  # a server that asks for a key is up

    def _get(self, path: str) -> int | None:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(self.url + path, timeout=ANSWER_S) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except (OSError, ValueError):
            return None

    def _pause(self) -> None:
        """Wait for `POLL_S`; raises `JobEnded` if the job has ended."""
        ready, _, _ = select.select([0], [], [], POLL_S)
        if (ready and not os.read(0, 1)) or os.getppid() != self.job:
            raise JobEnded

    def _stop(self) -> None:
        """Stop the server and its children."""
        if self.server is None:
            return
        if self.server.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.server.wait(GRACE_S)
        self._signal(signal.SIGKILL)
        self.server.wait()
        self._wait_for_log()

    @property
    def _server(self) -> subprocess.Popen[bytes]:
        """The server; raises `RuntimeError` before it is started."""
        if self.server is None:
            raise RuntimeError(f"{self.name}: not started")
        return self.server

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._server.pid, number)

    def _write_status(self, state: str, why: str = "", until: float | None = None) -> None:
        with open(f"{self.status}.new", "w", encoding="utf-8") as handle:
            json.dump({"state": state, "why": why, "pid": self._server.pid, "until": until}, handle)
        os.replace(f"{self.status}.new", self.status)

    def _printed(self) -> str:
        with open(self.log, "rb") as log:
            log.seek(self.printed_from)
            return log.read().decode("utf-8", "replace")

    def _wait_for_log(self) -> None:
        if self.logging is not None:
            self.logging.join(LAST_LINES_S)

    def _repeat_log(self) -> None:
        self._wait_for_log()
        for line in self._printed().splitlines()[-TAIL_LINES:]:
            print(f"    {line}", file=sys.stderr, flush=True)

    def _log(self, text: str) -> None:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self.name}: {text}", file=sys.stderr, flush=True)


def _copy(printed: IO[bytes], log: str) -> None:
    """Copy a server's output to its log, line by line, without passwords and API keys."""
    with printed, open(log, "ab", buffering=0) as handle:
        for line in printed:
            text = line.decode("utf-8", "surrogateescape")
            handle.write(redaction.redact(text).encode("utf-8", "surrogateescape"))


def _ended(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"


def _death_signal() -> Callable[[], object] | None:
    """A function that makes a child process die with this one; None on systems other than Linux."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(number: int, frame: FrameType | None) -> None:
    raise JobEnded


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    Supervisor(**json.loads(sys.argv[1])).run()
