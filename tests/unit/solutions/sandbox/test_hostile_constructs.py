"""Attacks by what the language allows beyond arithmetic: exceptions, iterators, shifts, unknown values, attributes."""

import ast

import pytest

from gavel.solutions.sandbox import language, stand_ins
from gavel.solutions.sandbox import pool as programs
from gavel.solutions.sandbox.pool import run_programs

HONEST = "def solution():\n    return 18"


def body(*lines: str) -> str:
    return "def solution():\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    "attack",
    [
        body("while True:", "    try:", "        while True: pass", "    except: pass"),
        body("while True:", "    try: raise ValueError", "    except BaseException: continue", "    finally: continue"),
        body("while True:", "    try: 1 / 0", "    finally: continue"),
        body("for _ in iter(int, 1): pass", "return 18"),
        body("it = iter(lambda: 0, 1)", "while next(it, 1) < 1: pass", "return 18"),
        body("import itertools", "return max(itertools.count())"),
        body("import itertools", "return sum(itertools.repeat(0, 10 ** 15))"),
        body("import itertools", "for _ in itertools.product(range(10 ** 3), repeat=9): pass"),
        body("import itertools", "return next(x for x in itertools.count() if x < 0)"),
        body("from collections import deque", "return deque(iter(int, 1), maxlen=1)"),
        body("from functools import reduce", "return reduce(lambda a, b: a, iter(int, 1))"),
        body("import heapq, itertools", "return list(heapq.merge(itertools.count(), itertools.count(), key=abs))[0]"),
    ],
)
def test_an_endless_program_is_lost_alone(attack):
    honest = [body(f"return {i}") for i in range(9)]
    assert run_programs([*honest, attack], timeout_s=0.5) == [*map(str, range(9)), None]


@pytest.mark.parametrize("handler", ["except: return 18", "except BaseException: return 18", "finally: return 18"])
@pytest.mark.parametrize(
    "limit",
    [
        "10 ** 10 ** 10",
        "1 << 10 ** 9",
        "[0] * 10 ** 10",
        "'a' * 10 ** 10",
        "deep()",
        "open('/etc/passwd')",
        "eval('18')",
        "().__class__",
        "(18).nothing",
        "os.getpid()",
        "np.pi > 3 or 1",
        "int(np.pi) + [][np.pi]",
        "'{0.real}'.format(18)",
        "math.factorial(10 ** 9)",
        "math.comb(10 ** 9, 10 ** 8)",
        "(yield 18)",
    ],
)
def test_no_handler_handles_a_limit(limit, handler):
    head = "import os, math\nimport numpy as np\ndef deep(): return deep()\n"
    plain = head + body(f"try: x = {limit}", handler)
    inside = head + body("try:", f"    try: x = {limit}", "    finally: return 18", handler)
    in_a_handler = head + body("try: 1 / 0", f"except ZeroDivisionError: x = {limit}", "finally: return 18")
    in_a_loop = head + body(
        "for _ in range(9):", f"    try: x = {limit}", "    except: pass", "    else: pass", "return 18"
    )
    assert run_programs([plain, inside, in_a_handler, in_a_loop, HONEST], timeout_s=20) == [None] * 4 + ["18"]


@pytest.mark.parametrize(
    "attack",
    [
        "def f():\n    try: return f()\n    except: return 18\n" + body("return f()"),
        "def f():\n    try: return f()\n    finally: return 18\n" + body("return f()"),
        "def f():\n    try: return f()\n    except RecursionError: return f()\n" + body("return f()"),
        body("x = []", "try:", "    while True: x.append([0] * 10 ** 6)", "except MemoryError: return 18"),
        body("x = []", "try:", "    while True: x.append([0] * 10 ** 6)", "finally: return 18"),
        body("raise MemoryError"),
        body("try: raise MemoryError", "except MemoryError: return 18"),
        body("try: raise SystemExit(18)", "finally: pass"),
        body("raise KeyboardInterrupt"),
        body("raise GeneratorExit"),
        body("try: 1 / 0", "except 18: return 18"),
        body("try: 1 / 0", "except* ZeroDivisionError: x = 18", "return x"),
        body("try: 1 / 0", "except ZeroDivisionError as e: return e.__traceback__ and 18"),
        body("try: 1 / 0", "except ZeroDivisionError as e: return e.with_traceback(None) and 18"),
        body("try: 1 / 0", "except ZeroDivisionError as __limits__: return 18"),
        body("global __over__", "return 18"),
        body("return __over__ and 18"),
        body("__limits__ = ()", "return 18"),
        body("del __limits__", "return 18"),
        body("for __limits__ in []: pass", "return 18"),
        body("return [__over__ for __over__ in [18]][0]"),
        body("match 18:", "    case __over__: return 18"),
        body("match {}:", "    case {**__over__}: return 18"),
        body("import math as __over__", "return 18"),
        body("from math import pi as __limits__", "return 18"),
    ],
)
def test_limits_cannot_be_caught_nor_their_marks_be_reached(attack):
    assert run_programs([attack, HONEST], timeout_s=20) == [None, "18"]


