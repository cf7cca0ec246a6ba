"""The process inside the program sandbox: reads programs, runs each contained, answers what it returned.

Started by `gavel.solutions.sandbox.pool` as `python -I -S worker.py`, so this file and what it imports use the standard
library only. Here alone, in a process of its own, is a model's text parsed and executed
(`gavel.solutions.sandbox.language`). What the whole containment covers and what it does not is in the docstring of
`gavel.solutions.sandbox.pool`.

Frames on stdin and stdout are a 4-byte big-endian length and JSON. In: `{"key": text, "timeout": seconds,
"programs": [text, ...]}`. Out: `{"layers": [...]}` once, as `confinement.confine` returned them, then
`["begun", key]`, and for each program in order `[kind, text]` with kind `value`, `none` (the program returned None)
or `no answer` (text says why). A worker in which too little memory is left for the next program says
`["retired", ""]` and ends.

Arguments: `parent=PID` is the process with which this one dies. With `sympy=PATH` programs may import SymPy, found
there (`gavel.solutions.sandbox.sympy_subset` says what of it); this process then runs none of them itself: it forks a
child for each program, confined, which ends after its one reply. With `unchecked` programs run as they are, with all of
Python's builtins: for tests of the process layer.
"""

import ast
import builtins
import gc
import json
import math
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
    # Last on the path, and only here: nothing of the library may stand before the standard library.
    sys.path.append(str(Path(__file__).resolve().parents[3]))

from gavel.solutions.sandbox import confinement, language, stand_ins

LEFTOVER_BYTES = 16 * 2**20  # what programs may leave behind in a worker before it is cleaned, or else replaced
LEFTOVER_S, LEFTOVER_PROGRAMS = 0.001, 64  # after a program that took so long, and after so many, that is looked at
FORK_ATTEMPTS = 50  # a tenth of a second apart, where the machine has no room for a process
MAX_REPLY = 8 * 1024  # a reply has at most 450 characters, each up to 12 bytes in JSON
START_S = 20.0  # for a child to be confined at the start; it takes milliseconds
REARM_S = 0.2  # how often the kernel's limit of processor time is set anew, which costs as much as a small program


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
    """Let programs import SymPy from the folder `packages`, where no text is evaluated from now on."""
    from gavel.solutions.sandbox import sympy_subset

    sys.path.append(packages)
    import sympy

    sympy_subset.warm_up(sympy)
    sympy_subset.disarm(stand_ins.Refused)
    stand_ins.STAND_INS.update(sympy_subset.stand_ins(sympy, stand_ins.Refused))
    stand_ins.ATTRIBUTES.update(vars(stand_ins.STAND_INS["sympy"]), sympy_subset.attributes())
    stand_ins.ATTRIBUTE_GUARDS.append(sympy_subset.method_guard(sympy, stand_ins.Refused))
    language.PLAIN.append(lambda value: sympy_subset.plain_number(sympy, value))


def room(size: int) -> bool:
    """Whether `size` bytes of address space are left; they are not touched."""
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, ValueError):
        return False
    return True


def batches() -> Iterator[tuple[str, float]]:
    """The programs that arrive, one after another, each with its time-out."""
    while True:
        batch = json.loads(read_exactly(struct.unpack(">I", read_exactly(4))[0]))
        send(["begun", batch["key"]])
        for source in batch["programs"]:
            yield source, batch["timeout"]


def serve_here(parent: int, options: Sequence) -> None:
    """Run programs in this process, until one has left so little memory that later ones would suffer."""
    send({"layers": confinement.confine(parent)})
    step = LEFTOVER_BYTES // 2
    free = next((size for size in range(confinement.MEMORY_BYTES, 0, -step) if room(size)), step)
    needed, armed, unchecked = max(free - LEFTOVER_BYTES, step), -math.inf, 0
    gc.collect()
    gc.freeze()  # so that a later collection looks at a program's leftovers only
    for source, timeout in batches():
        begun = time.monotonic()
        if begun > armed + REARM_S:
            confinement.limit_processor_time(timeout + REARM_S)
            armed = begun
        reply = language.run(source, *options)
        unchecked += 1
        # Leftovers that matter take a while to allocate, or many programs.
        if time.monotonic() - begun > LEFTOVER_S or unchecked >= LEFTOVER_PROGRAMS:
            unchecked = 0
            if not room(needed):
                gc.collect()
                if not room(needed):
                    send(reply)
                    send(["retired", ""])
                    return
        send(reply)


def serve_apart(parent: int, options: Sequence) -> None:
    """Run each program in a confined child of its own. This process runs none, and is not confined."""
    confinement.die_with(parent)
    here = os.getpid()
    gc.collect()
    gc.freeze()

    def begin(timeout: float) -> list[str]:
        layers = confinement.confine(here)
        confinement.limit_processor_time(timeout)
        return layers

    def answer(source: str, timeout: float) -> tuple[str, str]:
        def task():
            begin(timeout)
            return language.run(source, *options)

        match reply_of(task, timeout):
            case [str(kind), str(text)]:
                return kind, text
        return "no answer", "the program's process ended, took too long or answered something else"

    match reply_of(lambda: {"layers": begin(START_S)}, START_S):
        case {"layers": list(layers)}:
            send({"layers": layers})
            for source, timeout in batches():
                send(answer(source, timeout))


def reply_of(task: Callable[[], object], timeout: float):
    """What `task` returns in a child, as JSON has it; None where no whole reply arrives within `timeout` seconds.

    The child can write to its pipe and nowhere else, and is gone when this returns.
    """
    reader, writer = os.pipe()
    child = forked()
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
        return parsed(all_of(reader, time.monotonic() + timeout))
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def forked() -> int:
    for _ in range(FORK_ATTEMPTS):
        try:
            return os.fork()
        except OSError:
            time.sleep(0.1)
    sys.exit(3)


def all_of(reader: int, deadline: float) -> bytes:
    """The bytes of one frame, as far as they come by the deadline; ends this process when its parent has gone."""
    poll, data = select.poll(), b""
    poll.register(reader, select.POLLIN)
    poll.register(0, 0)  # its hang-up alone
    while len(data) <= MAX_REPLY and (left := deadline - time.monotonic()) > 0:
        for place, _ in poll.poll(left * 1000):
            if place == 0:
                os._exit(0)
            chunk = os.read(reader, MAX_REPLY)
            data += chunk
            if not chunk or (len(data) >= 4 and len(data) >= 4 + struct.unpack_from(">I", data)[0]):
                return data
    return data


def parsed(frame: bytes):
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
    # What is printed must not get among the frames.
    sys.stdout = sys.__stdout__ = sys.stderr = sys.__stderr__ = None
    parent = int(settings.get("parent", os.getppid()))
    (serve_apart if "sympy" in settings else serve_here)(parent, options)


if __name__ == "__main__":
    main(sys.argv[1:])
