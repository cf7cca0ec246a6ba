"""The parent's side of the sandbox against workers that lie, stall or die, and what they leave behind."""

import json
import os
import struct
import time
from collections import deque
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gavel.solutions import answers
from gavel.solutions.answers import NOT_RUN
from gavel.solutions.sandbox import pool as programs
from gavel.solutions.sandbox.pool import run_programs

HONEST = "def solution():\n    return 18"


def body(*lines: str) -> str:
    return "def solution():\n" + "".join(f"    {line}\n" for line in lines)


def endless(count: int) -> list[str]:
    return [body(f"x = {i}", "while True: x = x + 1") for i in range(count)]


def frame(message) -> bytes:
    data = json.dumps(message).encode()
    return struct.pack(">I", len(data)) + data


# What a worker may say


def heard(data: bytes, pending: int = 3):
    """A worker that has said `data`: whether it is to be replaced, and the answers that were believed."""
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    worker = object.__new__(programs._Worker)
    worker.process = SimpleNamespace(stdout=os.fdopen(reader, "rb"))
    worker.buffer, worker.pending, worker.layers = bytearray(), deque(range(pending)), ["limits"]
    answers = [NOT_RUN] * pending
    understood = all(worker.understand(message, answers) for message in worker.frames())
    worker.process.stdout.close()
    return worker.lost or not understood, answers


BRACKETS = b"[" * 8_000


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", len(BRACKETS)) + BRACKETS,
        struct.pack(">I", 60_000) + b"[" * 60_000,
        struct.pack(">I", 2**32 - 1) + b"x",
        struct.pack(">I", 0),
        b"not a frame at all, by far",
        struct.pack(">I", 4) + b"\xff\xfe\xfd\xfc",
        struct.pack(">I", 7_000) + b"1" * 7_000,
        frame({"layers": ["limits"]}),
        frame(["retired", ""]),
        frame(["value"]),
        frame(["value", 18]),
        frame([["value"], "18"]),
        frame(None),
        frame(18),
        frame("value"),
        frame({"value": "18"}),
    ],
)
def test_a_worker_that_talks_nonsense_is_replaced(data):
    assert heard(data) == (True, [NOT_RUN] * 3)


def test_more_answers_than_questions_are_nonsense():
    assert heard(frame(["value", "1"]) * 4) == (True, ["1", "1", "1"])


@settings(max_examples=500, deadline=None)
@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=9).map(
        frame
    )
    | st.lists(st.tuples(st.sampled_from(["value", "none", "retired", "x"]), st.text()).map(frame)).map(b"".join)
)
def test_the_parent_survives_any_bytes(data):
    heard(data[:60_000])


def fake_worker(tmp_path, monkeypatch, then: str) -> None:
    """Workers that say that they are ready, and then do as they like."""
    programs.close()
    path = tmp_path / "worker.py"
    path.write_text(
        "import os, struct, time\n"
        'ready = b\'{"layers": ["limits"]}\'\n'
        f"os.write(1, struct.pack('>I', len(ready)) + ready)\n{then}\n"
    )
    monkeypatch.setattr(programs, "WORKER", path)


@pytest.fixture
def fresh():
    yield
    programs.close()


def test_a_worker_that_reads_nothing_is_not_waited_for(tmp_path, monkeypatch, fresh):
    fake_worker(tmp_path, monkeypatch, "time.sleep(1000)")
    monkeypatch.setattr(programs, "BEGIN_TIMEOUT_S", 0.2)
    long = [body(f"return {i}", "# " + "x" * 15_000) for i in range(40)]  # more than a pipe holds
    begun = time.monotonic()
    assert run_programs(long, timeout_s=60, budget_s=1) == [NOT_RUN] * 40  # they were never read, so they did not run
    assert time.monotonic() - begun < 30


def test_an_answer_from_before_the_question_is_not_believed(tmp_path, monkeypatch, fresh):
    forged = frame(["value", "666"])
    fake_worker(tmp_path, monkeypatch, f"os.write(1, {forged!r} * 9)\ntime.sleep(1000)")
    assert run_programs([HONEST, body("return 19")], timeout_s=0.2, budget_s=1) == [NOT_RUN, NOT_RUN]


