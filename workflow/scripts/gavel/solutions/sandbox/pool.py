"""Runs programs that a model wrote in a sandbox and returns their answers. It compares nothing.

A program is `def solution(): ... return <number>`. It is checked and run in worker processes, never in this process.
Each promise below has an adversarial test in `tests/unit/solutions/sandbox` or, where the parent forks or dies, in
`tests/integration/solutions/test_sandbox.py`. Covered:

- language (`gavel.solutions.sandbox.language`): only allowed nodes of the syntax tree. Any other node becomes a call
  that refuses the program when it is executed, so code that never runs does not matter. Attributes come from a list, so
  there is no `__class__` or `gi_frame`; `format` has plain fields only; names do not begin with two underscores;
- names (`gavel.solutions.sandbox.stand_ins`): a list of builtins; stand-ins for `math`, `fractions`, `decimal`,
  `datetime`, `statistics`, `calendar`, `collections`, `itertools`, `functools`, `operator`, `heapq` and `bisect`
  without the modules that the real ones contain; for `sympy` a list of functions
  (`gavel.solutions.sandbox.sympy_subset`);
- time: a limit on each program's CPU time. The kernel ends a worker whose program exceeds it, even if this process is
  dead, and this process starts another, so one program is lost and not its batch. A program that gets too little
  CPU time for `PATIENCE_S` longer is `NOT_RUN`, which is neither an answer nor a missing answer;
- a batch: `budget()` seconds per 1,024 programs, over all workers. A program that has not run by then is `NOT_RUN` too;
- size: limits on memory (256 MiB), integer powers, shifts, factorials, binomials, and the length of source and result;
  deep recursion is an error;
- exceptions: `try` works as in Python, but cannot catch a refusal, MemoryError or RecursionError; a program whose
  `finally` drops one has no answer. Time limits end the process and are not exceptions;
- the process, whatever code runs in it (`gavel.solutions.sandbox.confinement`): an empty environment; an empty working
  directory that is deleted once the worker has started; standard streams to this process only; a session of its own.
  Resource limits allow no file, socket, process or core dump. On Linux on x86-64 and ARM64 a seccomp filter allows
  system calls only for reading, writing to the streams, memory and clocks, with or without privileges. If root starts
  it, it becomes nobody. On Linux it dies with this process;
- state: a program sees no other program's names and cannot write an attribute of anything that outlives it. A worker in
  which programs have left too little memory is replaced. A program that uses SymPy, which can evaluate texts, has a
  process of its own (`gavel.solutions.sandbox.sympy_subset` describes how texts are kept from it all the same);
- this process: it reads at most one frame from a worker at a time and replaces a worker that sends anything unexpected;
  writes to a worker have a deadline.

Something that a program may not have matters only if its value is needed:

- an import never matters by itself. Libraries that only compute or draw something (`numpy`, `pandas`, `random`, `time`,
  `warnings`, ...) give unknown values, which may be stored, computed with, printed and formatted: `np.random.seed(0)`,
  `print(np.pi)` and a `time.time()` for a message are harmless. If a condition, a loop, an index or the answer needs an
  unknown value, there is no answer. Other modules (`os`) and builtins (`open`, `eval`, `getattr`) may be named, not
  used;
- `datetime.now()` and `date.today()` are unknown too: a program that needs them would answer differently tomorrow;
- a class may be defined, not used: a method such as `__del__` would run after its program;
- a function with `yield`, `with` or `await` runs up to there: a generator could be finished after its program;
- allowed: `del`, decorators, `match` without class patterns, `getcontext().prec`, `sys.setrecursionlimit` (ignored),
  `from sympy.abc import x`;
- an answer is a number, or the text of one. A list or tuple is not an answer, even with one number
  (`return solve(...)`): the published graders of PAL and ReFT apply `float` to the result, which rejects it. Neither is
  the text 'None', since the value None has a meaning of its own, nor `solution = lambda: 3`, since a program is a
  `def solution()`.

Not covered: code that escapes the language, without SymPy, could answer for the programs that its worker gets after it,
until the end of a batch; it could reach nothing outside. Without the filter (`containment()` returns the active
layers), such code would have its user's rights wherever system calls reach: nobody's rights if root's privileges were
dropped, else the user's own. If a limit cannot be set, no worker starts.
"""

import atexit
import contextlib
import importlib.util
import json
import math
import os
import re
import secrets
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gavel.common.log import info
from gavel.solutions.answers import BATCH, NOT_RUN, Answer, budget
from gavel.solutions.numbers import UNANSWERABLE, canonical
from gavel.solutions.sandbox import worker as worker_process

WORKER = Path(worker_process.__file__)

