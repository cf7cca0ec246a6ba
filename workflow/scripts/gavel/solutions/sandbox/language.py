"""The language of programs: checks and rewrites a program's syntax tree, runs it, and describes what it returned.

A construct that is not allowed becomes a call that refuses the program, so that only executed code matters. Two
constructs refuse it before it runs: binding a name that begins with two underscores, and a relative import.
`gavel.solutions.sandbox.stand_ins` defines what a program finds by its names; `gavel.solutions.sandbox.pool` gives the
reasons for what is not allowed.

Standard library only: `gavel.solutions.sandbox.worker` imports this.
"""

import ast
import decimal
import fractions
import re
import unicodedata  # noqa: F401  (Python's parser imports it at the first non-ASCII name, when no file can be opened)
from collections.abc import Callable, Iterator

from gavel.solutions.sandbox import stand_ins
from gavel.solutions.sandbox.stand_ins import BUILTIN_NAMES, HELPERS, NO_ANSWER, Refused

RESULT_BITS = 1_400  # about 420 digits, slightly more than gavel.solutions.numbers reads
RESULT_TEXT = 450

NODES = """
Module FunctionDef arguments arg Return Delete Assign AugAssign AnnAssign For While If Break Continue Pass Expr Raise
Try ExceptHandler Assert Import ImportFrom alias Global Nonlocal Lambda NamedExpr BoolOp BinOp UnaryOp IfExp Compare
Call keyword Name Constant Attribute Subscript Slice Starred List Tuple Set Dict ListComp SetComp DictComp GeneratorExp
comprehension JoinedStr FormattedValue Match match_case MatchValue MatchSingleton MatchSequence MatchMapping MatchStar
MatchAs MatchOr Load Store Del And Or Add Sub Mult MatMult Div FloorDiv Mod Pow LShift RShift BitOr BitXor BitAnd UAdd
USub Not Invert Eq NotEq Lt LtE Gt GtE Is IsNot In NotIn
"""
ALLOWED_NODES = tuple(getattr(ast, name) for name in NODES.split())
FIELDS = {kind: tuple(field for field in kind._fields if field != "ctx") for kind in ALLOWED_NODES}
NAMES = {kind: tuple({"id", "name", "arg", "asname", "rest"}.intersection(kind._fields)) for kind in ALLOWED_NODES}
GUARDED_OPERATORS = {ast.Pow: "__power__", ast.LShift: "__left_shift__"}

# Arithmetic assigned to names, line by line, comments between the lines, and one return at the end: most programs are
# no more. An expression has only words, numbers, + - * / // % , and brackets, and a point only between digits. So there
# is no attribute, text or power, no definition or import, and nothing that `check_tree` would refuse or change. A
# comment has no carriage return, which ends it for Python, and no NUL.
EXPRESSION = r"[\w(+\-](?:[\w +\-/%(),]|\*(?!\*)|(?<=\d)\.(?=\d))*"  # never blank: a bare return is not an answer
STRAIGHT_LINE = re.compile(
    rf'def solution\(\):\n(?: +"""[^"\\]*"""\n)?(?: +(?:[A-Za-z]\w* = {EXPRESSION}|#[^\n\r\0]*)\n)*'
    rf" +return {EXPRESSION}\n*",
    re.ASCII,
)
NEEDS_TREE = re.compile(
    r"__|\b(?:yield|await)\b"
)  # words that the pattern lets through but the language does not allow

PLAIN: list[Callable[..., object]] = []  # converters of a returned object to a Python number, if SymPy is loaded

# The worker's own copies: if SymPy is loaded, all other code loses these builtins.
EXECUTE, COMPILE = exec, compile


def check_source(source: str) -> str | ast.Module:
    """What to compile: the source itself if its form alone shows that it is harmless, else its checked tree."""
    if STRAIGHT_LINE.fullmatch(source) and not NEEDS_TREE.search(source):
        return source
    return check_tree(source)


def check_tree(source: str) -> ast.Module:
    """Parse `source`, rewrite it to the allowed language, and make a missing return differ from `return None`.

    Raises `Refused`, or what `ast.parse` raises for text that is not Python.
    """
    tree = ast.parse(source)
    if not any(isinstance(node, ast.FunctionDef) and node.name == "solution" for node in tree.body):
        raise Refused("no function named solution")
    Rewriter(bool(stand_ins.MAY_BE_UNKNOWN.search(source)), "sympy" in source).rewrite(tree)
    return tree


