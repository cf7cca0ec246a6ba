"""The inside of the program sandbox: checks one program's syntax tree, runs it, says what it returned.

Started by `gavel.programs` as `python -I -S program_worker.py`, so this file uses the standard library only.
Here alone, in a process of its own, is a model's text parsed and executed. What the whole containment covers
and what it does not is in the docstring of `gavel.programs`.

Frames on stdin and stdout are a 4-byte big-endian length and JSON. In: `{"timeout": seconds, "programs":
[text, ...]}`. Out: `{"layers": [...]}` once, as `program_confinement.confine` returned them, then for each program in
order `[kind, text]` with kind `value`, `none` (the program returned None) or `no answer` (text says why).

With the argument `sympy=PATH` programs may import SymPy, found there (`gavel.program_sympy` says what of it). With the
argument `unchecked` programs run as they are, with all of Python's builtins: for tests of the process layer.
"""

import ast
import builtins
import datetime
import decimal
import fractions
import json
import math
import os
import re
import statistics
import struct
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator

POWER_BITS = 2**16  # larger integer powers are degenerate and could take for ever: 10**10**10
FACTORIAL_ARGUMENT = 5_000
RESULT_BITS = 1_400  # about 420 digits, a little more than gavel.numerals reads
RESULT_TEXT = 450

NODES = """
Module FunctionDef arguments arg Return Assign AugAssign AnnAssign For While If Break Continue Pass Expr
Assert Import ImportFrom alias Global Nonlocal Lambda NamedExpr BoolOp BinOp UnaryOp IfExp Compare Call
keyword Name Constant Attribute Subscript Slice Starred List Tuple Set Dict ListComp SetComp DictComp
GeneratorExp comprehension JoinedStr FormattedValue Load Store And Or Add Sub Mult Div FloorDiv Mod Pow UAdd
USub Not Eq NotEq Lt LtE Gt GtE Is IsNot In NotIn
"""
BUILTINS = """
abs all any bool dict divmod enumerate filter float frozenset int isinstance len list map max min next range
reversed round set sorted str sum tuple zip ArithmeticError ValueError ZeroDivisionError
"""
MODULES = {
    math: """
    acos asin atan atan2 cbrt ceil copysign cos degrees dist e exp fabs floor fmod fsum gcd hypot inf isclose
    isfinite isinf isnan isqrt lcm log log10 log1p log2 pi pow prod radians remainder sin sqrt tan tau trunc
    """,
    fractions: "Fraction",
    decimal: """
    Decimal ROUND_CEILING ROUND_DOWN ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP
    """,
    datetime: "date datetime time timedelta",
    statistics: """
    fmean geometric_mean harmonic_mean mean median median_high median_low mode multimode pstdev pvariance
    quantiles stdev variance
    """,
}
METHODS = """
add append as_integer_ratio bit_length clear copy count date day days denominator difference discard endswith
extend find get hour index insert intersection is_integer isdigit isoweekday items join keys limit_denominator
lower lstrip minute month numerator pop quantize remove replace reverse rstrip second seconds setdefault sort
split startswith strip symmetric_difference title to_integral_value total_seconds union update upper values
weekday year
"""
REARM_S = 0.2  # how often the kernel's limit of processor time is set anew, which costs as much as a small program
NO_ANSWER = object()

# Arithmetic assigned to names, line by line, and one return at the end: most programs are no more. Words, numbers,
# + - * / // % , and brackets are all that stands in an expression, and a point between digits only: so there is no
# attribute, no text, no power, and nothing defined or imported; nothing that `checked_tree` would refuse or change.
EXPRESSION = r"[\w(+\-](?:[\w +\-/%(),]|\*(?!\*)|(?<=\d)\.(?=\d))*"  # never blank: a bare return is no answer
STRAIGHT_LINE = re.compile(
    rf'def solution\(\):\n(?: +"""[^"\\]*"""\n)?(?: +[A-Za-z]\w* = {EXPRESSION}\n)* +return {EXPRESSION}\n*',
    re.ASCII,
)
ELSEWHERE = re.compile(r"__|\b(?:yield|await)\b")  # words that the pattern lets through and the language does not