@pytest.mark.parametrize(
    "attack",
    [
        body("x = 1", "x <<= 10 ** 9", "return x"),
        body("return 1 << (1 << 40)"),
        body("return (1 << 60000) << 60000"),
        body("x = 3", "for i in range(40): x = x << 60000", "return x"),
        body("return len(bin(7 ** 20000)) - len(bin(7 ** 20000)) + int('9' * 5000)"),
        body("return hex(1 << 10 ** 8)"),
        body("return eval(chr(49) + chr(56))"),
        body("source = ''.join(chr(c) for c in [49, 56])", "return exec(source) or 18"),
        body("return getattr(18, chr(114) + 'eal')"),
        body("return type('A', (), {})"),
        body("return type(type(18))('A', (int,), {'__str__': lambda s: '18'})(3)"),
        body("return type(solution)(18)"),
        body("return type(iter([])).__name__ and 18"),
        body("return int.mro() and 18"),
        body("return int.__subclasses__() and 18"),
        body("import math", "math.pi = 18", "return math.pi"),
        body("import math", "del math.pi", "return 18"),
        body("from collections import Counter", "Counter.update = print", "return 18"),
        body("from decimal import getcontext", "getcontext().Emax = 18", "return 18"),
        body("from decimal import Decimal, getcontext", "getcontext().prec = 10 ** 17", "return Decimal(1) / 3"),
        body("for int.real in [18]: pass", "return 18"),
        body("[0 for (18).real in [1]]", "return 18"),
        body("from datetime import datetime", "datetime.now = print", "return 18"),
        body("from functools import lru_cache", "return lru_cache.__globals__ and 18"),
        body("from collections import Counter", "return Counter.__init__ and 18"),
        body("from operator import attrgetter", "return attrgetter('__class__')(18) and 18"),
        body("from collections import namedtuple", "return namedtuple('A', 'x')(18).x"),
        body("return sorted([18], key=str.format)[0] and '{0.__class__}'.format(18)"),
    ],
)
def test_large_and_forbidden_values(attack):
    assert run_programs([attack, HONEST], timeout_s=20) == [None, "18"]


def test_a_program_s_decimal_context_is_its_own():
    rough = body("from decimal import Decimal, getcontext", "getcontext().prec = 3", "return Decimal(1) / 3")
    plain = body("from decimal import Decimal", "return Decimal(1) / 3")
    assert run_programs([rough, plain, rough + "# again", plain + "# again"]) == ["0.333", "0.333333333333"] * 2


def test_a_program_that_ended_runs_nothing_later():
    """No generator, class or finaliser of a program may act while the next one runs."""
    late = body(
        "x = []",
        "def g():",
        "    try:",
        "        yield 1",
        "    finally:",
        "        while True: pass",
        "x.append((x, g()))",
        "return next(x[0][1])",
    )
    programs_ = [program + f"# {i}" for i in range(9) for program in (late, HONEST)]
    assert run_programs(programs_, timeout_s=0.5) == [None, "18"] * 9


def test_a_deep_sum_needs_no_deep_recursion():
    assert run_programs([body("x = 1", "return " + " + ".join(["x ** 2"] * 900))], timeout_s=10) == ["900"]


@pytest.mark.parametrize("source", ["x.real", "f(x)", "a << b", "x ** y", "lambda: (yield)", "[x async for x in y]"])
def test_what_is_rewritten_names_helpers_only(source):
    """A tree after the check: every name with two underscores is a helper's, every attribute from the list."""
    tree = language.check_tree(f"import numpy as np\ndef solution():\n    try: return {source}\n    finally: pass\n")
    helpers = {*stand_ins.HELPERS, "__over__"}
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Import | ast.ImportFrom | ast.Yield | ast.ClassDef | ast.With)
        if isinstance(node, ast.Name) and node.id.startswith("__"):
            assert node.id in helpers
        if isinstance(node, ast.Attribute):
            assert node.attr in stand_ins.ATTRIBUTES


def test_hostile_constructs_cost_no_worker():
    run_programs([HONEST])
    before = {worker.process.pid for worker in programs._pools[False].workers}
    run_programs([body("try: x = 10 ** 10 ** 10", "finally: return 18"), body("return 1 << 10 ** 9")], timeout_s=20)
    assert before <= {worker.process.pid for worker in programs._pools[False].workers}
