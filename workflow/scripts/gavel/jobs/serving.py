"""Run a server that a job starts itself, on a free port of localhost, under a supervising process.

The supervisor, `gavel.jobs.serving_process`, starts the server, restarts it, and stops it with the job, even if the job
is killed. All ranks of a distributed training run use the one server of their job. Its status file shows when to wait
and when to give up. A server that hangs is not restarted; requests that it does not answer count as missing.
"""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavel.common.errors import InputError
from gavel.common.files import read_json
from gavel.common.log import info
from gavel.common.redaction import expand_variables as with_environment
from gavel.jobs import serving_process

HOST = "127.0.0.1"  # accessible from this node only
PROCESS = Path(serving_process.__file__)
STATUS_TOLERANCE_S = 10.0  # tolerance for a status that should have changed
POLL_S = 0.2


@dataclass(frozen=True)
class RunningServer:
    """A running server: its URL without a path, and its status file (see `wait_for`)."""

    url: str
    status: str


@contextmanager
def serving(
    name: str,
    command: str | Sequence[str],
    *,
    key: str,
    model: str,
    log: str | Path,
    gpus: Sequence[int] | None = None,
    startup_timeout_s: float = 900.0,
    restarts: int = 0,
    ends_job_after: float | None = None,
) -> Iterator[RunningServer]:
    """Run a server while the block runs: it is ready when the block begins and stopped when the block ends.

    Args:
        name: for messages, such as "judge server".
        command: with the slots `{model}`, `{host}` and `{port}`, and `${NAME}` for environment variables; programs of
            this Python's environment come first.
        model: replaces `{model}`.
        key: config key of the server, for messages.
        log: file for the server's output, created or appended to.
        gpus: GPUs visible to the server, counted from 0 among those of the job; None: all of them.
        startup_timeout_s: seconds within which the server must answer.
        restarts: how many times the server is restarted, on the same port, after it has died.
        ends_job_after: seconds after which the job is terminated if its server has died for good; None: never.

    Raises:
        InputError: there is no such program or GPU, the server ended or did not answer in time (the job's log has its
            last lines), or the block failed after the server had died for good.
    """
    environment = os.environ | {"PATH": _search_path()}
    if gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible_devices(gpus, key)
    filled = split_command(command, key, model=model)
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    handle, status = tempfile.mkstemp(prefix="gavel-server-", suffix=".json")
    os.close(handle)
    task = {
        "name": name,
        "command": filled,
        "host": HOST,
        "log": str(log),
        "status": status,
        "startup_timeout_s": startup_timeout_s,
        "restarts": restarts,
        "ends_job_after": ends_job_after,
    }
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(PROCESS), json.dumps(task)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C goes to the job only
        text=True,
        env=environment,
    )
    assert process.stdin and process.stdout  # pipes
    try:
        reply = json.loads(process.stdout.readline() or '{"error": "its supervising process has ended"}')
        if "error" in reply:
            raise InputError(
                f"{key}: `{' '.join(filled)}` did not start a server: {reply['error']}; its last lines are above"
            )
        with _without_proxy():
            try:
                yield RunningServer(reply["url"], status)
            except InputError:
                raise
            except Exception as error:
                if (found := _read(status))["state"] == "gone":
                    raise InputError(_loss_message(name, found)) from error
                raise
    finally:
        process.stdin.close()
        try:
            process.wait(serving_process.GRACE_S + STATUS_TOLERANCE_S)
        except subprocess.TimeoutExpired:
            process.kill()  # the kernel then kills the server
            process.wait()
        process.stdout.close()
        Path(status).unlink(missing_ok=True)


def wait_for(name: str, status: str | Path) -> None:
    """Wait until a server is up, for example while it restarts. Any process of its job may call this.

    Raises:
        InputError: the server has died for good.
    """
    reported = False
    while (found := _read(status))["state"] == "starting" and time.time() < found["until"] + STATUS_TOLERANCE_S:
        if not reported:
            info(f"waiting for the {name}, which is restarting", console=True)
        reported = True
        time.sleep(POLL_S)
    if found["state"] != "up":
        raise InputError(_loss_message(name, found))


def is_gone(status: str | Path) -> bool:
    """Whether a server that did not answer has died for good."""
    time.sleep(3 * serving_process.POLL_S)  # until the supervisor has noticed
    return bool(_read(status)["state"] == "gone")


def split_command(command: str | Sequence[str], key: str, model: str) -> list[str]:
    """Split a command into words and fill in model and host; port and environment variables follow when it runs.

    Raises:
        InputError: the command cannot be split, its program does not exist, or a variable is not set.
    """
    try:
        parts = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise InputError(f"{key}.command: cannot be split into words ({str(error).lower()}); close the quote") from None
    if not parts:
        raise InputError(f"{key}.command: is empty; name a program")
    try:
        for word in parts:
            with_environment(word, f"{key}.command")
    except ValueError as error:
        raise InputError(str(error)) from None
    parts = [word.replace("{model}", model).replace("{host}", HOST) for word in parts]
    if shutil.which(parts[0], path=_search_path()) is None:
        raise InputError(f"{key}.command: program {parts[0]!r} not found; install it, or name another one")
    return parts


def visible_devices(gpus: Sequence[int], key: str) -> str:
    """CUDA_VISIBLE_DEVICES for some of the job's GPUs, which Slurm may have restricted with that variable.

    Raises:
        InputError: the job has too few GPUs.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return ",".join(map(str, gpus))
    names = [name.strip() for name in given.split(",") if name.strip()]
    if max(gpus, default=-1) >= len(names):
        raise InputError(
            f"{key}.gpus has GPU {max(gpus)}, counted from 0, but the job has {len(names)} GPUs "
            f"(CUDA_VISIBLE_DEVICES={given!r}); request more with compute.gpus"
        )
    return ",".join(names[gpu] for gpu in gpus)


def free_port() -> int:
    """A currently unused port of localhost."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _read(status: str | Path) -> dict[str, Any]:
    with suppress(InputError):
        found: dict[str, Any] = read_json(status)
        return found
    return {"state": "stopped", "why": "it was stopped", "until": None}


def _loss_message(name: str, status: dict[str, Any]) -> str:
    why = status["why"] or "it did not come back"
    return f"the {name} is gone: {why} (see the log); rerun the same command to resume"


def _search_path() -> str:
    """PATH with this Python's own programs first, so that its environment need not be activated."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


@contextmanager
def _without_proxy() -> Iterator[None]:
    """Bypass the machine's HTTP proxy for the server, in this process and its children."""
    names = ("no_proxy", "NO_PROXY")
    before = {name: os.environ.get(name) for name in names}
    for name in names:
        os.environ[name] = ",".join(filter(None, [before[name], HOST]))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
