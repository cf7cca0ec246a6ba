"""The inside of the program sandbox: checks one program's syntax tree, runs it, says what it returned.

Started by `gavel.solutions.sandbox.pool` as `python -I -S worker.py`, so this file uses the standard library only.
Here alone, in a process of its own, is a model's text parsed and executed. What the whole containment covers
and what it does not is in the docstring of `gavel.solutions.sandbox.pool`.

Frames on stdin and stdout are a 4-byte big-endian length and JSON. In: `{"key": text, "timeout": seconds,
"programs": [text, ...]}`. Out: `{"layers": [...]}` once, as `confinement.confine` returned them, then
`["begun", key]`, and for each program in order `[kind, text]` with kind `value`, `none` (the program returned None)
or `no answer` (text says why). A worker in which too little memory is left for the next program says
`["retired", ""]` and ends.

Arguments: `parent=PID` is the process with which this one dies. With `sympy=PATH` programs may import SymPy, found
there (`gavel.solutions.sandbox.sympy_subset` says what of it); this process then runs none of them itself: it forks a
child for each program, confined, which ends after its one reply. With `unchecked` programs run as they are, with all of
Python's
builtins: for tests of the process layer.
"""

import ast
import builtins
import datetime
import decimal
import fractions
import gc
import json
import math
import mmap
import os
import re
import select
import signal
import statistics
import string
import struct
import sys
import time
import types
import unicodedata  # noqa: F401  (Python's parser imports it at the first non-ASCII name; later no file can be opened)
import warnings
from collections.abc import Callable, Iterator, Sequence

POWER_BITS = 2**16  # larger integer powers are degenerate and could take for ever: 10**10**10
FACTORIAL_ARGUMENT = 5_000
RESULT_BITS = 1_400  # about 420 digits, a little more than gavel.solutions.numbers reads
RESULT_TEXT = 450
LEFTOVER_BYTES = 16 * 2**20  # what programs may leave behind in a worker before it is cleaned, or else replaced
LEFTOVER_S, LEFTOVER_PROGRAMS = 0.001, 64  # after a program that took so long, and after so many, that is looked at
FORK_ATTEMPTS = 50  # a tenth of a second apart, where the machine has no room for a process
MAX_REPLY = 8 * 1024  # a reply has at most 450 characters, each up to 12 bytes in JSON

NODES = """
Module FunctionDef arguments arg Return Assign AugAssign AnnAssign For While If Break Continue Pass Expr
Assert Import ImportFrom alias Global Nonlocal Lambda NamedExpr BoolOp BinOp UnaryOp IfExp Compare Call
keyword Name Constant Attribute Subscript Slice Starred List Tuple Set Dict ListComp SetComp DictComp
GeneratorExp comprehension JoinedStr FormattedValue Load Store And Or Add Sub Mult Div FloorDiv Mod Pow UAdd
USub Not Eq NotEq Lt LtE Gt GtE Is IsNot In NotIn
"""
BUILTINS = """
abs all any bool dict divmod enumerate filter float format frozenset int isinstance len list map max min next range
repr reversed round set sorted str sum tuple zip ArithmeticError ValueError ZeroDivisionError
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
add append as_integer_ratio bit_length capitalize center clear copy count date day days denominator difference discard
endswith extend find format get hour index insert intersection is_integer isdigit isoformat isoweekday items join keys
limit_denominator ljust lower lstrip minute month normalize numerator pop quantize remove replace reverse rjust rstrip
second seconds setdefault sort split startswith strip symmetric_difference title to_integral_value
total_seconds union update upper values weekday year zfill
"""
START_S = 20.0  # for a child to be confined at the start; it takes milliseconds
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


# The worker's own: where SymPy is loaded, those of the builtins are taken away from all other code.
EXECUTE, COMPILE = exec, compile


class Refused(Exception):
    """The program steps outside the allowed part of the language."""


class Unavailable:
    """What an import that is not allowed binds: a program that only imports it runs, one that uses it gets an error."""

    __slots__ = ()


UNAVAILABLE = Unavailable()


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


def formatter(text) -> Callable[..., str]:
    """`text.format`, whose fields take arguments as they are: no attribute, no element of one."""
    if type(text) is not str:
        raise Refused("format of anything but a text")

    def call(*values, **named):
        check_fields(text)
        return text.format(*values, **named)

    return call


def check_fields(text: str, depth: int = 0) -> None:
    for _, name, specification, _ in string.Formatter().parse(text):
        if name and not re.fullmatch(r"\w*", name):
            raise Refused(f"field {name[:40]} in a format")
        if specification and depth < 2:
            check_fields(specification, depth + 1)


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


RESTRICTED: dict[str, object] = {name: getattr(builtins, name) for name in BUILTINS.split()}
RESTRICTED |= {"__import__": import_proxy, "pow": power, "print": lambda *values, **options: NO_ANSWER}