class Rewriter:
    """Rewrites a parsed tree in place from its root, each node before its children, since trees may be very deep.

    Nodes that it creates are marked and neither checked nor rewritten; their children are.

    Args:
        unknowns: whether a value may be unknown; calls and formats then check for it.
        sympy: whether attributes may be SymPy's; `stand_ins.attribute` then looks up each of them.
    """

    def __init__(self, unknowns: bool, sympy: bool) -> None:
        self.unknowns, self.sympy = unknowns, sympy

    def rewrite(self, tree: ast.Module) -> None:
        waiting: list[ast.AST] = [tree]
        while waiting:
            node = waiting.pop()
            if not hasattr(node, "ours"):
                self.check(node)
            for field in FIELDS[type(node)]:
                value = getattr(node, field)
                if type(value) is list:
                    if any(isinstance(part, ast.stmt) for part in value):
                        value[:] = [new for part in value for new in self.statements(part, node is tree)]
                    else:
                        value[:] = [self.expression(part) for part in value]
                    waiting += [part for part in value if isinstance(part, ast.AST)]
                elif isinstance(value, ast.AST):
                    new = self.expression(value)
                    if new is not value:
                        setattr(node, field, new)
                    waiting.append(new)

    def check(self, node: ast.AST) -> None:
        """Refuse names that begin with two underscores (as Python normalises them); complete functions and returns.

        Annotations are removed, because nothing needs their values.
        """
        if type(node) not in FIELDS:
            raise Refused(f"{type(node).__name__} is not allowed")
        names = node.names if isinstance(node, ast.Global | ast.Nonlocal) else ()
        for name in (*names, *(getattr(node, field) for field in NAMES[type(node)])):
            if isinstance(name, str) and name.startswith("__") and not is_main(node):
                raise Refused(f"name {name} is not allowed")
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            last = node.body[-1]
            node.body.append(ast.copy_location(ast.Return(helper_name("__no_answer__", last)), last))
        elif isinstance(node, ast.Return) and node.value is None:
            node.value = helper_name("__no_answer__", node)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.copy_location(ast.Constant(None), node.annotation)

    def statements(self, line: ast.stmt, top: bool) -> list[ast.stmt]:
        """The statements that replace a statement."""
        if hasattr(line, "ours"):
            return [line]
        if isinstance(line, ast.Import | ast.ImportFrom):
            return [assignment(*binding, line) for binding in self.bindings(line, top)] or [
                ast.copy_location(ast.Pass(), line)
            ]
        if isinstance(line, ast.ClassDef | ast.AsyncFunctionDef):
            return [assignment(line.name, helper_name("__absent__", line), line)]
        if isinstance(line, ast.Try):
            return [guarded_try(line)]
        if isinstance(line, ast.AugAssign) and type(line.op) in GUARDED_OPERATORS and type(line.target) is ast.Name:
            left = ast.copy_location(ast.Name(line.target.id, ast.Load()), line)
            operation = ast.copy_location(ast.BinOp(left, line.op, line.value), line)
            return [ast.copy_location(ast.Assign([line.target], operation), line)]
        good = isinstance(line, ALLOWED_NODES) and not (
            isinstance(line, ast.AugAssign) and type(line.op) in GUARDED_OPERATORS
        )
        if isinstance(line, ast.Match):
            patterns = [node for case in line.cases for node in ast.walk(case.pattern)]
            good = all(isinstance(node, ALLOWED_NODES) and not isinstance(node, ast.Attribute) for node in patterns)
        return [line] if good else [ast.copy_location(ast.Expr(refusal_call(line)), line)]

    def bindings(self, line: ast.Import | ast.ImportFrom, top: bool) -> Iterator[tuple[str, ast.expr]]:
        """Yield the names that an import binds, and their values.

        Nothing is imported, so an unused import does not matter. A star import, allowed only at the `top` of a program,
        takes the names of the stand-in.
        """
        for alias in line.names:
            self.check(alias)
        if isinstance(line, ast.Import):
            for alias in line.names:
                bound = alias.asname or alias.name.partition(".")[0]
                yield bound, helper_call("__imported__", line, ast.Constant(alias.name))
            return
        star = line.names[0].name == "*"
        if line.level or (star and not top):
            raise Refused("a relative import, or a star in a function")
        names = {alias.asname or alias.name: alias.name for alias in line.names}
        if star:
            found = stand_ins.stand_in(line.module)
            names = {name: name for name in vars(found)} if found else {}
        for name, original in names.items():
            yield name, helper_call("__imported_name__", line, ast.Constant(line.module), ast.Constant(original))

    def expression(self, node):
        """The replacement of an expression; any other node that is not a statement stays as it is."""
        if not isinstance(node, ast.expr) or hasattr(node, "ours"):
            return node
        if not isinstance(node, ALLOWED_NODES):
            return refusal_call(node)
        if isinstance(node, ast.Name) and node.id.startswith("__") and not is_main(node):
            return refusal_call(node) if isinstance(node.ctx, ast.Load) else node
        if isinstance(node, ast.Attribute):
            return self.attribute(node)
        if isinstance(node, ast.BinOp):
            name = GUARDED_OPERATORS.get(type(node.op))
            if self.unknowns and isinstance(node.op, ast.Mod):
                name = "__percent__"
            if name:
                node = helper_call(name, node, node.left, node.right)
        elif self.unknowns and isinstance(node, ast.JoinedStr):
            node = helper_call("__joined__", node, *node.values)
        elif self.unknowns and isinstance(node, ast.FormattedValue):
            parts = [node.value, ast.Constant(node.conversion), *filter(None, [node.format_spec])]
            node = helper_call("__formatted__", node, *parts)
        if self.unknowns and isinstance(node, ast.Call):
            node.func = helper_call("__known__", node, node.func)
            node.func.ours = True
        return node

    def attribute(self, node: ast.Attribute) -> ast.expr:
        name = ast.Constant(node.attr)
        if not isinstance(node.ctx, ast.Load):
            owner = helper_call("__place__", node, node.value, name)
            return ast.copy_location(ast.Subscript(owner, ast.copy_location(ast.Constant(0), node), node.ctx), node)
        if node.attr == "format" and not self.sympy and not self.unknowns:
            return helper_call("__formatter__", node, node.value)
        if self.sympy or node.attr == "format" or node.attr not in stand_ins.ATTRIBUTES:
            return helper_call("__attribute__", node, node.value, name)
        return node


