"""The part of SymPy that programs may use, for the worker of the program sandbox.

SymPy converts texts to expressions by evaluating them as Python (`sympify`), in most functions and in many methods and
operators. Three measures keep a program's texts from being evaluated. `disarm` removes the evaluator for all of SymPy,
however a text reaches it. The functions and methods that programs get accept no texts, at any depth, so most texts are
refused before that. The operators of SymPy's objects do not apply to texts, not even to plain numbers. Whatever gets
past these runs in a process that answers no other program (`gavel.solutions.sandbox.worker`).

Texts that name something are kept as names: `Symbol('number of apples')`, and `symbols('x y')`, `symbols('x1:4')`,
which SymPy splits itself and does not evaluate. Texts of numbers are read only in `Rational('3/4')` and `Float('0.1')`.
"""

import ast
import builtins
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import wraps
from importlib import import_module
from itertools import islice
from operator import add, mul, sub, truediv
from pkgutil import walk_packages
from string import ascii_letters
from types import CodeType, FunctionType, MethodType, SimpleNamespace

from gavel.solutions.sandbox.stand_ins import FACTORIAL_ARGUMENT, POWER_BITS, check_choice

FUNCTIONS = """
Abs Add And Eq FiniteSet Float Ge Gt Integer Integral Interval Le Lt Matrix Max Min Mod Mul N Ne Not Or Piecewise Pow
Product Rational Sum acos apart asin atan atan2 binomial cancel cbrt ceiling collect cos cosh deg denom diff
divisor_count divisor_sigma divisors exp expand eye factor factorial factorint fibonacci floor fraction gcd gcdex igcd
ilcm im integrate isprime lcm limit linsolve ln log mod_inverse multiplicity nextprime nonlinsolve nroots nsimplify
nsolve numer perfect_power prevprime prime primefactors primepi primerange product rad radsimp re reduce_inequalities
root roots sign simplify sin sinh solve solve_univariate_inequality solveset sqrt summation tan tanh together totient
trigsimp zeros
"""
CONSTANTS = "E I false nan oo pi true zoo"
SINGLETONS = """
Complexes EmptySet Exp1 Half ImaginaryUnit Infinity Integers Naturals Naturals0 NegativeInfinity NegativeOne One Pi
Rationals Reals Zero false true
"""  # of `S`
SILENT = "init_printing init_session pprint pretty_print"  # they display something, or change how it is displayed
METHODS = """
LUsolve T as_coefficients_dict as_numer_denom as_real_imag boundary coeff contains det doit end equals evalf
free_symbols inf intersect inv is_Equality is_complex is_composite is_empty is_even is_finite is_imaginary is_infinite
is_integer is_irrational is_negative is_nonnegative is_nonpositive is_nonzero is_number is_odd is_positive is_prime
is_rational is_real is_zero lhs n p q rank rhs shape start subs sup tolist transpose xreplace
"""  # of SymPy's objects, besides those named like a function above
FLAGS = frozenset(
    """
    commutative complex even extended_real finite imaginary infinite integer irrational negative nonnegative nonpositive
    nonzero odd positive prime rational real zero
    """.split()
)
# These two read the text of a number themselves, with Python's `Fraction` and mpmath's `from_str`.
NUMERAL_READERS = frozenset({"Float", "Rational"})
NUMERAL = re.compile(r"\s*[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?\s*", re.ASCII)
RATIO = re.compile(r"\s*[+-]?[0-9]{1,400}\s*/\s*[0-9]{1,400}\s*", re.ASCII)
SIDES = ("+", "-", "+-")  # of `limit`
DEEPEST, LONGEST = 10, 10_000  # collections among the arguments, in depth and length

# Functions whose work grows with the size of integers, and how large these may be. All others are bounded only by the
# program's time limit.
LARGEST = dict.fromkeys(
    """
    divisor_count divisor_sigma divisors factorint isprime mod_inverse multiplicity nextprime perfect_power prevprime
    primefactors totient
    """.split(),
    2**4096,
) | {"factorial": FACTORIAL_ARGUMENT, "fibonacci": POWER_BITS, "prime": 10**6, "primepi": 10**7, "primerange": 10**7}