class Guarded(ast.NodeTransformer):
    """Turns `a ** b` and `a **= b` into calls of `power`, and `a.format` into one of `formatter`."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        return guarded(node, "__power__", node.left, node.right) if isinstance(node.op, ast.Pow) else node

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        if not isinstance(node.op, ast.Pow):
            return node
        if not isinstance(node.target, ast.Name):
            raise Refused("**= on an element")
        left = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        return ast.copy_location(ast.Assign([node.target], guarded(node, "__power__", left, node.value)), node)

    def visit_Attribute(self, node):
        self.generic_visit(node)
        return guarded(node, "__formatter__", node.value) if node.attr == "format" else node


def guarded(node: ast.AST, name: str, *values: ast.expr) -> ast.Call:
    function = ast.copy_location(ast.Name(name, ast.Load()), node)
    return ast.copy_location(ast.Call(function, list(values), []), node)


def imported(line: ast.stmt, top: bool) -> list[ast.stmt]:
    """A statement as it is, but an import without what programs may not have: those names are bound to `UNAVAILABLE`.

    So an import that is never used does not matter, whatever it names. A star, at the `top` of a program only, takes
    what the stand-in has.
    """
    if not isinstance(line, ast.Import | ast.ImportFrom):
        return [line]
    for alias in line.names:
        check_names(alias)
    if isinstance(line, ast.Import):
        kept = [alias for alias in line.names if alias.name in PROXIES]
    else:
        allowed = vars(PROXIES[line.module]) if line.module in PROXIES else {}
        if line.level or (line.names[0].name == "*" and not top):
            raise Refused("a relative import, or a star in a function")
        if line.names[0].name == "*":
            line.names = [ast.copy_location(ast.alias(name), line) for name in allowed]
        kept = [alias for alias in line.names if alias.name in allowed]
    bound = [alias.asname or alias.name.partition(".")[0] for alias in line.names if alias not in kept]
    stand_ins = [ast.Assign([ast.Name(name, ast.Store())], ast.Name("__unavailable__", ast.Load())) for name in bound]
    line.names = kept
    return [line] * bool(kept) + [ast.fix_missing_locations(ast.copy_location(part, line)) for part in stand_ins]


def checked_tree(source: str) -> ast.Module:
    """Parse `source`, refuse all but the allowed language, and make 'no return' differ from `return None`.

    Raises `Refused`, or what `ast.parse` raises for text that is not Python.
    """
    tree = ast.parse(source)
    if not any(isinstance(node, ast.FunctionDef) and node.name == "solution" for node in tree.body):
        raise Refused("no function named solution")
    guards = False
    for node in nodes(tree):
        check_names(node)
        guards = guards or isinstance(node, ast.Pow) or (isinstance(node, ast.Attribute) and node.attr == "format")
        for block in ("body", "orelse"):
            lines = getattr(node, block, None)
            if type(lines) is list and any(isinstance(line, ast.Import | ast.ImportFrom) for line in lines):
                parts = [part for line in lines for part in imported(line, node is tree)]
                setattr(node, block, parts or [ast.copy_location(ast.Pass(), lines[0])])
        if isinstance(node, ast.FunctionDef):
            if node.decorator_list:
                raise Refused("decorators are not allowed")
            last = node.body[-1]
            node.body.append(ast.copy_location(ast.Return(no_answer_at(last)), last))
        elif isinstance(node, ast.Return) and node.value is None:
            node.value = no_answer_at(node)
    return Guarded().visit(tree) if guards else tree


def nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes of a parsed tree but the contexts; raises `Refused` at one that is not allowed.

    Annotations are taken out: nothing needs their values.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        fields = FIELDS.get(type(node))
        if fields is None:
            raise Refused(f"{type(node).__name__} is not allowed")
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.copy_location(ast.Constant(None), node.annotation)
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
    """Refuse double-underscore names (as Python normalises them) and attributes that are not listed."""
    if isinstance(node, ast.Attribute):
        if node.attr not in ALLOWED_ATTRIBUTES or not isinstance(node.ctx, ast.Load):
            raise Refused(f"attribute {node.attr} is not allowed")
    elif isinstance(node, ast.Name) and node.id == "__name__" and isinstance(node.ctx, ast.Load):
        return  # `if __name__ == "__main__":`, a text like any other
    names = [getattr(node, field) for field in NAMES.get(type(node), ())]
    if isinstance(node, ast.Global | ast.Nonlocal):
        names = node.names
    for name in names:
        if isinstance(name, str) and name.startswith("__"):
            raise Refused(f"name {name} is not allowed")


def run(source: str, check: Callable[[str], str | ast.Module] = checked, names: dict = RESTRICTED) -> tuple[str, str]:
    """Run one program: `(kind, text)` as in the protocol. Whatever the program does, this does not raise."""
    namespace = {
        "__builtins__": names,
        "__name__": "program",
        "__no_answer__": NO_ANSWER,
        "__power__": power,
        "__formatter__": formatter,
        "__unavailable__": UNAVAILABLE,
    }
    try:
        EXECUTE(COMPILE(check(source), "program", "exec"), namespace)
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
    """Let programs import SymPy from the folder `packages`, where no text is evaluated from now on."""
    import sympy_subset

    sys.path.append(packages)
    import sympy

    sympy_subset.warm_up(sympy)
    sympy_subset.disarm(Refused)
    PROXIES["sympy"] = sympy_subset.proxy(sympy, Refused)
    ALLOWED_ATTRIBUTES.update(vars(PROXIES["sympy"]), sympy_subset.METHODS.split())
    PLAIN.append(lambda value: sympy_subset.plain_number(sympy, value))


def room(size: int) -> bool:
    """Whether `size` bytes of address space are left; they are not touched."""
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, ValueError):
        return False
    return True


def batches() -> Iterator[tuple[str, float]]:
    """The programs that arrive, one after another, each with its time-out."""
    while True:
        batch = json.loads(read_exactly(struct.unpack(">I", read_exactly(4))[0]))
        send(["begun", batch["key"]])
        for source in batch["programs"]:
            yield source, batch["timeout"]


def serve_here(confinement, parent: int, options: Sequence) -> None:
    """Run programs in this process, until one has left so little memory that later ones would suffer."""
    send({"layers": confinement.confine(parent)})
    step = LEFTOVER_BYTES // 2
    free = next((size for size in range(confinement.MEMORY_BYTES, 0, -step) if room(size)), step)
    needed, armed, unchecked = max(free - LEFTOVER_BYTES, step), -math.inf, 0
    gc.collect()
    gc.freeze()  # so that a later collection looks at a program's leftovers only
    for source, timeout in batches():
        begun = time.monotonic()
        if begun > armed + REARM_S:
            confinement.limit_processor_time(timeout + REARM_S)
            armed = begun
        reply = run(source, *options)
        unchecked += 1
        # Leftovers that matter take a while to allocate, or many programs.
        if time.monotonic() - begun > LEFTOVER_S or unchecked >= LEFTOVER_PROGRAMS:
            unchecked = 0
            if not room(needed):
                gc.collect()
                if not room(needed):
                    send(reply)
                    send(["retired", ""])
                    return
        send(reply)


def serve_apart(confinement, parent: int, options: Sequence) -> None:
    """Run each program in a confined child of its own. This process runs none, and is not confined."""
    confinement.die_with(parent)
    here = os.getpid()
    gc.collect()
    gc.freeze()

    def begin(timeout: float) -> list[str]:
        layers = confinement.confine(here)
        confinement.limit_processor_time(timeout)
        return layers

    def answer(source: str, timeout: float) -> tuple[str, str]:
        def task():
            begin(timeout)
            return run(source, *options)

        match reply_of(task, timeout):
            case [str(kind), str(text)]:
                return kind, text
        return "no answer", "the program's process ended, took too long or answered something else"

    match reply_of(lambda: {"layers": begin(START_S)}, START_S):
        case {"layers": list(layers)}:
            send({"layers": layers})
            for source, timeout in batches():
                send(answer(source, timeout))


def reply_of(task: Callable[[], object], timeout: float):
    """What `task` returns in a child, as JSON has it; None where no whole reply arrives within `timeout` seconds.

    The child can write to its pipe and nowhere else, and is gone when this returns.
    """
    reader, writer = os.pipe()
    child = forked()
    if not child:
        try:
            for place in (0, 1):
                os.dup2(writer, place)
            os.closerange(3, 256)
            send(task())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        return parsed(all_of(reader, time.monotonic() + timeout))
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def forked() -> int:
    for _ in range(FORK_ATTEMPTS):
        try:
            return os.fork()
        except OSError:
            time.sleep(0.1)
    sys.exit(3)


def all_of(reader: int, deadline: float) -> bytes:
    """The bytes of one frame, as far as they come by the deadline; ends this process when its parent has gone."""
    poll, data = select.poll(), b""
    poll.register(reader, select.POLLIN)
    poll.register(0, 0)  # its hang-up alone
    while len(data) <= MAX_REPLY and (left := deadline - time.monotonic()) > 0:
        for place, _ in poll.poll(left * 1000):
            if place == 0:
                os._exit(0)
            chunk = os.read(reader, MAX_REPLY)
            data += chunk
            if not chunk or (len(data) >= 4 and len(data) >= 4 + struct.unpack_from(">I", data)[0]):
                return data
    return data


def parsed(frame: bytes):
    """The message of exactly one frame; None for any other bytes."""
    if len(frame) < 4 or len(frame) != 4 + struct.unpack_from(">I", frame)[0]:
        return None
    try:
        return json.loads(frame[4:])
    except (ValueError, RecursionError):
        return None


def main(arguments: list[str]) -> None:
    # Last on the path, and only here: nothing of the library may stand before the standard library.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import confinement

    warnings.simplefilter("ignore")
    settings = dict(argument.partition("=")[::2] for argument in arguments)
    options = (ast.parse, vars(builtins)) if "unchecked" in settings else ()
    if "sympy" in settings:
        load_sympy(settings["sympy"])
    # What is printed must not get among the frames.
    sys.stdout = sys.__stdout__ = sys.stderr = sys.__stderr__ = None
    parent = int(settings.get("parent", os.getppid()))
    (serve_apart if "sympy" in settings else serve_here)(confinement, parent, options)


if __name__ == "__main__":
    main(sys.argv[1:])