def is_main(node: ast.AST) -> bool:
    """Whether this is the name in `if __name__ == "__main__":`, a text like any other."""
    return isinstance(node, ast.Name) and node.id == "__name__" and isinstance(node.ctx, ast.Load)


def guarded_try(line: ast.Try) -> ast.Try:
    """A `try` that catches no refusal and no limit of the sandbox: they end the program, whatever its handlers are.

    A `finally` can drop any exception, so the program is marked as well as ended.
    """

    def with_limits(body, handlers, orelse, finalbody) -> ast.Try:
        mark = ast.Subscript(helper_name("__over__", line), ast.Constant(0), ast.Store())
        body_of_handler = [ast.Assign([mark], ast.Constant(True)), ast.Raise()]
        limit = ast.ExceptHandler(helper_name("__limits__", line), None, body_of_handler)
        for node in ast.walk(limit):
            node.ours = True
        result = ast.Try(body, [limit, *handlers], orelse, finalbody)
        result.ours = True
        ast.fix_missing_locations(ast.copy_location(limit, line))
        return ast.copy_location(result, line)

    inner = with_limits(line.body, line.handlers, line.orelse, [])
    return with_limits([inner], [], [], line.finalbody) if line.finalbody else inner


def helper_name(name: str, at: ast.AST) -> ast.Name:
    """A name of `stand_ins.HELPERS`, which programs cannot write."""
    node = ast.copy_location(ast.Name(name, ast.Load()), at)
    node.ours = True
    return node


def helper_call(name: str, at: ast.AST, *values: ast.expr) -> ast.Call:
    for value in values:
        if not hasattr(value, "lineno"):
            ast.copy_location(value, at)
    return ast.copy_location(ast.Call(helper_name(name, at), list(values), []), at)


def assignment(name: str, value: ast.expr, at: ast.AST) -> ast.Assign:
    return ast.copy_location(ast.Assign([ast.copy_location(ast.Name(name, ast.Store()), at)], value), at)


def refusal_call(node: ast.AST) -> ast.Call:
    """A call that refuses the program when it is executed."""
    return helper_call("__refuse__", node, ast.Constant(getattr(node, "id", type(node).__name__)))


def run(
    source: str, check: Callable[[str], str | ast.Module] = check_source, names: dict[str, object] = BUILTIN_NAMES
) -> tuple[str, str]:
    """Run one program: `(kind, text)` as in the worker's protocol. Never raises, whatever the program does."""
    over = [False]  # whether the program hit a limit inside a `try`
    namespace = HELPERS | {"__builtins__": names, "__name__": "program", "__over__": over}
    try:
        if "decimal" in source:
            decimal.setcontext(decimal.DefaultContext.copy())
        EXECUTE(COMPILE(check(source), "program", "exec"), namespace)
        answer = describe(namespace["solution"]())
        return ("no answer", "a limit was hit, and the exception dropped") if over[0] else answer
    except BaseException as error:
        return "no answer", f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        namespace.clear()


def describe(value) -> tuple[str, str]:
    """The returned value as text. Exact types only: a subclass could reply with code of its own."""
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
