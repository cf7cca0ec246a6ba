"""The part of SymPy that programs may use, for the worker of the program sandbox.

SymPy turns texts into expressions by evaluating them as Python (`sympify`), in most functions and many methods and
operators. Two things keep a program's texts from that. `disarm` takes the evaluator away, for all of SymPy, whichever
way a text comes to it. And the functions that programs get take no texts, at any depth, so that most are refused
before. Whatever gets past both runs in a process that answers no other program (`gavel.solutions.sandbox.worker`).
"""

import ast
import builtins
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from itertools import islice
from operator import add, mul, sub, truediv
from types import CodeType, SimpleNamespace

FUNCTIONS = """
Abs Add Eq Float Ge Gt Integer Le Lt Max Min Mod Mul N Pow Rational Sum ceiling expand factor floor gcd ilcm igcd lcm
nsolve root simplify solve sqrt
"""
CONSTANTS = "E oo pi"
METHODS = "doit evalf lhs rhs subs"  # of SymPy's objects, beside those that are named like a function above
FLAGS = frozenset("integer negative nonnegative nonzero positive real".split())
# These two read the text of a number themselves, by Python's `Fraction` and mpmath's `from_str`.
NUMERAL_READERS = frozenset({"Float", "Rational"})
NUMERAL = re.compile(r"\s*[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?\s*", re.ASCII)
RATIO = re.compile(r"\s*[+-]?[0-9]{1,400}\s*/\s*[0-9]{1,400}\s*", re.ASCII)
DEEPEST, LONGEST = 10, 10_000  # of collections among the arguments

SIGNS = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv, ast.Pow: pow}
NUMBERS = frozenset("Catalan E EulerGamma GoldenRatio TribonacciConstant pi".split())  # a name is what `str` writes
NUMBER_FUNCTIONS = frozenset("cbrt exp log sqrt".split())

# SymPy itself writes Python in these two places: functions of numbers for `nsolve`, of monomials for polynomials.
WRITERS = ("sympy.utilities.lambdify", "sympy.polys.monomials")
WRITTEN_NODES = """
Module FunctionDef arguments arg Return Assign Expr BinOp UnaryOp BoolOp IfExp Compare Call Attribute Name Constant
Tuple List Subscript GeneratorExp comprehension Load Store Add Sub Mult Div FloorDiv Mod Pow USub UAdd And Or Not Eq
NotEq Lt LtE Gt GtE Raise If
"""
WRITTEN_IMPORT = re.compile(r"(?:import mpmath;? ?)?from (?:mpmath|math|sympy[\w.]*) import [\w*]+", re.ASCII)
FORBIDDEN_NAMES = frozenset(vars(builtins)) - frozenset(
    "abs all any bool float int len max min pow range round sum".split()
)


def proxy(sympy, refused: type[Exception]) -> SimpleNamespace:
    """The stand-in for the module; `refused` is raised for what is not allowed."""
    names = {name: textless(sympy, name, refused) for name in FUNCTIONS.split()}
    names |= {name: getattr(sympy, name) for name in CONSTANTS.split()}

    def symbols(text, **flags):
        if type(text) is not str or not re.fullmatch(r"[\w ,]{1,200}", text) or not flags.keys() <= FLAGS:
            raise refused("symbols takes names and the flags " + ", ".join(sorted(FLAGS)))
        return sympy.symbols(text, **flags)

    return SimpleNamespace(**names, symbols=symbols, Symbol=symbols)


def textless(sympy, name: str, refused: type[Exception]) -> Callable:
    """The function without any text among its arguments, at any depth; but `Float('0.1')` reads a number."""
    function = getattr(sympy, name)

    def plain(value, depth: int = 0):
        """The value with its iterators and views as lists, since looking into an iterator uses it up."""
        if isinstance(value, str | bytes | bytearray) or depth > DEEPEST:
            raise refused("a text as an argument of SymPy")
        if isinstance(value, Mapping):
            return {plain(key, depth + 1): plain(part, depth + 1) for key, part in value.items()}
        if isinstance(value, sympy.Basic) or not isinstance(value, Iterable):
            return value
        parts = [plain(part, depth + 1) for part in islice(value, LONGEST)]
        return type(value)(parts) if type(value) in (tuple, set, frozenset) else parts

    def call(*arguments, **options):
        numeral, rest = (), arguments
        if name in NUMERAL_READERS and arguments and type(arguments[0]) is str:
            numeral, rest = arguments[:1], arguments[1:]
            if not NUMERAL.fullmatch(*numeral) and not (name == "Rational" and RATIO.fullmatch(*numeral)):
                raise refused("a text that is no plain number")
        return function(*numeral, *map(plain, rest), **{key: plain(value) for key, value in options.items()})

    return call