class Refused(Exception):
    """The program steps outside the allowed part of the language."""


def power(base, exponent, modulus=None):
    """`base ** exponent`; exact powers above `POWER_BITS` bits are refused before they are computed."""
    exact = isinstance(base, int | fractions.Fraction) and isinstance(exponent, int)
    if exact and modulus is None:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(exponent) > POWER_BITS:
            raise Refused("power too large")
    return base**exponent if modulus is None else pow(base, exponent, modulus)


def bounded(function):
    """A combinatorial function of `math` that refuses arguments for which its exact result is gigantic."""

    def call(*numbers):
        if any(number > FACTORIAL_ARGUMENT for number in numbers):
            raise Refused("argument too large")
        return function(*numbers)

    return call


def proxies() -> dict[str, types.SimpleNamespace]:
    """Stand-ins for the modules, holding the listed names and nothing else (no `statistics.sys`)."""
    result = {
        module.__name__: types.SimpleNamespace(**{name: getattr(module, name) for name in names.split()})
        for module, names in MODULES.items()
    }
    for name in ("factorial", "comb", "perm"):
        setattr(result["math"], name, bounded(getattr(math, name)))
    return result


PROXIES = proxies()
ALLOWED_NODES = tuple(getattr(ast, name) for name in NODES.split())
FIELDS = {kind: tuple(field for field in kind._fields if field != "ctx") for kind in ALLOWED_NODES}
NAMES = {kind: tuple({"id", "name", "arg", "asname"}.intersection(kind._fields)) for kind in ALLOWED_NODES}
ALLOWED_ATTRIBUTES = set(METHODS.split()).union(*(vars(proxy) for proxy in PROXIES.values()))
PLAIN = []  # what turns a returned object into one of Python's numbers, where SymPy is loaded


def import_proxy(name, _globals=None, _locals=None, _names=(), _level=0):
    return PROXIES[name]


RESTRICTED = {name: getattr(builtins, name) for name in BUILTINS.split()}
RESTRICTED |= {"__import__": import_proxy, "pow": power, "print": lambda *values, **options: NO_ANSWER}