# A name of symbols is a word or a range such as `x1:4`, `a:d`: SymPy splits these itself and evaluates nothing.
SYMBOL_NAMES = re.compile(r"[ ,]*(?:(?:\w+|\w*:(?:[0-9]{1,3}|[a-zA-Z]))(?:[ ,]+|$))+")
LONGEST_NAME = 200
LETTERS = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lamda mu nu xi omicron pi rho sigma tau upsilon phi chi psi
omega
"""  # as in `sympy.abc`, along with the Latin letters

# What `a + b` and `a < b` call. There, SymPy's numbers read a text as a number; its other objects have it evaluated.
OPERATORS = [
    f"__{reflected}{name}__"
    for name in "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor".split()
    for reflected in ("", "r")
] + ["__lt__", "__le__", "__gt__", "__ge__"]

# Packages whose modules SymPy imports at first use.
PACKAGES = (
    "assumptions calculus concrete core discrete integrals logic matrices ntheory polys series sets simplify solvers"
)

SIGNS = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv, ast.Pow: pow}
NUMBERS = frozenset("Catalan E EulerGamma GoldenRatio TribonacciConstant pi".split())  # named as `str` writes them
NUMBER_FUNCTIONS = frozenset("cbrt exp log sqrt".split())

# SymPy itself writes Python code in these two modules: functions of numbers for `nsolve`, of monomials for polynomials.
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


def attributes() -> set[str]:
    """The attributes of SymPy's objects and of `S` that programs may read, besides the functions' names."""
    return {*METHODS.split(), *SINGLETONS.split()}


def stand_ins(sympy, refused: type[Exception]) -> dict[str, SimpleNamespace]:
    """The stand-ins for the modules `sympy` and `sympy.abc`; `refused` is raised for what is not allowed."""
    names = {name: textless(sympy, getattr(sympy, name), refused, name) for name in FUNCTIONS.split()}
    names |= {name: getattr(sympy, name) for name in CONSTANTS.split()}
    names |= {name: lambda *_, **__: None for name in SILENT.split()}
    names["S"] = Singletons(
        textless(sympy, sympy.S, refused), **{name: getattr(sympy.S, name) for name in SINGLETONS.split()}
    )

    def checked(flags: Mapping[str, object]) -> Mapping[str, object]:
        if not flags.keys() <= FLAGS or not all(type(flag) is bool for flag in flags.values()):
            raise refused("the flags of symbols are " + ", ".join(sorted(FLAGS)))
        return flags

    def symbols(text, **flags):
        if type(text) in (list, tuple):
            return type(text)(symbols(part, **flags) for part in text)
        if type(text) is not str or len(text) > LONGEST_NAME or not SYMBOL_NAMES.fullmatch(text):
            raise refused("symbols takes names")
        return sympy.symbols(text, **checked(flags))

    def symbol(name, **flags):
        """A symbol with any name: SymPy displays the name and never reads it."""
        if type(name) is not str or len(name) > LONGEST_NAME or not name.isprintable():
            raise refused("Symbol takes a name")
        return sympy.Symbol(name, **checked(flags))

    letters = (*LETTERS.split(), *ascii_letters)
    return {
        "sympy": SimpleNamespace(**names, symbols=symbols, Symbol=symbol, var=symbols),
        "sympy.abc": SimpleNamespace(**{letter: sympy.Symbol(letter) for letter in letters}),
    }


class Singletons(SimpleNamespace):
    """`S`; a call of it makes SymPy's object of a number."""

    def __init__(self, convert: Callable[..., object], **names):
        super().__init__(**names)
        self._convert = convert

    def __call__(self, *arguments):
        return self._convert(*arguments)


def textless(sympy, function: Callable[..., object], refused: type[Exception], name: str = "") -> Callable[..., object]:
    """The function without any text among its arguments, at any depth; only `Float('0.1')` and `Rational` read a
    number.

    Functions named in `LARGEST` accept no larger numbers than it allows.
    """

    def plain(value, depth: int = 0):
        """The value with its iterators and views as lists, since reading an iterator uses it up."""
        if isinstance(value, str | bytes | bytearray) or depth > DEEPEST:
            raise refused("a text as an argument of SymPy")
        if isinstance(value, Mapping):
            return {plain(key, depth + 1): plain(part, depth + 1) for key, part in value.items()}
        if isinstance(value, sympy.Basic | sympy.MatrixBase) or not isinstance(value, Iterable):
            return value
        parts = [plain(part, depth + 1) for part in islice(value, LONGEST)]
        return type(value)(parts) if type(value) in (tuple, set, frozenset) else parts

    def call(*arguments, **options):
        numeral, rest, side = (), arguments, ()
        if name in NUMERAL_READERS and arguments and type(arguments[0]) is str:
            numeral, rest = arguments[:1], arguments[1:]
            if not NUMERAL.fullmatch(*numeral) and not (name == "Rational" and RATIO.fullmatch(*numeral)):
                raise refused("a text that is no plain number")
        if name == "limit" and arguments and type(arguments[-1]) is str and arguments[-1] in SIDES:
            rest, side = rest[:-1], rest[-1:]
        rest = tuple(map(plain, rest))
        whole = [int(number) for number in rest if isinstance(number, int | sympy.Integer)]
        if name in LARGEST and any(abs(number) > LARGEST[name] for number in whole):
            raise refused(f"{name} of so large a number")
        if name == "binomial" and len(whole) == 2:
            check_choice(whole[0], min(whole[1], abs(whole[0] - whole[1])))
        return function(*numeral, *rest, *side, **{key: plain(value) for key, value in options.items()})

    return call


def method_guard(sympy, refused: type[Exception]) -> Callable[..., object]:
    """A guard for attribute values: methods of SymPy's objects accept no texts either."""

    def guard(value, found):
        if isinstance(value, sympy.Basic | sympy.MatrixBase) and isinstance(found, MethodType):
            return textless(sympy, found, refused, found.__name__)
        return found

    return guard


