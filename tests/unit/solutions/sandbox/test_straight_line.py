"""Programs that are compiled without a walk over their syntax tree: only such that the walk would pass as they are."""

import ast
import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gavel.solutions.sandbox import language

# Much of what Python is written with, and the part of it that the form lets through.
ANY = (
    "x y result total 0 7 1.5 10_000 1e3 0x1f ( ) + - * / // % , . ** = == < : [ ] { } ' \" \\ ; @ # ! ~ & | ^ __ _ "
    "round int abs max range sum open eval if else and or not in for lambda yield await import class def return del "
    "global exec type getattr \uff3f\uff3f \u0661 \u00aa"
).split()
LET_THROUGH = (
    "x y 0 7 1.5 (x) (y, 7) (x for x in y) + - * / // % (- ( ) , round(7.5) range(9) if else and or not in is for "
    "yield await print open eval lambda x.5 7.x"
).split()
OPERAND = st.sampled_from("x y total 0 7 1.5 10_000 (x) (7,) round(7.5) (-x) max(x,y) yield await open".split())
SUM = st.builds(
    lambda first, rest: first + "".join(f" {sign} {operand}" for sign, operand in rest),
    OPERAND,
    st.lists(st.tuples(st.sampled_from("+ - * / // % ** , and if".split()), OPERAND), max_size=4),
)
NEAR = st.lists(st.sampled_from(LET_THROUGH), min_size=1, max_size=5).map(" ".join) | SUM
FAR = (
    st.lists(st.sampled_from([*ANY, " ", "  ", "\n", "\t"]), max_size=9).map(" ".join)
    | st.lists(st.sampled_from(ANY), max_size=7).map("".join)
    | NEAR
)


COMMENT = st.text(alphabet="a =#\\\"'\r\x0c\x85\u2028:é_0\t", max_size=6) | st.sampled_from(
    ["a\rimport os", "a\r    import os", "coding: nonsense", "type: int", " 2 + 3 = 5", "a \\"]
)


def programs(texts, names, expressions):
    line = st.builds("    {} = {}\n".format, st.sampled_from(names), expressions) | st.builds(
        "    #{}\n".format, COMMENT
    )
    return st.builds(
        lambda text, lines, last: "def solution():\n" + text + "".join(lines) + f"    return {last}",
        st.sampled_from(texts),
        st.lists(line, max_size=4),
        expressions,
    )


PROGRAM = programs(["", '    """How many?"""\n'], ["x", "y", "total"], NEAR) | programs(
    ['    """A "quoted" one"""\n', '    """a\\"""; import os\n"""\n', '    """b"""\n'],
    ["x", "x.y", "__x", "x[0]", "x, y", "lambda"],
    FAR,
)


@settings(max_examples=3000, deadline=None)
@example('def solution():\n    """b"""\n    return  ')
@given(PROGRAM)
def test_what_passes_by_its_form_would_pass_by_its_tree(program):
    try:
        if not isinstance(language.check_source(program), str):
            return
        plain = ast.parse(program)
    except (language.Refused, SyntaxError, ValueError):
        return  # it runs neither way
    tree = language.check_tree(program)
    function = tree.body[0]
    function.body.pop()  # the return that the tree gets after its last line, which is a return here
    assert ast.dump(tree) == ast.dump(plain)


@pytest.mark.parametrize(
    "program",
    [
        "def solution():\n    a = 4*10\n    b = a/2\n    result = b+14\n    return result\n",
        'def solution():\n    """How many\n clips?"""\n    price = 1.25\n    return round(price * (2 + 3), 2)',
        "def solution():\n  return None",
        "def solution():\n    # So 4*10 = 40.\n    a = 4*10\n    #\n    # 数 \\\n    return a",
    ],
)
def test_ordinary_programs_pass_by_their_form(program):
    assert language.check_source(program) == program


@pytest.mark.parametrize(
    "line",
    [
        "return  ",
        "return (5).real",
        "return 5 .real",
        "return 1..real",
        "return x.y",
        "return 2 ** 9",
        "return '5'",
        "return __import__",
        "return (yield 5)",
        "return [1][0]",
        "return (lambda: 5)()",
        "x = y = 5\n    return x",
        "x = 5; import os\n    return 5",
        'return 5 """ """',
        '"""a\\"""\n    return 5',
        "import os\n    return 5",
        "return \uff3f\uff3fimport\uff3f\uff3f",
        "if 5: return 5",
        "# a\r    import os\n    return 5",
        "# a\0\n    return 5",
        "x = 5  # a\n    return x",
    ],
)
def test_everything_else_is_walked_over(line):
    program = f"def solution():\n    {line}"
    with contextlib.suppress(language.Refused, SyntaxError):
        assert not isinstance(language.check_source(program), str)
