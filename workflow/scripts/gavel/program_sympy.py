"""The part of SymPy that programs may use, for the worker of the program sandbox.

SymPy turns texts into expressions by evaluating them (`sympify`), in most functions and many methods. So programs get
wrappers that refuse every text, and none of the methods that take one.
"""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import SimpleNamespace

FUNCTIONS = """
Abs Add Eq Float Ge Gt Integer Le Lt Max Min Mod Mul N Pow Rational Sum ceiling expand factor floor gcd ilcm igcd lcm
nsolve root simplify solve sqrt
"""
CONSTANTS = "E oo pi"
# Methods of plain values that SymPy's objects have too, where they evaluate texts.
UNSAFE_METHODS = frozenset("copy count find replace".split())
FLAGS = frozenset("integer negative nonnegative nonzero positive real".split())


def proxy(sympy, refused: type[Exception]) -> SimpleNamespace:
    """The stand-in for the module; `refused` is raised for what is not allowed."""
    names = {name: textless(getattr(sympy, name), refused) for name in FUNCTIONS.split()}
    names |= {name: getattr(sympy, name) for name in CONSTANTS.split()}

    def symbols(text, **flags):
        if not re.fullmatch(r"[A-Za-z_0-9 ,]{1,200}", text) or not flags.keys() <= FLAGS:
            raise refused("symbols takes names and the flags " + ", ".join(sorted(FLAGS)))
        return sympy.symbols(text, **flags)

    return SimpleNamespace(**names, symbols=symbols, Symbol=symbols)


def textless(function: Callable, refused: type[Exception]) -> Callable:
    """The function without any text among its arguments, at any depth."""

    def call(*arguments, **options):
        if holds_text([*arguments, *options.values()]):
            raise refused("a text as an argument of SymPy")
        return function(*arguments, **options)

    return call


def holds_text(value, depth: int = 0) -> bool:
    if isinstance(value, str | bytes) or depth > 10:
        return True
    if isinstance(value, Mapping):
        return holds_text([*value, *value.values()], depth + 1)
    plain = isinstance(value, list | tuple | set | frozenset)
    return plain and any(holds_text(part, depth + 1) for part in value)


def plain_number(sympy, value):
    """A SymPy number as one of Python's; anything else as it is."""
    if isinstance(value, sympy.Integer):
        return int(value)
    if isinstance(value, sympy.Rational):
        return Fraction(int(value.p), int(value.q))
    if isinstance(value, sympy.Expr) and value.is_number and value.is_extended_real and value.is_finite:
        return float(value)
    return value


def warm_up(sympy) -> None:
    """Use what loads more of SymPy at its first use: afterwards no file can be opened."""
    x, y = sympy.symbols("x y", positive=True)
    sympy.solve([sympy.Eq(x + y, 10), sympy.Eq(x - y, 2)], [x, y])
    sympy.solve(x**2 - sympy.Rational(9, 4), x)
    sympy.simplify(sympy.sqrt(8) * x / (2 * x))
    sympy.nsolve(x**2 - 2, x, 1)
    float(sympy.Sum(x, (x, 1, 10)).doit().evalf())