def test_a_worker_that_begins_and_never_answers_costs_each_program_its_time_only(tmp_path, monkeypatch, fresh):
    monkeypatch.setattr(programs, "PATIENCE_S", 0.2)
    begin = (
        "import json\n"
        "while size := os.read(0, 4):\n"
        "    key = json.loads(os.read(0, struct.unpack('>I', size)[0]))['key']\n"
        "    reply = json.dumps(['begun', key]).encode()\n"
        "    os.write(1, struct.pack('>I', len(reply)) + reply)"
    )
    fake_worker(tmp_path, monkeypatch, begin)
    assert run_programs([HONEST, body("return 19")], timeout_s=0.2, budget_s=60) == [NOT_RUN, NOT_RUN]


def test_a_worker_that_forged_an_answer_and_sleeps_costs_the_next_batch_no_program(monkeypatch):
    monkeypatch.setattr(programs, "BEGIN_TIMEOUT_S", 1.0)
    pool = programs._Pool(1, ("unchecked",))
    forger = "import os, struct, time\n" + body(
        'data = b\'["value", "666"]\'',
        "os.write(1, struct.pack('>I', len(data)) + data)",
        "time.sleep(1000)",
    )
    try:
        assert pool.run([forger], 5.0) == ["666"]  # its own answer, which it could have returned
        long = [body(f"return {i}", "# " + "x" * 10_000) for i in range(40)]  # more than a pipe holds
        assert pool.run(long, 5.0) == [str(i) for i in range(40)]
    finally:
        pool.close()


# Programs that use SymPy, with the language check off: whatever they do ends with them


@pytest.fixture(scope="module")
def apart():
    pool = programs._Pool(2, ("unchecked", f"sympy={programs._packages()}"), programs.SYMPY_CHUNKS, 3.0)
    yield pool
    pool.close()


def test_each_program_has_a_process_of_its_own(apart):
    number = "import os\n" + body("return os.getpid()")
    answers = apart.run([number + f"# {i}" for i in range(6)], 10.0)
    assert len(set(answers)) == 6 and None not in answers
    assert not {str(worker.process.pid) for worker in apart.workers} & set(answers)


FORGED = "import os, struct, json, time\ndef say(data):\n    os.write(1, struct.pack('>I', len(data)) + data)\n"


# Its first frame may arrive by itself and is then its answer, which it could have returned; the others are nobody's.
OWN_ANSWER = body('for _ in range(9): say(b\'["value", "666"]\')', "return 666")
SLEEPERS = body("time.sleep(1000)"), body("os.close(1)", "time.sleep(1000)")


@pytest.mark.parametrize(
    "attack",
    [
        OWN_ANSWER,
        body("say(b'[' * 60000)", "return 666"),
        body("while True: os.write(1, b'x' * 1000)"),
        body("say(b'[\"value\", 666]')", "os._exit(0)"),
        body('say(b\'["retired", ""]\')', "os._exit(0)"),
        body("import sys", "sys.modules['worker'] = None", "raise SystemExit(3)"),
        *SLEEPERS,
        body("os.abort()"),
        body("os.kill(os.getppid(), 9)", "return 666"),
        body("return len(os.read(0, 100)) or 666"),
        body("return os.fork() or 666"),
        body("return open('/etc/passwd').read() and 666"),
    ],
)
def test_a_hostile_program_harms_no_later_one(apart, attack, monkeypatch):
    monkeypatch.setattr(programs, "PATIENCE_S", 1.0)
    honest = [body(f"return {i}") for i in range(1, 9)]
    answers = apart.run([FORGED + attack, *honest], 1.5)
    assert answers[1:] == [str(i) for i in range(1, 9)]
    if attack in SLEEPERS:
        assert answers[0] is NOT_RUN
    else:
        assert answers[0] in ((None, "666") if attack == OWN_ANSWER else (None,))
    assert apart.run(honest, 5.0) == [str(i) for i in range(1, 9)]


