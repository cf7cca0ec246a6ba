"""Runs programs that a model wrote, contained, and gives the answers that they return. It compares nothing.

A program is `def solution(): ... return <number>`. It is checked and run in worker processes, never in this
one. Covered, each promise with an adversarial test in tests/unit/test_programs.py:

- language: a syntax tree of allowed nodes only, before anything runs (arithmetic, assignment, loops,
  conditions, comprehensions, functions, f-strings; no classes, decorators, generators, try, with, del,
  shifts); attributes from a list, so no `__class__`, `gi_frame` or `format`; no names that begin with two
  underscores;
- names: a short list of builtins; `math`, `fractions`, `decimal`, `datetime`, `statistics` can be imported,
  as stand-ins without the modules that the real ones have inside; of `sympy`, in workers of their own, a list of
  functions that evaluate no text (`gavel.program_sympy`);
- time: a wall clock a program, kept here, by killing the worker and starting another, so that one program is
  lost and not its batch; the worker's processor time is limited by the kernel in case this process dies;
- size: 256 MiB of memory, integer powers, factorials, length of source and of result; deep recursion is an
  error;
- the process, whatever code runs in it (`gavel.program_confinement`): an empty environment, an empty scratch
  folder, its standard streams to this process only, a session of its own; no file, socket, process or core dump
  by limits; on Linux on x86-64 and ARM64 a seccomp filter that leaves it reading, writing to its streams, memory
  and clocks, and nothing else of the kernel, with or without privileges; started by root, it becomes nobody;
- state: a program sees no other program's names, and cannot write an attribute of anything that outlives it.

Not covered: code that escaped the language could answer for the programs that its worker gets after it, up to a
batch's end; it could reach nothing outside. Without the filter (`containment()` says what is in force) such code would
have its user's rights on what system calls reach: with root's privileges dropped nobody's, else the user's own. Time
is measured on the wall, so a machine that stalls for a second can cost an honest program its answer. Where a limit
cannot be set no worker starts.
"""

import atexit
import importlib.util
import json
import os
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from gavel import program_confinement, program_sympy, program_worker
from gavel.numerals import UNANSWERABLE, canonical

# Imported for their paths alone, so that whatever reads imports (digests, packagers) sees that they belong here.
WORKER, _PARTS = Path(program_worker.__file__), (program_confinement, program_sympy)

# Word-problem programs take well under a millisecond: a second is a hang, unless the machine is badly
# overloaded.
TIMEOUT_S = 1.0
# Starting an interpreter takes 50 ms; a busy network file system may take seconds.
START_TIMEOUT_S = 30.0
# Programs sent to a worker at a time: from as many as are worth a worker of their own to as many as it runs while
# this process does other things.
CHUNKS = 32, 256
# Replies are small and many: a pause this long lets some of them gather before they are read.
PAUSE_S = 0.0005
# More workers than this do not help: a thousand simple programs take a fraction of a second on one.
MAX_WORKERS = 4
# Longer programs are refused unread; a long real one has 1,500 characters.
MAX_SOURCE = 20_000
# A worker's reply has at most 450 characters of text; a longer frame means that the worker is not itself any
# more.
MAX_FRAME = 64 * 1024


def run_programs(programs: Sequence[str], timeout_s: float = TIMEOUT_S) -> list[str | None]:
    """Canonical answers of the programs, in their order; identical programs are run once.

    An answer is the canonical text of the returned number, `"None"` if the program returned the value None,
    and None if there is no answer: no `solution`, the end reached without a return, a result that is no
    number, an error, a refusal, or more than `timeout_s` seconds on the wall clock.

    The workers are started at the first call and kept for later ones; calls from several threads take turns.
    Raises RuntimeError if no worker can be started.
    """
    distinct = [program for program in dict.fromkeys(programs) if len(program) <= MAX_SOURCE]
    answers: dict[str, str | None] = {}
    with _lock:
        for sympy in (False, True):
            batch = [program for program in distinct if ("sympy" in program) == sympy]
            if batch:
                answers |= zip(batch, _run(batch, timeout_s, sympy), strict=True)
    return [answers.get(program) for program in programs]


def _run(programs: Sequence[str], timeout_s: float, sympy: bool) -> list[str | None]:
    if sympy not in _pools:
        _pools[sympy] = _Pool(min(MAX_WORKERS, os.cpu_count() or 1), (f"sympy={_packages()}",) if sympy else ())
    try:
        return _pools[sympy].run(programs, timeout_s)
    except BaseException:
        # An interrupted call must not leave its replies to the next one.
        _pools.pop(sympy).close()
        raise


def _packages() -> str:
    """The folder that SymPy (and mpmath, which it needs) is imported from."""
    return str(Path(importlib.util.find_spec("sympy").origin).parents[1])


def containment() -> list[str]:
    """What confines the workers on this machine: `limits`, `user` (no longer root), `seccomp`."""
    run_programs(["def solution(): return 0"])
    return list(_pools[False].workers[0].layers)


def close() -> None:
    """End the worker processes; the next call starts new ones."""
    with _lock:
        while _pools:
            _pools.popitem()[1].close()


def _answer(kind: str, text: str) -> str | None:
    if kind == "none":
        return UNANSWERABLE
    return canonical(text) if kind == "value" else None


