"""Servers that a job starts itself: a command, a free port of loopback, and a process that watches over both.

Who keeps the server alive, restarts it and ends it with the job is `gavel.jobs.serving_process`, a process of its own,
so that the server goes when the job is killed. All processes of a training on several GPUs ask the one server of their
job; its status file tells them when to wait and when to give up. A server that hangs is not one that has died: it
stays, and what it does not answer is missing.
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
from gavel.common.log import say
from gavel.common.redaction import filled as with_environment
from gavel.jobs import serving_process

HOST = "127.0.0.1"  # the node's own processes and nobody else's
PROCESS = Path(serving_process.__file__)
LATE_S = 10.0  # a status that should have changed by then never will
POLL_S = 0.2


@dataclass(frozen=True)
class Served:
    """A running server: its address without a path, and the file that says how it fares (see `wait_for`)."""

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
) -> Iterator[Served]:
    """Run a server while the block runs; it is ready when the block begins and gone when it has ended.

    Args:
        name: for messages, such as "judge server".
        command: with the places `{model}`, `{host}` and `{port}`, and `${NAME}` for variables of the environment;
            programs of this Python's environment come first.
        key: of the config, for messages.
        log: file that takes what the server prints, made or appended to.
        gpus: those that the server sees, counted from 0 within those of the job; None leaves it all of them.
        startup_timeout_s: seconds until it must answer.
        restarts: how many times it is started again, at the same address, when it has died.
        ends_job_after: seconds after which a job whose server is gone for good is ended; None leaves it alone.

    Raises:
        InputError: no such program, no such GPU, the server ended or did not answer in time (the job's log has its
            last lines), or the block failed while the server was gone for good.
    """
    environment = os.environ | {"PATH": _search_path()}
    if gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible(gpus, key)
    filled = words(command, key, model=model)
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
        start_new_session=True,  # Ctrl-C is the job's to hear
        text=True,
        env=environment,
    )
    assert process.stdin and process.stdout  # pipes
    try:
        reply = json.loads(process.stdout.readline() or '{"error": "the process that was to start it has ended"}')
        if "error" in reply:
            raise InputError(f"{key}: `{' '.join(filled)}` gave no server: {reply['error']}; its last lines are above")
        with _without_proxy():
            try:
                yield Served(reply["url"], status)
            except InputError:
                raise
            except Exception as error:
                if (found := _read(status))["state"] == "gone":
                    raise InputError(_lost(name, found)) from error
                raise
    finally:
        process.stdin.close()
        try:
            process.wait(serving_process.GRACE_S + LATE_S)
        except subprocess.TimeoutExpired:
            process.kill()  # and the kernel the server
            process.wait()
        process.stdout.close()
        Path(status).unlink(missing_ok=True)


def wait_for(name: str, status: str | Path) -> None:
    """Return when a server is up; waits while it is being started again. Any process of its job may ask.

    Raises:
        InputError: it is gone for good.
    """
    told = False
    while (found := _read(status))["state"] == "starting" and time.time() < found["until"] + LATE_S:
        if not told:
            say(f"waiting for the {name}, which is being started again", console=True)
        told = True
        time.sleep(POLL_S)
    if found["state"] != "up":
        raise InputError(_lost(name, found))


def is_gone(status: str | Path) -> bool:
    """Whether a server that did not answer has died for good."""
    time.sleep(3 * serving_process.POLL_S)  # which is noticed in a moment
    return bool(_read(status)["state"] == "gone")


def words(command: str | Sequence[str], key: str, model: str) -> list[str]:
    """A command's words with model and host filled in; port and variables of the environment are when it runs.

    Raises:
        InputError: it cannot be split into words, its first word names no program, or a variable is not set.
    """
    try:
        found = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise InputError(f"{key}.command: cannot be split into words ({str(error).lower()}); close the quote") from None
    if not found:
        raise InputError(f"{key}.command: names no program")
    try:
        for word in found:
            with_environment(word, f"{key}.command")
    except ValueError as error:
        raise InputError(str(error)) from None
    found = [word.replace("{model}", model).replace("{host}", HOST) for word in found]
    if shutil.which(found[0], path=_search_path()) is None:
        raise InputError(f"{key}.command: there is no program {found[0]!r} here; install it, or name another one")
    return found


def visible(gpus: Sequence[int], key: str) -> str:
    """CUDA_VISIBLE_DEVICES for some of the job's GPUs, which Slurm may have named in that variable.

    Raises:
        InputError: the job was not given so many.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return ",".join(map(str, gpus))
    names = [name.strip() for name in given.split(",") if name.strip()]
    if max(gpus, default=-1) >= len(names):
        raise InputError(
            f"{key}.gpus names GPU {max(gpus)}, but the job was given {len(names)} (CUDA_VISIBLE_DEVICES={given!r}), "
            "counted from 0; ask for more in compute.gpus"
        )
    return ",".join(names[gpu] for gpu in gpus)


def free_port() -> int:
    """A port of loopback that nothing uses at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _read(status: str | Path) -> dict[str, Any]:
    with suppress(InputError):
        found: dict[str, Any] = read_json(status)
        return found
    return {"state": "stopped", "why": "it was stopped", "until": None}


def _lost(name: str, found: dict[str, Any]) -> str:
    why = found["why"] or "it did not come back"
    return f"the {name} is gone: {why} (the log says more); give the same command to go on"


def _search_path() -> str:
    """This Python's own programs first: nobody need activate its environment."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


@contextmanager
def _without_proxy() -> Iterator[None]:
    """Have this process and those that it starts reach the server directly where the machine has an HTTP proxy."""
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