def test_nothing_that_a_program_changes_outlives_it(apart):
    change = "import sympy, builtins\n" + body("sympy.pi = 3", "builtins.abs = lambda x: 666", "return abs(1)")
    look = "import sympy\n" + body("return abs(-1) + int(sympy.pi == 3)")
    assert apart.run([change, look, look + "# again"], 10.0) == ["666", "1", "1"]


# Leftovers

HOG = body("x = []", "x.append(x)", "while True: x.append([0] * 100000)")


def test_memory_that_a_program_leaves_behind_is_free_for_the_next():
    lists = [body(f"return len([0] * (10 ** 7 + {i}))") for i in range(40)]
    run_programs([HONEST])
    assert run_programs([HOG, *lists], timeout_s=10) == [None, *(str(10**7 + i) for i in range(40))]


def test_a_worker_with_too_little_memory_left_is_replaced():
    pool = programs._Pool(1, ("unchecked",))
    try:
        keep = body("import builtins", "builtins.kept = bytearray(150 * 2 ** 20)", "return 1")
        need = body("return len(bytearray(150 * 2 ** 20))")
        rounds = [program + f"# {i}" for i in range(3) for program in (keep, need)]
        assert pool.run(rounds, 10.0) == ["1", str(150 * 2**20)] * 3
    finally:
        pool.close()


def test_what_is_printed_reaches_no_frame():
    pool = programs._Pool(1, ("unchecked",))
    try:
        noisy = body("import sys", "print('x' * 100_000)", "print('x', file=sys.stderr)", "return 18")
        assert pool.run([noisy, HONEST], 10.0) == ["18", "18"]
    finally:
        pool.close()


# A batch's time


def test_a_batch_of_endless_programs_ends_when_its_time_is_over(capfd):
    run_programs([HONEST])
    honest = [body(f"return {i}") for i in range(5)]
    begun = time.monotonic()
    answers = run_programs([*honest, *endless(60)], timeout_s=0.5, budget_s=2)
    assert time.monotonic() - begun < 20  # one after another they would take 30
    assert answers[:5] == ["0", "1", "2", "3", "4"]
    assert set(answers[5:]) == {None, NOT_RUN}
    missing = answers.count(NOT_RUN)
    assert f"{missing} of 65 programs did not run within the batch's 2 seconds" in capfd.readouterr().err
    assert run_programs(honest) == answers[:5]


def test_a_batch_without_late_programs_says_nothing(capfd):
    assert run_programs([HONEST, body("return 1 / 0")]) == ["18", None]
    assert capfd.readouterr().err == ""


def test_the_time_grows_with_the_batch(monkeypatch):
    asked = []
    monkeypatch.setattr(
        programs,
        "_run",
        lambda batch, timeout_s, sympy, until: asked.append(until - time.monotonic()) or ["1"] * len(batch),
    )
    for count in (1, 1024, 1025):
        run_programs([body(f"return {i}") for i in range(count)], budget_s=1000)
    assert [round(seconds, -2) for seconds in asked] == [1000, 1000, 2000]


def test_the_time_of_a_batch_can_be_set(monkeypatch):
    monkeypatch.setattr(answers, "_budget_s", answers._budget_s)
    assert answers.budget() == answers.BUDGET_S
    answers.use_budget(0.3)
    assert NOT_RUN in run_programs(endless(40), timeout_s=5)


def test_late_programs_are_shared_among_all_workers(monkeypatch):
    busy = []
    listen = programs._Pool._listen

    def counted(pool, *arguments):
        busy.append(sum(bool(worker.pending) for worker in pool.workers))
        listen(pool, *arguments)

    monkeypatch.setattr(programs._Pool, "_listen", counted)
    pool = programs._Pool(3)
    try:
        assert pool.run(endless(9), 0.5) == [None] * 9
    finally:
        pool.close()
    assert max(busy) == 3


# Death
