"""Programs as language models write them, with what does no harm and once was refused."""

import pytest

from gavel.solutions.sandbox import pool
from gavel.solutions.sandbox.pool import run_programs
from gavel.solutions.verifier import verify

# The three rows of a collection of reported program answers: (program, gold answer, whether it is right).
REPORTED = [
    ("import math\nimport numpy as np\n\ndef solution():\n    return 2 * 9", "18", True),
    (
        "from sympy import symbols, solve, cos, rad\n\ndef solution():\n    t = symbols('t')\n"
        "    return solve(90 - t - 32, t)[0] + 50",
        "108",
        True,
    ),
    ("def solution():\n    return 7, 2", "7", False),
]


@pytest.mark.parametrize(("program", "gold", "right"), REPORTED)
def test_reported_programs(program, gold, right):
    assert verify([program], [gold], "program")[1] == [right]


IMPORTS = {
    "numpy in front": "import numpy as np\n\ndef solution():\n    eggs = 16 - 3 - 4\n    return eggs * 2",
    "numpy inside": "def solution():\n    import numpy as np\n    return 18",
    "numpy without a name": "import numpy\nimport pandas as pd\n\ndef solution():\n    return 18.0",
    "names of numpy": "from numpy import array, mean as average\n\ndef solution():\n    return 9 * 2",
    "several on a line": "import math, numpy as np, os, sys\n\ndef solution():\n    return math.ceil(17.5)",
    "submodules": "import matplotlib.pyplot as plt\nimport os.path\n\ndef solution():\n    return 18",
    "typing": "from typing import List, Optional, Union\n\ndef solution() -> int:\n    return 18",
    "typing in use": (
        "from typing import List, Optional\n\ndef total(xs: List[int], top: Optional[int] = None) -> Optional[float]:\n"
        "    result: List[int] = xs\n    return sum(result)\n\ndef solution() -> List[int]:\n    return total([9, 9])"
    ),
    "an annotation of numpy": "import numpy as np\ndef solution() -> np.float64:\n    x: np.int64 = 18\n    return x",
    "the future": "from __future__ import annotations\n\ndef solution():\n    return 18",
    "the future after a docstring": '"""Eggs."""\nfrom __future__ import division\ndef solution():\n    return 36 / 2',
    "collections": "from collections import defaultdict, Counter\nimport itertools\n\ndef solution():\n    return 18",
    "random and time": "import random\nimport time\nimport re\nimport json\n\ndef solution():\n    return 18",
    "part of a module": "from math import floor, nextafter, sqrt\n\ndef solution():\n    return floor(sqrt(324))",
    "a star of math": "from math import *\n\ndef solution():\n    return ceil(17.2)",
    "a star of numpy": "from numpy import *\n\ndef solution():\n    return 18",
    "a star of SymPy": "from sympy import *\n\ndef solution():\n    x = symbols('x')\n    return solve(x - 18, x)[0]",
    "SymPy unused": "import sympy as sp\n\ndef solution():\n    return 18",
    "SymPy's unused names": (
        "from sympy import symbols, Eq, solve, sin, tan, Matrix, diff, integrate, limit, nonsense\n"
        "from sympy.abc import x\nfrom sympy.solvers import solveset\n\n"
        "def solution():\n    y = symbols('y')\n    return solve(Eq(y, 18), y)[0]"
    ),
    "sympify unused": "from sympy import sympify, lambdify\n\ndef solution():\n    return 18",
    "imports in a branch": (
        "def solution():\n    if True:\n        import numpy as np\n    else:\n        import os\n    return 18"
    ),
    "imports in a loop": "def solution():\n    for _ in range(2):\n        import os\n    return 18",
    "in a helper": "def helper():\n    import numpy as np\n    return 9\n\ndef solution():\n    return helper() * 2",
}
FORMATS = {
    "format": "def solution():\n    cost = 18\n    print('It costs ${:.2f}.'.format(cost))\n    return cost",
    "format with names": "def solution():\n    n = 18\n    print('{n:,} of {m}'.format(n=n, m=20))\n    return n",
    "format by numbers": "def solution():\n    print('{0} {1} {0}'.format(1, 2))\n    return 18",
    "format of a dictionary": "def solution():\n    d = {'a': 1}\n    print('{a}'.format(**d))\n    return 18",
    "format with a width": "def solution():\n    print('{:>{}}'.format('x', 9))\n    return 18",
    "format kept for later": "def solution():\n    show = '{:5.1f}'.format\n    print(show(2.5))\n    return 18",
    "escaped braces": "def solution():\n    print('{{}} {}'.format(1))\n    return 18",
    "the function format": "def solution():\n    print(format(18.0, '.2f'), format(1234, ','))\n    return 18",
    "f-strings": "def solution():\n    x = 18\n    print(f'{x:.2f} {x!r:>8} {x=} {x / 3:,.1f}')\n    return x",
    "percent": "def solution():\n    x = 18\n    print('%d apples, %.2f dollars, 5%%' % (x, x))\n    return x",
    "columns": "def solution():\n    print(str(18).zfill(4), 'a'.ljust(9), 'b'.rjust(9), 'c'.center(9))\n    return 18",
    "print with options": "def solution():\n    print('Total:', 18, sep=' ', end='\\n', flush=True)\n    return 18",
    "repr": "def solution():\n    print(repr(18))\n    return 18",
    "a formatted answer": "def solution():\n    return '{:.2f}'.format(18)",
    "a rounded answer": "def solution():\n    return float('{:.1f}'.format(18.04))",
}
NAMES = {
    "Spanish": "def solution():\n    año = 18\n    return año",
    "French": "def solution():\n    âge_de_zoé = 9\n    élèves = 2 * âge_de_zoé\n    return élèves",
    "German": "def lösung():\n    return 18\n\ndef solution():\n    größe = lösung()\n    return größe",
    "Greek": "def solution():\n    π, Δ = 3, 6\n    return π * Δ",
    "Chinese": "def solution():\n    苹果 = 18\n    return 苹果",
    "Cyrillic": "def solution():\n    яблоки = {'да': 18}\n    return яблоки['да']",
    "Vietnamese, as an argument": "def tổng(số_kẹo):\n    return số_kẹo\n\ndef solution():\n    return tổng(số_kẹo=18)",
    "decomposed": "def solution():\n    an\u0303o = 18\n    return a\u00f1o",
    "ligatures": "def solution():\n    \ufb01ve = 18\n    return five",
    "a text": "def solution():\n    print('18 €, “quoted” — done')\n    return 18",
}
ENDINGS = {
    "main": "def solution():\n    return 18\n\nif __name__ == '__main__':\n    print(solution())",
    "a call": "def solution():\n    return 18\n\nprint(solution())",
    "a formatted call": "def solution():\n    return 18\n\nresult = solution()\nprint('{}!'.format(result))",
    "a Windows file": "import numpy as np\r\ndef solution():\r\n    return 18\r\n",
}


