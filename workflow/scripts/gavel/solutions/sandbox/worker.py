"""The process inside the program sandbox: reads programs, runs each in confinement, and replies with what it returned.

`gavel.solutions.sandbox.pool` starts it as `python -I -S worker.py`, so this file and its imports use only the standard
library. Only here, in a separate process, is a model's text parsed and executed (`gavel.solutions.sandbox.language`).
The docstring of `gavel.solutions.sandbox.pool` describes what the containment covers and what it does not.

Frames on stdin and stdout are a 4-byte big-endian length and JSON. In:
`{"key": text, "timeout": seconds, "patience": seconds, "programs": [text, ...]}`: the CPU time of a program, and the
wall-clock time in which it must get it. Out: `{"layers": [...]}` once, as returned by `confinement.confine`; then
`["begun", key]`, and for each program in order `[kind, text]` with kind `value`, `none` (the program returned None),
`no answer` or `not run` (text gives the reason). The kernel ends a worker whose program exceeds its CPU time. A worker
with too little memory left for the next program sends `["retired", ""]` and ends.

Arguments: `parent=PID` is the process with which this one dies. With `sympy=PATH`, programs may import SymPy from there
(`gavel.solutions.sandbox.sympy_subset` defines which part of it). This process then runs none of them itself: it forks
a confined child for each program, which ends after its one reply. With `unchecked`, programs run as they are, with all
of Python's builtins; this is for tests of the process layer.
"""

import ast
import builtins
import gc
import json
import mmap
import os
import select
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

if __name__ == "__main__":
    # Last on the path, and only here: nothing in the library may shadow the standard library.
    sys.path.append(str(Path(__file__).resolve().parents[3]))

from gavel.solutions.sandbox import confinement, language, stand_ins

LEFTOVER_BYTES = 16 * 2**20  # leftovers of programs that a worker may have before it is cleaned, or else replaced
LEFTOVER_S, LEFTOVER_PROGRAMS = 0.001, 64  # check for leftovers after a program this long, or after this many
FORK_ATTEMPTS = 50  # a tenth of a second apart, if the machine has no room for a process
MAX_REPLY = 8 * 1024  # a reply has at most 450 characters, each up to 12 bytes in JSON
START_S = 20.0  # for a child to be confined at startup; it takes milliseconds


def read_exactly(size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = os.read(0, size - len(data))
        if not chunk:
            sys.exit(0)
        data += chunk
    return bytes(data)


def send(message) -> None:
    data = json.dumps(message).encode("ascii")
    frame = struct.pack(">I", len(data)) + data
    while frame:
        frame = frame[os.write(1, frame) :]


def load_sympy(packages: str) -> None:
    """Let programs import SymPy from the folder `packages`; from now on, it evaluates no text."""
    from gavel.solutions.sandbox import sympy_subset

    sys.path.append(packages)
    import sympy

    sympy_subset.warm_up(sympy)
    sympy_subset.disarm(stand_ins.Refused)
    stand_ins.STAND_INS.update(sympy_subset.stand_ins(sympy, stand_ins.Refused))
    stand_ins.ATTRIBUTES.update(vars(stand_ins.STAND_INS["sympy"]), sympy_subset.attributes())
    stand_ins.ATTRIBUTE_GUARDS.append(sympy_subset.method_guard(sympy, stand_ins.Refused))
    language.PLAIN.append(lambda value: sympy_subset.plain_number(sympy, value))


def has_address_space(size: int) -> bool:
    """Whether `size` bytes of address space are left; they are not touched."""
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, ValueError):
        return False
    return True


def batches() -> Iterator[tuple[str, float, float]]:
    """Yield the programs that arrive, one after another, each with its time-out and patience."""
    while True:
        batch = json.loads(read_exactly(struct.unpack(">I", read_exactly(4))[0]))
        send(["begun", batch["key"]])
        for source in batch["programs"]:
            yield source, batch["timeout"], batch["patience"]


