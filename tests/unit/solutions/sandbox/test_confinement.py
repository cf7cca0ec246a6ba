"""Hostile programs, each twice: as they would come, and with the language check off to meet the process layer alone."""

import os
from collections import deque
from pathlib import Path

import pytest

from gavel.solutions.sandbox import pool as programs

HONEST = "def solution():\n    return 18"


def body(*lines: str) -> str:
    return "def solution():\n" + "".join(f"    {line}\n" for line in lines)


class Unchecked(programs._Pool):
    def __init__(self, size: int):
        super().__init__(size, ("unchecked",))


@pytest.fixture(scope="module")
def pool():
    pool = Unchecked(2)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def layers(pool) -> list[str]:
    pool.run([HONEST], 5.0)
    return pool.workers[0].layers


def test_without_the_check_programs_do_run(pool):
    escaped = body(
        "class A: pass", "try:", "    return len(().__class__.__base__.__subclasses__()) > 0 and 7", "finally: pass"
    )
    assert pool.run([escaped], 5.0) == ["7"]


ATTACKS = {
    "endless loop": body("while True: pass"),
    "endless generator": body("def forever():", "    while True: yield 1", "return sum(forever())"),
    "surviving the time-out": body(
        "while True:", "    try:", "        while True: pass", "    except BaseException: pass"
    ),
    "endless power": body("return 10 ** 10 ** 10"),
    "deep recursion": "def solution(): return solution()",
    "ten gigabytes": body("return len([0] * 10 ** 10)"),
    "a bomb of text": body("x = 'a'", "while True: x = x + x"),
    "a billion printed bytes": body(
        "import sys", "for i in range(10 ** 6): sys.__stdout__.write('x' * 1000)", "return 18"
    ),
    "a forged frame": body("import os", "os.write(1, bytes(4))", "return 18"),
    "frames without end": body("import os", "while True: os.write(1, bytes([0, 0, 1, 0]))"),
    "os._exit": body("import os", "os._exit(0)"),
    "sys.exit": body("import sys", "sys.exit(18)"),
    "abort": body("import os", "os.abort()"),
    "fork": body("import os", "os.fork()", "return 18"),
    "fork bomb": body("import os", "while True:", "    try: os.fork()", "    except OSError: raise SystemExit"),
    "exec": body("import os", "os.execv('/bin/true', ['true'])"),
    "a thread": body("import threading", "threading.Thread(target=print).start()", "return 18"),
    "killing the parent": body("import os", "os.kill(os.getppid(), 9)", "return 18"),
    "killing everybody": body("import os", "os.kill(-1, 9)", "return 18"),
    "reading a file": body("return len(open('/etc/passwd').read())"),
    "reading by number": body("import os", "return len(os.read(os.open('/proc/self/environ', 0), 9)) + 1"),
    "writing a file": body("open('here', 'w').write('x')", "return 18"),
    "listing a folder": body("import os", "return len(os.listdir('/'))"),
    "removing a file": body("import os", "os.remove('/tmp/gavel-precious')", "return 18"),
    "changing folder": body("import os", "os.chdir('/')", "return 18"),
    "a signal's handler": body("import signal", "signal.signal(signal.SIGALRM, print)", "signal.alarm(9)", "exit()"),
    "code from text": body("exec(compile('x = 18', 'x', 'exec'), globals())", "return [x]"),
    "an attribute in an f-string": body("return f'{().__class__.__base__.__subclasses__()}'"),
    "a metaclass": body("class M(type):", "    def __call__(c): return c", "class A(metaclass=M): pass", "return A()"),
    "a decorator": body("@lambda f: 'decorated'", "def g(): pass", "return g"),
    "printing without end": body("while True: print('x' * 1000)"),
    "a socket": body("import _socket", "_socket.socket()", "return 18"),
    "an import from disk": body("import wave", "return 18 if wave.sys else 19"),
    "becoming root": body("import os", "os.setuid(0)", "return os.getuid() + 18"),
    "a huge result": body("return '9' * 10 ** 6"),
    "not a number": body("return float('nan')"),
    "infinity": body("return float('inf')"),
    "a number of its own kind": body("class N(int):", "    def __str__(self): return '18'", "return N(1)"),
}
NEEDS_FILTER = {
    "killing the parent",
    "killing everybody",
    "listing a folder",
    "removing a file",
    "changing folder",
    "exec",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gains_nothing_and_costs_its_own_program_only(pool, layers, name):
    if name in NEEDS_FILTER and "seccomp" not in layers:
        pytest.skip(f"no seccomp filter on this machine, only {', '.join(layers)}")
    answers = pool.run([HONEST, ATTACKS[name], body("return 19")], 0.5)
    assert answers == ["18", None, "19"]


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gains_nothing_with_the_language_check_on(name):
    assert programs.run_programs([HONEST, ATTACKS[name], body("return 19")], timeout_s=0.5) == ["18", None, "19"]


def test_the_environment_is_empty(pool):
    """But for what the interpreter itself sets (PEP 538)."""
    assert pool.run([body("import os", "return len(set(os.environ) - {'LC_CTYPE'})")], 5.0) == ["0"]


def test_root_becomes_nobody(pool, layers):
    if os.geteuid():
        pytest.skip("not root: there is no privilege to drop")
    assert "user" in layers
    status = Path(f"/proc/{pool.workers[0].process.pid}/status").read_text()
    assert {line.split()[1:] == ["65534"] * 4 for line in status.splitlines() if line[:4] in ("Uid:", "Gid:")} == {True}
    assert "CapEff:\t0000000000000000" in status


def test_a_thousand_good_programs_survive_fifty_hostile_ones(pool, layers):
    if "seccomp" not in layers:
        pytest.skip("no seccomp filter on this machine")
    quick = [name for name in ATTACKS if "end" not in name and "surviving" not in name and "bomb" not in name]
    hostile = [ATTACKS[quick[i % len(quick)]] + f"\n# {i}" for i in range(50)]
    mixed, expected = [], []
    for i in range(1000):
        mixed.append(body(f"return {i}"))
        expected.append(str(i))
        if i % 20 == 10:
            mixed.append(hostile[i // 20])
            expected.append(None)
    assert pool.run(mixed, 0.5) == expected


def test_the_words_of_a_worker_that_talks_nonsense_are_not_believed():
    worker = object.__new__(programs._Worker)
    worker.layers, worker.pending = ["limits"], deque([0])
    answers = [None]
    assert not worker.understand({"layers": []}, answers)
    assert not worker.understand(["value", 18], answers)
    assert worker.understand(["value", "18"], answers) and answers == ["18"]
    assert not worker.understand(["value", "19"], answers) and answers == ["18"]