def body(*lines: str) -> str:
    return "def solution():\n" + "".join(f"    {line}\n" for line in lines)


DATES = {
    "strptime": body("from datetime import datetime", "d = datetime.strptime('18/05/24', '%d/%m/%y')", "return d.day"),
    "strptime of a module": body("import datetime as dt", "return dt.datetime.strptime('18:30', '%H:%M').hour"),
    "strftime": body("from datetime import date", "return date(2024, 5, 18).strftime('%d')"),
    "a date in an f-string": body("from datetime import date", "return f'{date(2024, 5, 18):%d}'"),
    "a date in a format": body("from datetime import date", "return '{:%d}'.format(date(2024, 5, 18))"),
    "an unused now": body("from datetime import datetime", "now = datetime.now()", "return 18"),
    "a printed now": body(
        "import datetime",
        "now = datetime.datetime.now()",
        "print(now, f'{now:%Y-%m-%d}', now.strftime('%H'), 'at ' + str(now), now - datetime.timedelta(days=2))",
        "return 18",
    ),
    "an unused today": body("from datetime import date", "age = int(date.today().year) - 1990", "return 18"),
    "isocalendar": body("from datetime import date", "return date(2024, 5, 1).isocalendar()[1]"),
    "calendar": body("import calendar", "return calendar.monthrange(2024, 2)[1] - 11"),
}
EXCEPTIONS = {
    "a raise that never runs": body("if False: raise ValueError('x')", "return 18"),
    "a handled division": body("try:", "    return 1 / 0", "except ZeroDivisionError:", "    return 18"),
    "a handled error with its name": body(
        "try:",
        "    x = int('a')",
        "except (ValueError, TypeError) as e:",
        "    print(f'{e}')",
        "    x = 18",
        "return x",
    ),
    "else and finally": body(
        "try:",
        "    x = 9",
        "except Exception:",
        "    x = 1",
        "else:",
        "    x *= 2",
        "finally:",
        "    print(x)",
        "return x",
    ),
    "a bare except": body("try:", "    return [][0]", "except:", "    return 18"),
    "raised and handled": body("try: raise KeyError('a') from None", "except LookupError: return 18"),
    "raised again": body(
        "try:", "    try: return {}['a']", "    except KeyError: raise", "except KeyError as e: return 17 + len(e.args)"
    ),
    "an unused helper": "def safe(a, b):\n    try:\n        return a / b\n    except:\n        return 0\n\n"
    + body("return 18"),
    "numpy if it is there": "try:\n    import numpy as np\nexcept ImportError:\n    np = None\n" + body("return 18"),
    "a finally that returns": body("try: return 1 / 0", "finally: return 18"),
    "an assertion": body("try: assert 1 == 2, 'no'", "except AssertionError: return 18"),
}
UNUSED = {
    "numpy in a branch": body("import numpy as np", "if False: return np.sum([1])", "return 18"),
    "numpy in a helper": "import numpy as np\ndef mean(a):\n    return np.mean(a)\n" + body("return 18"),
    "numpy printed": body("import numpy as np", "print(np.pi, f'{np.mean([1, 2]):.2f}')", "return 18"),
    "numpy printed in many ways": body(
        "import numpy as np",
        "m = np.array([1, 2]).mean() * 2 + 1",
        "print('m: ' + str(m), '%.2f' % m, '{:.1f}'.format(m), round(m, 2), int(m), m > 2, -m, m[0], len(m))",
        "return 18",
    ),
    "numpy's value unused": body("import numpy as np", "mean = float(np.mean([1, 2]))", "return 18"),
    "numpy's seed": body("import numpy as np", "np.random.seed(0)", "np.set_printoptions(precision=2)", "return 18"),
    "random's seed": body("import random", "random.seed(42)", "return 18"),
    "a kept unknown": body("import numpy as np", "found = [1]", "found.append(np.pi)", "return len(found) + 16"),
    "time": body("import time", "t = time.time()", "print(f'{time.time() - t:.3f} s')", "return 18"),
    "warnings": body("import warnings", "warnings.filterwarnings('ignore')", "return 18"),
    "the recursion limit": body("import sys", "sys.setrecursionlimit(10 ** 6)", "return 18"),
    "a plot": body("import matplotlib.pyplot as plt", "plt.plot([1], [2])", "plt.show()", "return 18"),
    "a table": body(
        "import pandas as pd", "d = pd.DataFrame({'a': [1]})", "d['b'] = d['a'] * 2", "print(d)", "return 18"
    ),
    "a class": body("class Shop:", "    def __init__(self): self.eggs = 3", "return 18"),
    "a dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n" + body("return 18"),
    "a generator": body("def numbers():", "    yield 1", "return 18"),
    "a file": body("def read():", "    with open('x') as f: return f.read()", "return 18"),
    "forbidden attributes": body("def name(x): return x.__class__.__name__, x.nothing", "return 18"),
    "os in a branch": body("import os", "if False: os.system('ls')", "return 18"),
    "async": body("async def f(): await g()", "return 18"),
}
EXPRESSIONS = {
    "sets": body("return len({1, 2} | {3}) * len({1, 2} & {2}) * len({1, 2, 3} - {1}) * len({1, 2} ^ {2, 3, 4})"),
    "bits": body("x = 1 << 3", "x <<= 1", "return (x >> 2 | 16 & 31 ^ 4) + ~1"),
    "characters": body("return ord('S') - ord('A') + len(chr(66)) - 1"),
    "digits": body("return bin(7).count('1') * len(hex(255)) + len(oct(8)) + 2"),
    "iterators": body("numbers = iter([17, 18])", "next(numbers)", "return next(numbers, 0)"),
    "types": body(
        "x = 18", "print(type(x), type('a').__name__)", "return x if type(x) == int and isinstance(x, int) else 0"
    ),
    "del": body("x = [0, 9, 9]", "del x[0]", "y = 1", "del y", "return sum(x)"),
    "match": body("match 3:", "    case 1 | 2: return 0", "    case [a, *b]: return 1", "    case x: return x * 6"),
    "precision": body("from decimal import Decimal, getcontext", "getcontext().prec = 30", "return Decimal(9) * 2"),
    "Counter": body("from collections import Counter", "return Counter('aab').most_common(1)[0][1] * 9"),
    "defaultdict": body("from collections import defaultdict", "d = defaultdict(int)", "d['a'] += 18", "return d['a']"),
    "itertools": body("import itertools", "return len(list(itertools.combinations(range(4), 2))) * 3"),
    "reduce": body("from functools import reduce", "return reduce(lambda a, b: a * b, [1, 2, 9])"),
    "a cache": (
        "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef f(n):\n"
        "    return n if n < 2 else f(n - 1) + f(n - 2)\n" + body("return f(60) - 1548008755902")
    ),
    "heapq": body("import heapq", "h = [30, 18]", "heapq.heapify(h)", "return heapq.heappop(h)"),
    "a large choice": body("from math import comb", "return comb(10000, 2) - 49994982"),
}
X = ("from sympy import *", "x, y = symbols('x y')")


