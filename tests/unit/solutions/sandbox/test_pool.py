"""What programs answer, and one attack on each promise of the containment."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from gavel.solutions.sandbox import pool as programs
from gavel.solutions.sandbox.pool import run_programs

HONEST = "def solution():\n    return 18"


def body(*lines: str) -> str:
    return "def solution():\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        (body("eggs = 16 - 3", "result = eggs * 2", "return result"), "26"),
        (
            body(
                '"""How many?"""',
                "total: float = 0",
                "for n in range(5):",
                "    total += n / 2",
                "return total",
            ),
            "5",
        ),
        (body("return sum(x ** 2 for x in [1, 2, 3] if x != 2)"), "10"),
        (body("import math", "return math.ceil(7 / 2)"), "4"),
        (
            "from math import sqrt as root\nfrom fractions import Fraction\n" + body("return Fraction(1, 3) + root(4)"),
            "2.33333333333",
        ),
        (body("from fractions import Fraction", "return Fraction(3, 4)"), "0.75"),
        (body("from decimal import Decimal", "return Decimal('1.10') + 1"), "2.1"),
        (body("import statistics", "return statistics.mean([1, 2, 6])"), "3"),
        (body("from datetime import date", "return (date(2024, 3, 1) - date(2024, 2, 1)).days"), "29"),
        ("def half(x):\n    return x / 2\n\n" + body("return half(9)"), "4.5"),
        (body("x = 3", "x **= 2", "return pow(x, 2) + pow(2, 5, 7)"), "85"),
        (
            body("names = {'a': 1}", "names.update(b=2)", "return len(f'{names}') and max(names.values())"),
            "2",
        ),
        (body("return '1,200'"), "1200"),
        (body("return 2 ** 100"), str(2**100)),
        (body("print('hello')", "return -7.50"), "-7.5"),
        # None is an answer only if it is returned
        (body("return None"), "None"),
        (body("result = None", "return result"), "None"),
        (body("if False:", "    return 3"), None),
        (body("result = 3"), None),
        (body("return"), None),
        (body("return  "), None),
        (body("return print(3)"), None),
        ("def helper():\n    pass\n" + body("return helper()"), None),
        (body("return 'None'"), None),
        # no number, no function, no program
        (body("return True"), None),
        (body("return [18]"), None),
        (body("return float('nan')"), None),
        (body("return 'many'"), None),
        (body("return 1 / 0"), None),
        ("def solution(x):\n    return x", None),
        ("answer = 18", None),
        ("solution = 18", None),
        ("", None),
        ("#### 18", None),
        ("def solution(:", None),
    ],
)
def test_answers(program, answer):
    assert run_programs([program]) == [answer]


@pytest.mark.parametrize(
    "program",
    [
        body("return ().__class__.__base__.__subclasses__()"),
        body("return (1).__ｃlass__"),
        body("return [x for x in (1,)].gi_frame"),
        body("return '{0.__class__}'.format(1)"),
        body("return str.format_map('{a}', {'a': 1})"),
        body("import math", "math.pi = 3", "return 3"),
        body("yield 18"),
        body("return (lambda: (yield))()"),
        body("class A: pass", "return A and 18"),
        body("async def f(): return 18", "return f and 18"),
        body("return [x async for x in [18]][0]"),
        body("with 1 as x:", "    return 18"),
        body("del x"),
        body("return (lambda: 18).__code__ and 18"),
        body("try:", "    return ().__class__ and 18", "except BaseException:", "    return 19"),
        "@print\n" + body("return 18"),
        "async def solution():\n    return 18",
        body("return __builtins__"),
        body("global __no_answer__", "return __power__(2, 3)"),
        body("global __power__", "return 18"),
        body("__name__ = 18", "return __name__"),
        body("return __unavailable__"),
        body("return '{0[__class__]}'.format({})"),
        body("return '{:{0.__class__}}'.format(1)"),
        body("return '{a.real}'.format(a=18)"),
        body("return list(map('{0.real}'.format, [18]))[0]"),
        body("return str.format('18')"),
        body("from math import pi as format", "return (18).format"),
    ],
)
def test_language_outside_the_list_is_refused(program):
    assert run_programs([program]) == [None]


@pytest.mark.parametrize(
    "statement",
    [
        "import os; os.getpid()",
        "import sys as math; math.pi",
        "import os.path; os.path",
        "import math.os; math.pi",
        "from statistics import sys; sys.exit",
        "from os import getpid; getpid()",
        "from os import *; getpid()",
        "from math import *",
        "import __main__",
        "import os as __builtins__",
        "from . import math",
        "import statistics; statistics.sys",
        "import datetime; datetime.sys",
        "eval('1')",
        "exec('1')",
        "open('/etc/passwd')",
        "getattr(1, 'real')",
        "type('A', (int,), {})",
        "type(type(1))('A', (int,), {}).x or 1 / 0",
        "globals()",
        "input()",
        "exit()",
        "__import__('os')",
        "vars()",
        "object()",
        "breakpoint()",
    ],
)
def test_other_names_and_imports_are_refused(statement):
    assert run_programs([body(statement, "return 18")]) == [None]


@pytest.mark.parametrize(
    "attack",
    [
        body("while True: pass"),
        body("return sum(range(10 ** 12))"),
        body("x = 3", "for i in range(60): x = x * x", "return x"),
        "while True: pass\n" + HONEST,
    ],
)
def test_an_endless_program_is_lost_alone(attack):
    honest = [body(f"return {i}") for i in range(20)]
    answers = run_programs([*honest[:10], attack, *honest[10:]], timeout_s=0.3)
    assert answers == [*map(str, range(10)), None, *map(str, range(10, 20))]


@pytest.mark.parametrize(
    "attack",
    [
        body("return 10 ** 10 ** 10"),
        body("x = 10", "x **= 10 ** 10", "return x"),
        body("return pow(10, 10 ** 10)"),
        body("from fractions import Fraction", "return Fraction(10, 3) ** (10 ** 10)"),
        body("import math", "return math.factorial(10 ** 9)"),
        body("import math", "return math.comb(10 ** 9, 10 ** 8)"),
        body("return len([0] * 10 ** 10)"),
        body("x = [0]", "while True: x = x + x"),
        body("return len('a' * 10 ** 10)"),
        body("return len(f'{1:>9999999999}')"),
        body("return 7 ** 9999"),
        body("return '1' * 5000"),
        body("return int('9' * 4999)"),
        "def solution(): return solution()",
        "def f(x): return [f(x)]\n" + body("return f(1)"),
        body("return " + "(" * 5000 + "1" + ")" * 5000),
        body("return " + "-" * 15000 + "1"),
        body("return " + "+".join(["1"] * 9000)),
        body("return 18", "#" + "x" * 25_000),
        body("x = '\ud800'", "return 18\x00"),
    ],
)
def test_gigantic_work_is_refused_at_once_and_costs_no_worker(attack):
    run_programs([HONEST])
    before = {worker.process.pid for worker in programs._pools[False].workers}
    assert run_programs([attack, HONEST], timeout_s=60) == [None, "18"]
    assert before == {worker.process.pid for worker in programs._pools[False].workers}


def test_a_flood_of_syntax_warnings_reaches_nobody(capfd):
    flood = body(*["x = 1 is 1"] * 500, "return 18")
    assert run_programs([flood]) == ["18"]
    assert capfd.readouterr() == ("", "")


def test_a_program_leaves_nothing_to_the_next():
    first = "shared = [1]\n" + body("global shared", "shared = [1, 2]", "return 1")
    second = body("return len(shared)")
    assert run_programs([first, second]) == ["1", None]
    assert run_programs([second]) == [None]


def test_a_worker_has_no_environment_and_a_session_of_its_own():
    run_programs([HONEST])
    worker = programs._pools[False].workers[0].process.pid
    assert Path(f"/proc/{worker}/environ").read_bytes() == b""
    assert os.readlink(f"/proc/{worker}/cwd").endswith(" (deleted)")  # nothing can be made in it
    assert os.getsid(worker) == worker != os.getsid(0)
    limits = Path(f"/proc/{worker}/limits").read_text()
    for name in (
        "Max address space",
        "Max file size",
        "Max core file size",
        "Max open files",
    ):
        assert "unlimited" not in limits.partition(name)[2].split()[0]


def test_a_worker_that_is_killed_is_replaced():
    run_programs([HONEST])
    for worker in programs._pools[False].workers:
        worker.process.kill()
        worker.process.wait()
    assert run_programs([HONEST]) == ["18"]


def test_cpu_time_ends_a_worker_whose_parent_is_gone():
    worker = programs._Worker()
    try:
        while not worker.frames():
            pass
        worker.send([body("while True: pass")], 0.1)
        assert worker.process.wait(timeout=20) == -signal.SIGPROF
    finally:
        worker.release()


@pytest.mark.parametrize("first", ["", "from sympy import Rational\n"])
def test_an_honest_program_survives_a_stalled_machine(first):
    """The worker gets no CPU time for longer than the program's time-out, and then answers."""
    program = first + body("x = 0", "for i in range(10 ** 5): x = x + 1", "return x")
    run_programs([first + HONEST])  # starts the workers
    workers = programs._pools[bool(first)].workers

    def stall() -> None:
        for worker in workers:
            os.killpg(worker.process.pid, signal.SIGSTOP)
        time.sleep(1.0)
        for worker in workers:
            os.killpg(worker.process.pid, signal.SIGCONT)

    stalled = threading.Thread(target=stall)
    stalled.start()
    begun = time.monotonic()
    try:
        assert run_programs([program], timeout_s=0.3) == ["100000"]
    finally:
        stalled.join()
    assert time.monotonic() - begun > 0.9