def without_texts(sympy) -> None:
    """Make the operators of SymPy's objects reject texts, so that `'84' // Integer(2)` is a TypeError."""

    def guarded(method: Callable[..., object]) -> Callable[..., object]:
        @wraps(method)
        def call(self, *others):
            if any(isinstance(other, str | bytes | bytearray) for other in others):
                return NotImplemented
            return method(self, *others)

        return call

    waiting, seen = [sympy.Basic, sympy.MatrixBase, sympy.NDimArray], set()
    while waiting:
        found = waiting.pop()
        if found not in seen:
            seen.add(found)
            waiting += type.__subclasses__(found)
    classes = {part for found in seen for part in found.__mro__ if str(part.__module__).startswith("sympy.")}
    for found in classes:
        for name in OPERATORS:
            if isinstance(method := vars(found).get(name), FunctionType):
                setattr(found, name, guarded(method))


def disarm(refused: type[Exception]) -> None:
    """Take the evaluation of texts away from all code in this process except the caller's own and that of `WRITERS`.

    SymPy converts a text to an expression in `parse_expr` and evaluates it in `eval_expr`; any other evaluation of a
    text needs a builtin. The builtins are replaced, so a module that looks one up gets a refusal; so does an import
    that would load another file.
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

    without_texts(sympy)
    for module in (sympy.parsing.sympy_parser, sympy.parsing.ast_parser):
        for name in ("parse_expr", "eval_expr", "stringify_expr"):
            if hasattr(module, name):
                setattr(module, name, refuse)
    for name in WRITERS:
        sys.modules[name].compile, sys.modules[name].exec = compile_written, execute_written
    ast.compile = compile_  # for `ast.parse`, which evaluates nothing
    # The only text that SymPy itself writes and converts to an expression: mpmath's name for a number, such as
    # '(43/50)'.
    simplifier = sys.modules["sympy.simplify.simplify"]
    simplifier.mpmath = Identifier(simplifier.mpmath, lambda text: arithmetic(sympy, text, refused))
    builtins.eval = builtins.exec = builtins.compile = refuse


class Identifier:
    """mpmath, except that `read` converts the texts of `identify` to expressions."""

    def __init__(self, mpmath, read: Callable[[str], object]):
        self.mpmath, self.read = mpmath, read

    def __getattr__(self, name: str):
        return getattr(self.mpmath, name)

    def identify(self, *arguments, **options):
        found = self.mpmath.identify(*arguments, **options)
        return [self.read(text) for text in found] if isinstance(found, list) else found and self.read(found)


def arithmetic(sympy, text: str, refused: type[Exception]):
    """The expression of a text of numbers, signs and a few functions, without evaluating it as Python."""

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
    """Refuse what SymPy's generators of Python code never write: texts, attributes, names of other builtins."""
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
    """A SymPy number as a Python number; anything else as it is."""
    if isinstance(value, sympy.Integer):
        return int(value)
    if isinstance(value, sympy.Rational):
        return Fraction(int(value.p), int(value.q))
    if isinstance(value, sympy.Expr) and value.is_number and value.is_extended_real and value.is_finite:
        return float(value)
    return value


def warm_up(sympy) -> None:
    """Load what SymPy loads at first use, since no file can be opened later, and let it fill its tables."""
    for package in PACKAGES.split():
        home = import_module(f"sympy.{package}")
        for module in walk_packages(home.__path__, f"{home.__name__}."):
            if not re.search(r"[.](?:tests|benchmarks|trace|backend|compatibility|\w+_doc)\b", module.name):
                import_module(module.name)
    x, y = sympy.symbols("x y", positive=True)
    z = sympy.symbols("z")
    sympy.solve([sympy.Eq(x + y, 10), sympy.Eq(x - y, 2)], [x, y])
    sympy.solve([z**2 + y - 5, z - y + 1], [z, y])
    sympy.solve(x**2 - sympy.Rational(9, 4), x)
    sympy.solve(z**3 - 2 * z - 5, z)
    sympy.solve(2 * z - 8 > 0, z)
    sympy.solve(2**z - 8, z)
    sympy.solveset(z**2 - 4, z, sympy.S.Reals)
    sympy.simplify(sympy.sqrt(8) * x / (2 * x))
    sympy.factor(z**2 - 5 * z + 6)
    sympy.expand((z + 1) ** 3).subs(z, 2)
    sympy.nsolve(x**2 - 2, x, 1)
    sympy.nsolve([x + y - 3, x * y - 2], [x, y], [1, 2])
    sympy.floor(sympy.sqrt(2) * 3).evalf()
    sympy.Sum(1 / 2**z, (z, 0, sympy.oo)).doit()
    sympy.integrate(sympy.exp(-(z**2)), (z, -sympy.oo, sympy.oo))
    sympy.limit(sympy.sin(z) / z, z, 0)
    sympy.hyperexpand(sympy.hyper([1, 1], [2], z))  # its tables are built from texts
    float(sympy.Sum(x, (x, 1, 10)).doit().evalf())