def sympy(*lines: str) -> str:
    return X[0] + "\n" + body(X[1], *lines)


SYMPY = {
    line: sympy(*line.split("; "))
    for line in """
    return factorial(4) - 6
    return binomial(4, 2) * 3
    return diff(9 * x**2, x).subs(x, 1)
    return (x**3).diff(x, 2).subs(x, 3)
    return integrate(2 * x, (x, 0, sqrt(18)))
    return integrate(x * exp(-x), (x, 0, oo)) * 18
    return list(linsolve([x + y - 20, x - y - 16], (x, y)))[0][0]
    return linsolve([Eq(x + y, 20), Eq(x - y, 16)], x, y).args[0][0]
    return list(solveset(x**2 - 324, x, domain=S.Reals))[1]
    return list(solveset(Eq(x, 18), x))[0]
    return summation(x, (x, 1, 4)) + 8
    return summation(1 / 2**x, (x, 0, oo)) * 9
    return log(E**18) + ln(1)
    return log(8, 2) * 6
    return limit(18 * sin(x) / x, x, 0)
    return limit(1 / x, x, 0, '+') == oo and 18
    return limit((x**2 - 81) / (x - 9), x, 9)
    return S(36) / 2 * S.One
    return 18 if isprime(7) and not isprime(8) else 0
    return sum(divisors(12)) - 10
    return max(primefactors(36)) * 6 + factorint(36)[3] - 2
    return Piecewise((x, x < 5), (2 * x, True)).subs(x, 9)
    return solve(Symbol('number of apples') - 18)[0]
    return solve(Symbol("Tom's age (years)", positive=True)**2 - 324)[0]
    a, b = symbols('x1:3'); return solve([a + b - 20, a - b - 16], [a, b])[a]
    return len(symbols('a:r'))
    a, b = symbols(['a', 'b']); return solve(a - 18, a)[0]
    init_printing(); print(x); pprint(x); return 18
    return [s for s in solve(x**2 - 324, x) if s.is_positive][0]
    return [s for s in solve(x**4 - 18**4, x) if s.is_real and s > 0][0]
    return solve(x**2 - 324, x, dict=True)[1][x]
    return Matrix([[1, 1], [1, -1]]).LUsolve(Matrix([20, 16]))[0]
    return sin(pi / 2) * 18 + cos(pi / 2) + tan(0)
    return (cos(x)**2 + sin(x)**2).simplify() * 18
    return Rational(18, 5).p
    print('%d' % Integer(3), 'a' + str(x), f'{x + 1}'); return 18
    """.strip().split("\n")
    for line in [line.strip()]
} | {
    "solvers": "from sympy.solvers import solve\nfrom sympy import Symbol\n"
    + body("x = Symbol('x')", "return solve(x - 18)[0]"),
    "abc": "from sympy.abc import x, y, alpha\nfrom sympy import solve\n" + body("return solve(x - 18, x)[0]"),
    "a helper": "import sympy as sp\n"
    + body("try: return sp.solve(sp.Symbol('x') - 18)[0]", "except Exception: return 1"),
}
HARMLESS = IMPORTS | FORMATS | NAMES | ENDINGS | DATES | EXCEPTIONS | UNUSED | EXPRESSIONS | SYMPY