def disarm(refused: type[Exception]) -> None:
    """Take the evaluation of texts away from all code in this process but the caller's own and `WRITERS`'.

    `parse_expr` is where SymPy turns a text into an expression, `eval_expr` where it evaluates it; what else might
    evaluate a text does it by a builtin. The builtins are replaced, so that a module which looks one up gets a refusal;
    so does an import that would load another file.
    """
    compile_, execute = builtins.compile, builtins.exec

    def refuse(*_, **__):
        raise refused("a text would be evaluated")

    def compile_written(source, filename, mode, *_, **__):
        tree = compile_(source, filename, mode, ast.PyCF_ONLY_AST)
        check_written(tree, refused)
        return compile_(tree, filename, mode)

    def execute_written(code, *spaces):
        if isinstance(code, CodeType):
            if code.co_filename != "<string>" and not code.co_filename.startswith("<lambdifygenerated-"):
                raise refused("code of an unknown origin")
        elif not WRITTEN_IMPORT.fullmatch(code):
            code = compile_written(code, "<string>", "exec")
        execute(code, *spaces)

    import sympy
    import sympy.parsing.ast_parser
    import sympy.parsing.sympy_parser
    import sympy.printing.pycode  # used by `nsolve`, with what it imports

    for module in (sympy.parsing.sympy_parser, sympy.parsing.ast_parser):
        for name in ("parse_expr", "eval_expr", "stringify_expr"):
            if hasattr(module, name):
                setattr(module, name, refuse)
    for name in WRITERS:
        sys.modules[name].compile, sys.modules[name].exec = compile_written, execute_written
    ast.compile = compile_  # of `ast.parse`, which evaluates nothing
    # The one text that SymPy itself writes and turns into an expression: mpmath's name for a number, such as '(43/50)'.
    simplifier = sys.modules["sympy.simplify.simplify"]
    simplifier.mpmath = Identifier(simplifier.mpmath, lambda text: arithmetic(sympy, text, refused))
    builtins.eval = builtins.exec = builtins.compile = refuse


class Identifier:
    """mpmath as it is, but for `identify`, whose texts `read` turns into expressions."""

    def __init__(self, mpmath, read: Callable[[str], object]):
        self.mpmath, self.read = mpmath, read

    def __getattr__(self, name: str):
        return getattr(self.mpmath, name)

    def identify(self, *arguments, **options):
        found = self.mpmath.identify(*arguments, **options)
        return [self.read(text) for text in found] if isinstance(found, list) else found and self.read(found)


def arithmetic(sympy, text: str, refused: type[Exception]):
    """The expression that a text of numbers, signs and a few functions stands for, without evaluating it as Python."""

    def value(node: ast.AST):
        match node:
            case ast.Expression(body):
                return value(body)
            case ast.Constant(int(number)):
                return sympy.Integer(number)
            case ast.Constant(float()):
                return sympy.Float(ast.get_source_segment(text, node))
            case ast.UnaryOp(ast.USub(), operand):
                return -value(operand)
            case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow() as sign, right):
                return SIGNS[type(sign)](value(left), value(right))
            case ast.Name(name) if name in NUMBERS:
                return getattr(sympy, name)
            case ast.Call(ast.Name(name), [argument], []) if name in NUMBER_FUNCTIONS:
                return getattr(sympy, name)(value(argument))
        raise refused(f"{type(node).__name__} in the name of a number")

    return value(ast.parse(text.strip(), mode="eval"))


def check_written(tree: ast.AST, refused: type[Exception]) -> None:
    """Refuse what SymPy's writers of Python never write: texts, attributes, names of other builtins."""
    allowed = tuple(getattr(ast, name) for name in WRITTEN_NODES.split())
    for node in ast.walk(tree):
        good = isinstance(node, allowed)
        if isinstance(node, ast.Name):
            good = node.id not in FORBIDDEN_NAMES and not node.id.startswith("__")
        elif isinstance(node, ast.Constant):
            good = not isinstance(node.value, str | bytes)
        elif isinstance(node, ast.Attribute):
            good = isinstance(node.value, ast.Name) and node.value.id == "builtins" and node.attr not in FORBIDDEN_NAMES
        if not good:
            raise refused(f"{type(node).__name__} in code that SymPy wrote")


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
    z = sympy.symbols("z")
    sympy.solve([sympy.Eq(x + y, 10), sympy.Eq(x - y, 2)], [x, y])
    sympy.solve([z**2 + y - 5, z - y + 1], [z, y])
    sympy.solve(x**2 - sympy.Rational(9, 4), x)
    sympy.solve(z**3 - 2 * z - 5, z)
    sympy.solve(2 * z - 8 > 0, z)
    sympy.solve(2**z - 8, z)
    sympy.simplify(sympy.sqrt(8) * x / (2 * x))
    sympy.factor(z**2 - 5 * z + 6)
    sympy.expand((z + 1) ** 3).subs(z, 2)
    sympy.nsolve(x**2 - 2, x, 1)
    sympy.nsolve([x + y - 3, x * y - 2], [x, y], [1, 2])
    sympy.floor(sympy.sqrt(2) * 3).evalf()
    sympy.Sum(1 / 2**z, (z, 0, sympy.oo)).doit()
    sympy.hyperexpand(sympy.hyper([1, 1], [2], z))  # its tables are made of texts
    float(sympy.Sum(x, (x, 1, 10)).doit().evalf())