# Word-problem programs take well under a millisecond of CPU time: a second means a hang.
TIMEOUT_S = 1.0
# Wall-clock time that a program may take beyond its CPU time, because the machine is busy.
PATIENCE_S = 20.0
# The process that runs each SymPy program in a child watches the wall-clock time itself; it is late after this much
# more.
FORK_GRACE_S = 3.0
# Starting an interpreter takes 50 ms; on a busy network file system it may take seconds.
START_TIMEOUT_S = 30.0
# Programs sent to a worker at a time: at least as many as justify another worker, at most as many as it runs while this
# process does other things.
CHUNKS = 32, 256
SYMPY_CHUNKS = 4, 32  # a SymPy program takes as long as a hundred others
# Replies are small and frequent: a pause this long lets some of them gather before they are read.
PAUSE_S = 0.0005
# More workers do not help: one runs a thousand simple programs in a fraction of a second.
MAX_WORKERS = 4
# Longer programs are refused unread; a long real program has 1,500 characters.
MAX_SOURCE = 20_000
# A worker's reply has at most 450 characters of text; a longer frame means that the worker was taken over.
MAX_FRAME = worker_process.MAX_REPLY
READ_BYTES = 64 * 1024
# A worker confirms within milliseconds that it has read its programs, before it runs the first.
BEGIN_TIMEOUT_S = 5.0
KINDS = ("value", "none", "no answer", "not run")
# Scratch folders; the number is the id of the process that created it.
FOLDER = re.compile(r"gavel-programs-([0-9]+)-.*")