class GuardedPowers(ast.NodeTransformer):
    """Turns `a ** b` and `a **= b` into calls of `power`."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        return self.guarded(node, node.left, node.right) if isinstance(node.op, ast.Pow) else node

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        if not isinstance(node.op, ast.Pow):
            return node
        if not isinstance(node.target, ast.Name):
            raise Refused("**= on an element")
        left = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        return ast.copy_location(ast.Assign([node.target], self.guarded(node, left, node.value)), node)

    def guarded(self, node, left, right):
        function = ast.copy_location(ast.Name("__power__", ast.Load()), node)
        return ast.copy_location(ast.Call(function, [left, right], []), node)


def checked_tree(source: str) -> ast.Module:
    """Parse `source`, refuse all but the allowed language, and make 'no return' differ from `return None`.

    Raises `Refused`, or what `ast.parse` raises for text that is not Python.
    """
    tree = ast.parse(source)
    if not any(isinstance(node, ast.FunctionDef) and node.name == "solution" for node in tree.body):
        raise Refused("no function named solution")
    powers = False
    for node in nodes(tree):
        check_names(node)
        powers = powers or isinstance(node, ast.Pow)
        if isinstance(node, ast.FunctionDef):
            if node.decorator_list:
                raise Refused("decorators are not allowed")
            last = node.body[-1]
            node.body.append(ast.copy_location(ast.Return(no_answer_at(last)), last))
        elif isinstance(node, ast.Return) and node.value is None:
            node.value = no_answer_at(node)
    return GuardedPowers().visit(tree) if powers else tree


def nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes of a parsed tree but the contexts; raises `Refused` at one that is not allowed."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        fields = FIELDS.get(type(node))
        if fields is None:
            raise Refused(f"{type(node).__name__} is not allowed")
        for field in fields:
            value = getattr(node, field)
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif type(value) is list:
                waiting += [part for part in value if isinstance(part, ast.AST)]
        yield node  # last, because the caller may change it


def checked(source: str) -> str | ast.Module:
    """What to compile: the source itself where its very form is harmless, else its checked tree."""
    if STRAIGHT_LINE.fullmatch(source) and not ELSEWHERE.search(source):
        return source
    return checked_tree(source)


def no_answer_at(node: ast.AST) -> ast.Name:
    return ast.copy_location(ast.Name("__no_answer__", ast.Load()), node)


def check_names(node: ast.AST) -> None:
    """Refuse double-underscore names, attributes that are not listed, and imports of anything else."""
    if isinstance(node, ast.Attribute):
        if node.attr not in ALLOWED_ATTRIBUTES or not isinstance(node.ctx, ast.Load):
            raise Refused(f"attribute {node.attr} is not allowed")
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name not in PROXIES:
                raise Refused(f"import of {alias.name} is not allowed")
    elif isinstance(node, ast.ImportFrom):
        allowed = vars(PROXIES[node.module]) if node.module in PROXIES and not node.level else ()
        for alias in node.names:
            if alias.name not in allowed:
                raise Refused(f"import of {alias.name} from {node.module} is not allowed")
    for field in NAMES.get(type(node), ()):
        name = getattr(node, field)
        if isinstance(name, str) and name.startswith("__"):
            raise Refused(f"name {name} is not allowed")


def run(source: str, check: Callable[[str], str | ast.Module] = checked, names: dict = RESTRICTED) -> tuple[str, str]:
    """Run one program: `(kind, text)` as in the protocol. Whatever the program does, this does not raise."""
    namespace = {
        "__builtins__": names,
        "__name__": "program",
        "__no_answer__": NO_ANSWER,
        "__power__": power,
    }
    try:
        exec(compile(check(source), "program", "exec"), namespace)
        return described(namespace["solution"]())
    except BaseException as error:
        return "no answer", f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        namespace.clear()


def described(value) -> tuple[str, str]:
    """The returned value as text. Exact types only: a subclass could answer with code of its own."""
    for plain in PLAIN:
        value = plain(value)
    if value is None:
        return "none", ""
    if value is NO_ANSWER:
        return "no answer", "nothing was returned"
    if type(value) is int and value.bit_length() > RESULT_BITS:
        return "no answer", "the number is too large"
    if type(value) is str and value.strip() == "None":
        return "no answer", "the word None, not the value"
    if type(value) in (int, float, str, fractions.Fraction, decimal.Decimal):
        text = str(value)
        return ("value", text) if len(text) <= RESULT_TEXT else ("no answer", "the result is too long")
    return "no answer", f"{type(value).__name__} is not a number"


def read_exactly(size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = os.read(0, size - len(data))
        if not chunk:
            sys.exit(0)
        data += chunk
    return bytes(data)


def send(message) -> None:
    data = json.dumps(message).encode("ascii")
    frame = struct.pack(">I", len(data)) + data
    while frame:
        frame = frame[os.write(1, frame) :]


def load_sympy(packages: str) -> None:
    """Let programs import SymPy from the folder `packages`."""
    import program_sympy

    sys.path.append(packages)
    import sympy

    program_sympy.warm_up(sympy)
    PROXIES["sympy"] = program_sympy.proxy(sympy, Refused)
    ALLOWED_ATTRIBUTES.difference_update(program_sympy.UNSAFE_METHODS)
    ALLOWED_ATTRIBUTES.update(vars(PROXIES["sympy"]))
    PLAIN.append(lambda value: program_sympy.plain_number(sympy, value))


def main(arguments: list[str]) -> None:
    # Last on the path, and only here: the folder holds modules with the names of standard ones.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    from program_confinement import confine, limit_processor_time

    warnings.simplefilter("ignore")
    for argument in arguments:
        if argument.startswith("sympy="):
            load_sympy(argument.removeprefix("sympy="))
    options = (ast.parse, vars(builtins)) if "unchecked" in arguments else ()
    send({"layers": confine()})
    armed = -math.inf
    while True:
        batch = json.loads(read_exactly(struct.unpack(">I", read_exactly(4))[0]))
        for source in batch["programs"]:
            now = time.monotonic()
            if now > armed + REARM_S:
                limit_processor_time(batch["timeout"] + REARM_S)
                armed = now
            send(run(source, *options))


if __name__ == "__main__":
    main(sys.argv[1:])