def serve_in_process(parent: int, options: Sequence[object]) -> None:
    """Run programs in this process until one has left so little memory that later ones would suffer."""
    send({"layers": confinement.confine(parent)})
    step = LEFTOVER_BYTES // 2
    free = next((size for size in range(confinement.MEMORY_BYTES, 0, -step) if has_address_space(size)), step)
    needed, unchecked = max(free - LEFTOVER_BYTES, step), 0
    gc.collect()
    gc.freeze()  # so that later collections examine only the programs' leftovers
    for source, timeout, _ in batches():
        started = time.monotonic()
        confinement.limit_cpu_time(timeout)
        reply = language.run(source, *options)
        unchecked += 1
        # Leftovers that matter need a while to allocate, or many programs.
        if time.monotonic() - started > LEFTOVER_S or unchecked >= LEFTOVER_PROGRAMS:
            unchecked = 0
            if not has_address_space(needed):
                gc.collect()
                if not has_address_space(needed):
                    send(reply)
                    send(["retired", ""])
                    return
        send(reply)


def serve_in_children(parent: int, options: Sequence[object]) -> None:
    """Run each program in a confined child process. This process runs none and is not confined."""
    confinement.die_with(parent)
    here = os.getpid()
    gc.collect()
    gc.freeze()

    def begin(timeout: float) -> list[str]:
        layers = confinement.confine(here)
        confinement.limit_cpu_time(timeout)
        return layers

    def answer(source: str, timeout: float, patience: float) -> tuple[str, str]:
        def task():
            begin(timeout)
            return language.run(source, *options)

        try:
            match run_in_child(task, timeout + patience):
                case [str(kind), str(text)]:
                    return kind, text
        except TimeoutError:
            return "not run", "the machine gave the program's process too little time"
        return "no answer", "the program's process ended, took too long or sent an invalid reply"

    match run_in_child(lambda: {"layers": begin(START_S)}, START_S):
        case {"layers": list(layers)}:
            send({"layers": layers})
            for program in batches():
                send(answer(*program))


def run_in_child(task: Callable[[], object], timeout: float):
    """What `task` returns in a child process, as JSON gives it; None if the child sends anything but one reply.

    The child can write only to its pipe, and is gone when this returns. Raises TimeoutError if it neither replies nor
    ends within `timeout` seconds of wall-clock time.
    """
    reader, writer = os.pipe()
    child = fork_with_retries()
    if not child:
        try:
            for place in (0, 1):
                os.dup2(writer, place)
            os.closerange(3, 256)
            send(task())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        return parse_frame(read_frame(reader, time.monotonic() + timeout))
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def fork_with_retries() -> int:
    for _ in range(FORK_ATTEMPTS):
        try:
            return os.fork()
        except OSError:
            time.sleep(0.1)
    sys.exit(3)


def read_frame(reader: int, deadline: float) -> bytes:
    """The bytes of one frame, fewer if the child ends; ends this process if its parent is gone.

    Raises TimeoutError at the deadline.
    """
    poll, data = select.poll(), b""
    poll.register(reader, select.POLLIN)
    poll.register(0, 0)  # only its hang-up
    while len(data) <= MAX_REPLY:
        if (left := deadline - time.monotonic()) <= 0:
            raise TimeoutError
        for place, _ in poll.poll(left * 1000):
            if place == 0:
                os._exit(0)
            chunk = os.read(reader, MAX_REPLY)
            data += chunk
            if not chunk or (len(data) >= 4 and len(data) >= 4 + struct.unpack_from(">I", data)[0]):
                return data
    return data


def parse_frame(frame: bytes):
    """The message of exactly one frame; None for any other bytes."""
    if len(frame) < 4 or len(frame) != 4 + struct.unpack_from(">I", frame)[0]:
        return None
    try:
        return json.loads(frame[4:])
    except (ValueError, RecursionError):
        return None


def main(arguments: list[str]) -> None:
    warnings.simplefilter("ignore")
    settings = dict(argument.partition("=")[::2] for argument in arguments)
    options = (ast.parse, vars(builtins)) if "unchecked" in settings else ()
    if "sympy" in settings:
        load_sympy(settings["sympy"])
    # Printed text must not get between the frames.
    sys.stdout = sys.__stdout__ = sys.stderr = sys.__stderr__ = None
    parent = int(settings.get("parent", os.getppid()))
    (serve_in_children if "sympy" in settings else serve_in_process)(parent, options)


if __name__ == "__main__":
    main(sys.argv[1:])