def run_programs(programs: Sequence[str], timeout_s: float = TIMEOUT_S, budget_s: float | None = None) -> list[Answer]:
    """Canonical answers of the programs, in their order; identical programs are run once.

    An answer is the canonical text of the returned number, or `"None"` if the program returned the value None. It is
    None if there is no answer: no `solution`, the end reached without a return, a result that is not a number, an
    error, a refusal, or more than `timeout_s` seconds of CPU time. It is `NOT_RUN` for a program that had not
    run when the batch's time was up, or to which the machine gave too little CPU time; the log gives their number.

    The first call starts the workers, and later calls reuse them; calls from several threads take turns. Raises
    RuntimeError if no worker can be started.

    Args:
        budget_s: seconds per `BATCH` different programs, where an incomplete last batch counts fully; by default
            `budget()`.
    """
    distinct = [program for program in dict.fromkeys(programs) if len(program) <= MAX_SOURCE]
    answers: dict[str, Answer] = {}
    with _lock:
        allowed = (budget() if budget_s is None else budget_s) * -(-len(distinct) // BATCH)
        until = time.monotonic() + allowed
        for sympy in (False, True):
            batch = [program for program in distinct if ("sympy" in program) == sympy]
            if batch:
                answers |= zip(batch, _run(batch, timeout_s, sympy, until), strict=True)
    results = [answers.get(program) for program in programs]
    if lost := results.count(NOT_RUN):
        info(
            f"{lost} of {len(programs)} programs did not run within the batch's {allowed:g} seconds and count as "
            "missing; use a less busy machine, or raise solution.batch_seconds (gavel score: --batch-seconds)",
            console=True,
        )
    return results


def _run(programs: Sequence[str], timeout_s: float, sympy: bool, until: float) -> list[Answer]:
    if sympy not in _pools:
        size = min(MAX_WORKERS, os.cpu_count() or 1)
        if sympy:
            _pools[True] = _Pool(size, (f"sympy={_packages()}",), SYMPY_CHUNKS, FORK_GRACE_S)
        else:
            _pools[False] = _Pool(size)
    try:
        return _pools[sympy].run(programs, timeout_s, until)
    except BaseException:
        # An interrupted call must not leave its replies for the next one.
        _pools.pop(sympy).close()
        raise


def _packages() -> str:
    """The folder from which SymPy (and mpmath, which it needs) is imported."""
    return str(Path(importlib.util.find_spec("sympy").origin).parents[1])


def containment() -> list[str]:
    """The layers that confine the workers on this machine: `limits`, `user` (no longer root), `seccomp`."""
    run_programs(["def solution(): return 0"])
    return list(_pools[False].workers[0].layers)


def close() -> None:
    """End the worker processes; the next call starts new ones."""
    with _lock:
        while _pools:
            _pools.popitem()[1].close()


def _answer(kind: str, text: str) -> Answer:
    if kind == "none":
        return UNANSWERABLE
    if kind == "not run":
        return NOT_RUN
    return canonical(text) if kind == "value" else None


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    """An empty working directory for a worker, deleted once the worker has started, so that no exit has to clean up."""
    folder = tempfile.mkdtemp(prefix=f"gavel-programs-{os.getpid()}-")
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _sweep() -> None:
    """Remove the directories of processes that were killed between creating and deleting one."""
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            folder = FOLDER.fullmatch(entry.name)
            if folder and not _alive(int(folder[1])):
                with contextlib.suppress(OSError):  # another user's, or not empty and so not ours
                    if entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                        os.rmdir(entry.path)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _started(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a worker process from the one thread that lives as long as this process, because a worker dies with the
    thread that started it."""
    global _starter
    if _starter is None:
        _starter = ThreadPoolExecutor(1, thread_name_prefix="gavel-programs")

    def start() -> subprocess.Popen[bytes]:
        with _scratch() as folder:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(WORKER), f"parent={os.getpid()}", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                cwd=folder,
                start_new_session=True,
                bufsize=0,
            )

    return _starter.submit(start).result()


class _Worker:
    """One worker process and its pending programs."""

    layers: list[str] | None = None  # of its containment, once the worker is ready
    unsent: bytes | memoryview = b""
    key = ""  # of its programs: the worker repeats it before its first answer, so no earlier output is taken for one
    begun = True
    answered = 0  # programs since it started
    lost = retired = False

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.process = _started(arguments)
        os.set_blocking(self.process.stdin.fileno(), False)
        self.buffer = bytearray()
        self.pending: deque[int] = deque()
        self.deadline = time.monotonic() + START_TIMEOUT_S

    def frames(self) -> list[object]:
        """The complete frames that have arrived; sets `lost` if the worker has ended or then sends an invalid frame."""
        data = os.read(self.process.stdout.fileno(), READ_BYTES)
        self.buffer += data
        self.lost = not data
        result: list[object] = []
        while len(self.buffer) >= 4 and not self.lost:
            end = 4 + struct.unpack_from(">I", self.buffer)[0]
            if len(self.buffer) < end <= MAX_FRAME:
                break
            try:
                if end > MAX_FRAME:
                    raise ValueError("frame too long")
                result.append(json.loads(bytes(self.buffer[4:end])))
            except (ValueError, RecursionError):
                self.lost = True
            del self.buffer[:end]
        return result

    def understand(self, frame: object, answers: list[Answer]) -> bool:
        """Process one frame: the worker's layers, the start of its programs, the next program's answer, or the worker's
        end.

        Returns False for anything else.
        """
        match frame:
            case {"layers": list(layers)} if self.layers is None:
                self.layers = [layer for layer in layers if isinstance(layer, str)]
            case ["begun", str(key)] if self.pending and not self.begun and key == self.key:
                self.begun = True
            case ["retired", ""] if self.answered and self.begun and not self.retired:
                self.retired = True
            case [str(kind), str(text)] if kind in KINDS and self.pending and self.begun and not self.retired:
                answers[self.pending.popleft()] = _answer(kind, text)
                self.answered += 1
            case _:
                return False
        return True

    def send(self, programs: Sequence[str], timeout_s: float) -> None:
        """Send programs to the worker; later calls of `write` send what the pipe does not take now."""
        self.key, self.begun, self.deadline = secrets.token_hex(8), False, time.monotonic() + BEGIN_TIMEOUT_S
        data = json.dumps({"key": self.key, "timeout": timeout_s, "patience": PATIENCE_S, "programs": programs}).encode(
            "ascii"
        )
        self.unsent = memoryview(struct.pack(">I", len(data)) + data)
        self.write()

    def write(self) -> None:
        """Raises BrokenPipeError if the worker has ended."""
        with contextlib.suppress(BlockingIOError):
            while self.unsent:
                self.unsent = self.unsent[os.write(self.process.stdin.fileno(), self.unsent) :]

    def kill(self) -> None:
        # The process is not yet reaped, so the id of its process group, which it leads, cannot belong to another.
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.release()

    def release(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()


class _Pool:
    """The workers of this process; `run` enforces the time limits.

    Args:
        size: the maximum number of workers.
        arguments: command-line arguments of the workers.
        chunks: as `CHUNKS`.
        grace: seconds that a worker of this kind may answer later than a program's time-out and `PATIENCE_S`.
    """

    def __init__(
        self, size: int, arguments: Sequence[str] = (), chunks: tuple[int, int] = CHUNKS, grace: float = 0.0
    ) -> None:
        self.size, self.arguments, self.chunks, self.grace = size, arguments, chunks, grace
        self.limit = chunks[1]  # programs sent to a worker at a time: 1 after a lost worker, then doubled each time
        self.workers: list[_Worker] = []
        self.selector = selectors.DefaultSelector()
        _sweep()

    def run(self, programs: Sequence[str], timeout_s: float, until: float = math.inf) -> list[Answer]:
        """The programs' answers; `NOT_RUN` for those without one at time `until` (of `time.monotonic`)."""
        answers: list[Answer] = [NOT_RUN] * len(programs)
        waiting = deque(range(len(programs)))
        self.limit = self.chunks[1]
        while waiting or any(worker.pending for worker in self.workers):
            if time.monotonic() >= until:
                for worker in [worker for worker in self.workers if worker.pending]:
                    self._remove(worker)
                break
            self._start(len(waiting))
            ready = [worker for worker in self.workers if worker.layers is not None and not worker.pending]
            per_worker = -(-len(waiting) // max(1, sum(not worker.pending for worker in self.workers)))
            for worker in ready:
                if waiting:
                    count = min(max(per_worker, self.chunks[0]), self.limit)
                    self._give(worker, programs, waiting, count, timeout_s)
            self._listen(answers, waiting, timeout_s, until)
        return answers

    def _start(self, waiting: int) -> None:
        idle = sum(not worker.pending for worker in self.workers)
        wanted = min(-(-waiting // min(self.chunks[0], self.limit)) - idle, self.size - len(self.workers))
        for _ in range(wanted):
            worker = _Worker(self.arguments)
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
        if worker.unsent:
            self.selector.register(worker.process.stdin, selectors.EVENT_WRITE, worker)

    def _listen(self, answers: list[Answer], waiting: deque[int], timeout_s: float, until: float) -> None:
        """Process the workers' replies until something happens, and replace workers that are late or gone."""
        busy = [worker for worker in self.workers if worker.pending or worker.layers is None]
        if not busy:
            return
        wait = min(until, *(worker.deadline for worker in busy)) - time.monotonic()
        many = sum(len(worker.pending) for worker in busy) > self.chunks[0]
        if self.selector.select(max(0.0, wait)) and many and all(worker.begun for worker in busy):
            time.sleep(PAUSE_S)
        heard = []
        for key, events in self.selector.select(0):
            worker = key.data
            if worker not in self.workers:
                continue  # removed a moment ago
            if events & selectors.EVENT_WRITE:
                self._write(worker, waiting)
                continue
            heard.append(worker)
            frames = worker.frames()
            understood = all(worker.understand(frame, answers) for frame in frames)
            if not understood or worker.lost or worker.retired:
                ended_by_program = bool(worker.pending) and worker.begun and not worker.retired
                if ended_by_program:
                    answers[worker.pending[0]] = None
                    self.limit = 1
                self._lose(worker, waiting, lost=1 if ended_by_program else 0)
                continue
            if frames and worker.begun:  # bytes without a complete frame do not extend the deadline
                worker.deadline = time.monotonic() + timeout_s + PATIENCE_S + self.grace
            if worker.answered and not worker.pending:
                self.limit = min(2 * self.limit, self.chunks[1])
        now = time.monotonic()
        for worker in busy:
            if worker in self.workers and worker not in heard and now > worker.deadline:
                self.limit = 1
                self._lose(worker, waiting, lost=1 if worker.begun else 0)

    def _write(self, worker: _Worker, waiting: deque[int]) -> None:
        try:
            worker.write()
        except BrokenPipeError:
            self._lose(worker, waiting, lost=0)
            return
        if not worker.unsent:
            self.selector.unregister(worker.process.stdin)

    def _lose(self, worker: _Worker, waiting: deque[int], lost: int) -> None:
        """Kill a worker; its pending programs but for the first `lost` are queued again."""
        self._remove(worker)
        if worker.layers is None:
            raise RuntimeError(f"the program worker did not start: {sys.executable} {WORKER} ended or stalled")
        pending = list(worker.pending)
        waiting.extendleft(reversed(pending[lost:]))

    def _remove(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        self.selector.unregister(worker.process.stdout)
        with contextlib.suppress(KeyError):
            self.selector.unregister(worker.process.stdin)
        worker.kill()

    def close(self) -> None:
        self.selector.close()
        for worker in self.workers:
            worker.kill()
        self.workers = []


_lock = threading.Lock()
_pools: dict[bool, _Pool] = {}  # with and without SymPy
_starter: ThreadPoolExecutor | None = None
atexit.register(close)


def _after_fork_in_child() -> None:
    """Start afresh: the workers, their thread and a lock that another thread may hold are the parent's."""
    global _lock, _starter
    _lock, _starter = threading.Lock(), None
    while _pools:
        for worker in _pools.popitem()[1].workers:
            worker.release()
            worker.process.returncode = 0  # not this process's child: nothing to wait for


os.register_at_fork(after_in_child=_after_fork_in_child)