def test_identical_programs_run_once(monkeypatch):
    sent = []
    monkeypatch.setattr(programs._Pool, "run", lambda pool, distinct, *_: sent.append(distinct) or ["18"])
    assert run_programs([HONEST] * 5) == ["18"] * 5
    assert sent == [[HONEST]]


def test_warm_batches_use_the_same_workers():
    batch = [body(f"a = {i} - 3", "b = a * 2", "return a + b / 2") for i in range(256)]
    expected = run_programs(batch)
    workers = [worker.process.pid for worker in programs._pools[False].workers]
    for _ in range(5):
        assert run_programs(batch) == expected
    assert [worker.process.pid for worker in programs._pools[False].workers] == workers


def test_calls_from_threads_do_not_mix():
    batches = [[body(f"return {100 * n + i}") for i in range(40)] for n in range(4)]
    answers = [None] * 4
    threads = [threading.Thread(target=lambda n=n: answers.__setitem__(n, run_programs(batches[n]))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[str(100 * n + i) for i in range(40)] for n in range(4)]


def test_an_interrupted_call_leaves_no_replies_behind(monkeypatch):
    run_programs([HONEST])
    with monkeypatch.context() as patch:
        patch.setattr(programs._Pool, "_listen", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_programs([body(f"return {i}") for i in range(50)])
    assert run_programs([HONEST, body("return 1")]) == ["18", "1"]


def test_close_ends_the_workers():
    run_programs([HONEST])
    pids = [worker.process.pid for worker in programs._pools[False].workers]
    programs.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert run_programs([HONEST]) == ["18"]


def test_a_worker_that_cannot_start_is_an_error(monkeypatch, tmp_path):
    programs.close()
    broken = tmp_path / "worker.py"
    broken.write_text("raise SystemExit(3)")
    monkeypatch.setattr(programs, "WORKER", broken)
    with pytest.raises(RuntimeError, match="did not start"):
        run_programs([HONEST])


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        (body("from sympy import symbols, Eq, solve", "x = symbols('x')", "return solve(Eq(2 * x, 8), x)[0]"), "4"),
        (body("import sympy", "return sympy.Rational(3, 4) + sympy.sqrt(16)"), "4.75"),
        (
            body("import sympy as s", "x, y = s.symbols('x y')", "return s.solve([x + y - 10, x - y - 2], [x, y])[x]"),
            "6",
        ),
        (body("from sympy import sqrt", "return sqrt(2)"), "1.41421356237"),
        (body("from sympy import Symbol", "return Symbol('x')"), None),
        # everything that would evaluate a text
        (body("from sympy import sympify", "return sympify(18)"), None),
        (body("import sympy", "return sympy.sympify('18')"), None),
        (body("from sympy import simplify", "return simplify('9 + 9')"), None),
        (body("from sympy import solve", "return solve(['x - 18'])[0]"), None),
        (body("from sympy import Integer", "return Integer('18')"), None),
        (body("from sympy import symbols", "return symbols('x:18')"), None),
        (body("from sympy import symbols", "x = symbols('x')", "return 18 if x.count('9 + 9') == 0 else 1"), None),
        (body("from sympy import symbols", "x = symbols('x')", "return (x + 18).replace('x', '0')"), None),
        (body("from sympy import symbols", "x = symbols('x')", "return (x + 18).subs('x', '0')"), None),
        (body("from sympy import symbols", "return symbols('x', cls=print)"), None),
        (body("from sympy import Integer", "return Integer(10) ** Integer(10) ** 10"), None),
    ],
)
def test_sympy_without_texts(program, answer):
    assert run_programs([program, HONEST], timeout_s=5) == [answer, "18"]
