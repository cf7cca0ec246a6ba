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
HARMLESS = IMPORTS | FORMATS | NAMES | ENDINGS


def test_there_are_many_kinds():
    assert len(HARMLESS) > 50


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