class _Worker:
    """One worker process and what it is busy with."""

    def __init__(self, folder: str, arguments: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WORKER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd=folder,
            start_new_session=True,
            bufsize=0,
        )
        self.buffer = bytearray()
        self.pending: deque[int] = deque()
        self.layers: list[str] | None = None  # of its containment, once it is ready
        self.lost = False
        self.deadline = time.monotonic() + START_TIMEOUT_S

    def frames(self) -> list:
        """The whole frames that have arrived; `lost` when the worker has ended or talks nonsense after them."""
        data = os.read(self.process.stdout.fileno(), MAX_FRAME)
        self.buffer += data
        self.lost, result = not data, []
        while len(self.buffer) >= 4 and not self.lost:
            end = 4 + struct.unpack_from(">I", self.buffer)[0]
            if len(self.buffer) < end <= MAX_FRAME:
                break
            try:
                if end > MAX_FRAME:
                    raise ValueError("longer than any frame of ours")
                result.append(json.loads(bytes(self.buffer[4:end])))
            except ValueError:
                self.lost = True
            del self.buffer[:end]
        return result

    def understand(self, frame, answers: list[str | None]) -> bool:
        """Take in one frame: what it is ready with, or the next program's answer; False for anything else."""
        match frame:
            case {"layers": list(layers)} if self.layers is None:
                self.layers = layers
            case [str(kind), str(text)] if self.pending:
                answers[self.pending.popleft()] = _answer(kind, text)
            case _:
                return False
        return True

    def send(self, programs: Sequence[str], timeout_s: float) -> None:
        data = json.dumps({"timeout": timeout_s, "programs": programs}).encode("ascii")
        frame = memoryview(struct.pack(">I", len(data)) + data)
        while frame:
            frame = frame[self.process.stdin.write(frame) :]

    def kill(self) -> None:
        # Not yet reaped, so the id of its process group, which it leads, cannot be another's.
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.release()

    def release(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()


class _Pool:
    """Workers of this process; the clock that kills them is in `run`."""

    def __init__(self, size: int, arguments: Sequence[str] = ()) -> None:
        self.size, self.arguments = size, arguments  # of the worker's command line
        self.workers: list[_Worker] = []
        self.selector = selectors.DefaultSelector()
        self.folder = tempfile.mkdtemp(prefix="gavel-programs-")

    def run(self, programs: Sequence[str], timeout_s: float) -> list[str | None]:
        answers: list[str | None] = [None] * len(programs)
        waiting = deque(range(len(programs)))
        while waiting or any(worker.pending for worker in self.workers):
            self._start(len(waiting))
            ready = [worker for worker in self.workers if worker.layers is not None and not worker.pending]
            share = -(-len(waiting) // max(1, sum(not worker.pending for worker in self.workers)))
            for worker in ready:
                if waiting:
                    self._give(worker, programs, waiting, min(max(share, CHUNKS[0]), CHUNKS[1]), timeout_s)
            self._listen(answers, waiting, timeout_s)
        return answers

    def _start(self, waiting: int) -> None:
        idle = sum(not worker.pending for worker in self.workers)
        wanted = min(-(-waiting // CHUNKS[0]) - idle, self.size - len(self.workers))
        for _ in range(wanted):
            worker = _Worker(self.folder, self.arguments)
            self.workers.append(worker)
            self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)

    def _give(
        self, worker: _Worker, programs: Sequence[str], waiting: deque[int], count: int, timeout_s: float
    ) -> None:
        chunk = [waiting.popleft() for _ in range(min(count, len(waiting)))]
        worker.pending.extend(chunk)
        try:
            worker.send([programs[index] for index in chunk], timeout_s)
        except BrokenPipeError:
            self._lose(worker, waiting, lost=0)
            return
        worker.deadline = time.monotonic() + timeout_s

    def _listen(self, answers: list[str | None], waiting: deque[int], timeout_s: float) -> None:
        """Take in what the workers say until something happens, and replace those that are late or gone."""
        busy = [worker for worker in self.workers if worker.pending or worker.layers is None]
        if not busy:
            return
        wait = min(worker.deadline for worker in busy) - time.monotonic()
        if self.selector.select(max(0.0, wait)) and sum(len(worker.pending) for worker in busy) > CHUNKS[0]:
            time.sleep(PAUSE_S)
        heard = [key.data for key, _ in self.selector.select(0)]
        for worker in heard:
            frames = worker.frames()
            if frames:  # bytes alone, without a whole frame, buy no time
                worker.deadline = time.monotonic() + timeout_s
            if not all(worker.understand(frame, answers) for frame in frames) or worker.lost:
                self._lose(worker, waiting, lost=1)
        now = time.monotonic()
        for worker in busy:
            if worker not in heard and now > worker.deadline:
                self._lose(worker, waiting, lost=1)

    def _lose(self, worker: _Worker, waiting: deque[int], lost: int) -> None:
        """Kill a worker; its first `lost` pending programs stay without answer, the others wait again."""
        self.workers.remove(worker)
        self.selector.unregister(worker.process.stdout)
        worker.kill()
        if worker.layers is None:
            raise RuntimeError(f"the program worker did not start: {sys.executable} {WORKER} ended or stalled")
        waiting.extendleft(reversed(list(worker.pending)[lost:]))

    def close(self) -> None:
        self.selector.close()
        for worker in self.workers:
            worker.kill()
        self.workers = []
        shutil.rmtree(self.folder, ignore_errors=True)


_lock = threading.Lock()
_pools: dict[bool, _Pool] = {}  # with and without SymPy
atexit.register(close)


def _after_fork_in_child() -> None:
    """The workers, their folder and a lock that another thread may hold are the parent's: start afresh."""
    global _lock
    _lock = threading.Lock()
    while _pools:
        for worker in _pools.popitem()[1].workers:
            worker.release()
            worker.process.returncode = 0  # not this process's child: nothing to wait for


os.register_at_fork(after_in_child=_after_fork_in_child)