def test_there_are_many_kinds():
    assert len(HARMLESS) > 140


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_no_harm_does_not_matter(name):
    assert run_programs([HARMLESS[name]], timeout_s=10) == ["18"]


@pytest.mark.parametrize(
    "program",
    [
        "import numpy as np\n\ndef solution():\n    return np.mean([18])",
        "import numpy as np\n\ndef solution():\n    return np.array([18]).sum()",
        "import numpy as np\n\ndef solution():\n    return np",
        "import numpy as np\n\ndef solution():\n    return int(np)",
        "import numpy as np\n\ndef solution():\n    return np + 18",
        body("import numpy as np", "if np.any([1]): return 18", "return 18"),
        body("import numpy as np", "for _ in np.arange(3): pass", "return 18"),
        body("import numpy as np", "return [18, 18][np.int64(1)]"),
        body("import numpy as np", "return len(f'{np.pi}') + 1 - 1"),
        body("import numpy as np", "return 18 if isinstance(np.pi, float) else 18"),
        body("import numpy as np", "try:", "    if np.pi > 3: return 18", "except Exception: return 18"),
        body("import random", "xs = [18, 18]", "random.shuffle(xs)", "return xs[0]"),
        body("from random import shuffle", "xs = [18, 18]", "shuffle(xs)", "return xs[0]"),
        body("import heapq, numpy as np", "h = [1]", "heapq.heappush(h, np.pi)", "return len(h) + 16"),
        body("import random", "return random.randint(18, 18)"),
        body("import time", "return int(time.time()) * 0 + 18"),
        body("from datetime import datetime", "return datetime.now().year * 0 + 18"),
        body("from datetime import date", "return 18 if date.today().year > 1 else 18"),
        body("class A:", "    x = 18", "return A.x"),
        body("class A: pass", "a = A()", "return 18"),
        body("def numbers(): yield 18", "return next(numbers())"),
        body("with open('x') as f: pass", "return 18"),
        body("try: open('x')", "except: return 18"),
        body("try: (18).nothing", "except AttributeError: return 18"),
        body("match 18:", "    case int(real=x): return x"),
        body("raise ValueError('18')"),
        body("return [18]"),
        body("return (18,)"),
        body("return {18}"),
        "from sympy import *\n" + body("return solve(Symbol('x') - 18)"),
        "from sympy import *\n" + body("return FiniteSet(18)"),
        "solution = lambda: 18",
        "import os\n\ndef solution():\n    return os.getpid()",
        "from os import getpid\n\ndef solution():\n    return getpid()",
        "from numpy import sum\n\ndef solution():\n    return sum([18])",
        "from numpy import round as abs\n\ndef solution():\n    return abs(18)",
        "from builtins import eval as max\n\ndef solution():\n    return max('18')",
        "import builtins as math\n\ndef solution():\n    return math.pi",
        "from sympy import sympify\n\ndef solution():\n    return sympify('18')",
        "from random import *\n\ndef solution():\n    return randint(18, 18)",
        "def solution():\n    from math import *\n    return ceil(18)",
        "from . import helper\n\ndef solution():\n    return 18",
        "def solution():\n    return '{0.__class__}'.format(18)",
        "def solution():\n    return '{0.real}'.format(18)",
        "def solution():\n    return '{0[0]}'.format([18])",
        "def solution():\n    return '{:{0.real}}'.format(18)",
        "def solution():\n    return '{:>9999999999}'.format(18)",
        "def solution():\n    return 'x'.__ｆormat__('18')",
        "def solution():\n    return ().__ｃlass__",
        "def solution():\n    return __ｉmport__('os')",
        "def solution():\n    return ＿＿import__('os')",
        "import ｏs\n\ndef solution():\n    return ｏs.getpid()",
        "import ｓympy\n\ndef solution():\n    return ｓympy.sympify('18')",
        "def solution():\n    return ｅval('18')",
        "def solution(*, ＿＿x=18):\n    return 18",
    ],
)
def test_what_is_used_is_still_refused(program):
    assert run_programs([program], timeout_s=10) == [None]


def test_a_harmless_program_costs_no_worker():
    run_programs(["def solution():\n    return 18"])
    before = {worker.process.pid for worker in pool._pools[False].workers}
    run_programs([program for program in HARMLESS.values() if "sympy" not in program])
    assert before <= {worker.process.pid for worker in pool._pools[False].workers}
