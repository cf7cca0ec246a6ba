"""No text of a program is evaluated by SymPy, by whatever route it comes, and ordinary uses of SymPy still work."""

import time

import pytest

from gavel.solutions.sandbox import pool as programs
from gavel.solutions.sandbox.pool import run_programs

HONEST = "def solution():\n    return 18"
HEAD = "import operator\nfrom functools import reduce\nfrom sympy import *\n"


def body(*lines: str) -> str:
    return HEAD + "def solution():\n    x, y = symbols('x y')\n" + "".join(f"    {line}\n" for line in lines)


# Where SymPy evaluates texts, most of these have a number as their value.
OPERATORS = [
    f"{left} {operator} {right}"
    for operator in ("+", "-", "*", "/", "//", "%", "**")
    for left, right in (("Integer(1)", "'6*7'"), ("'6*7'", "x"), ("Rational(1, 2)", "'6*7'"), ("sqrt(2)", "'6*7'"))
] + [
    f"{left} {operator} '6*7'" for operator in ("<", "<=", ">", ">=") for left in ("Integer(1)", "x", "Float(1)", "pi")
]
# SymPy reads the text of a plain number without its evaluator, by other ways than that of an expression.
NUMBERS = [
    f"{left} {operator} {right}"
    for operator in ("+", "-", "*", "/", "//", "%", "**", "<<", ">>", "|", "&", "^", "@")
    for number in ("Integer(2)", "Rational(1, 2)", "Float(2)", "x", "pi", "sqrt(2)", "Matrix([2])", "Eq(x, 2)")
    for left, right in ((number, "'84'"), ("' 42 '", number))
    # Python alone formats or repeats a text.
    if (left, operator) != ("' 42 '", "%") and (left, operator) != ("Integer(2)", "*")
] + [
    "'84' // Integer(2)",
    "' 42 ' // Integer(1)",
    "b'84' // Integer(2)",
    "divmod('84', Integer(2))[0]",
    "divmod(Integer(84), '2')[0]",
    "pow('2', Integer(3))",
    "pow(Integer(2), '3')",
    "pow(Integer(2), 3, '100')",
    "sum(['84'], Integer(0))",
    "reduce(lambda a, b: a // b, ['84', Integer(2)])",
    "operator.floordiv('84', Integer(2))",
    "Integer(84).gcd('42')",
    "Integer(21).lcm('2')",
    "x.subs(x, '42')",
    "x.subs({x: '42'})",
    "x.xreplace({x: '42'})",
    "Integer(42).evalf('15')",
    "Integer(42).n('15')",
    "Integer(42).equals('42') and 42",
    "Rational(85, 2).limit_denominator('1')",
    "round(Float(42.04), '1')",
    "Integer(42).coeff('42')",
    "Matrix(['42'])[0]",
    "Matrix([[42]]).subs(x, '1')[0]",
    "Matrix(1, 1, lambda i, j: '42')[0]",
    "Matrix([1]).applyfunc(lambda t: '42')[0]",
    "max(Integer(1), '42')",
    "sorted(['42', Integer(1)])[0]",
    "42 if Integer(41) < '42' else 0",
]
CALLS = [
    "divmod(Integer(100), '6*7')[1]",
    "divmod('6*7', Integer(100))[1]",
    "divmod(Float(100), '6*7')[1]",
    "divmod(Rational(100), '6*7')[1]",
    "pow(Integer(6), '6*7')",
    "pow(Integer(6), '6*7', 100)",
    "pow(Integer(6), 3, '6*7')",
    "round(Integer(6), '6*7')",
    "sum(['6*7'], Integer(0))",
    "max(Integer(1), '6*7')",
    "(100*x).expand(modulus='6*7').subs(x, 1)",
    "(x**2 + 42).expand(modulus='6*7').subs(x, 0)",
    "(x**2 - 42).factor(domain='ZZ[6*7]')",
    "(x**2 - 42).factor(domain='QQ<6*7>')",
    "(x**2 - 42).factor(extension='6*7')",
    "(x**2 - 42).factor(modulus='6*7')",
    "(x**2 - 42).factor(gens='6*7')",
    "(x**2 - 42).factor('6*7')",
    "(x + 1).subs('x', '41')",
    "(x + 1).subs({'x': '6*7'})",
    "(x + 1).subs([('x', '6*7')])",
    "(x + 1).subs(x, '6*7 - 1')",
    "(x + 1).replace(x, '6*7 - 1')",
    "(x + 1).replace('x', '6*7 - 1')",
    "(x + 1).find('6*7')",
    "x.count('6*7') + 42",
    "(x + 1).evalf(subs={x: '6*7 - 1'})",
    "(x + 1).evalf(subs={'x': '6*7 - 1'})",
    "Integer(42).evalf('6*7')",
    "Integer(42).N('6*7')",
    "(x - 42).simplify(rational='6*7').solve()",
    "(x - 42).simplify(ratio='6*7').subs(x, 84)",
    "Integer(84).gcd('6*7')",
    "Integer(21).lcm('6*7')",
    "(42 * x).gcd('6*7')",
    "Integer(42).index('6*7')",
    "Sum(x, (x, 1, '6*7')).doit() - 861",
    "Sum(x, ('x', 1, 2)).doit('6*7')",
    "solve(['x - 42'])['x']",
    "solve({'x - 42': 1}.keys())[0]",
    "solve({1: 'x - 42'}.values())[0]",
    "solve({1: 'x - 42'}.items())",
    "solve(map(str, [x - 42]))[0]",
    "solve(filter(bool, ['x - 42']))[0]",
    "solve(reversed(['x - 42']))[0]",
    "solve(zip(['x - 42']))[0]",
    "solve((t for t in ['x - 42']))[0]",
    "solve(enumerate(['x - 42']))[0]",
    "solve(iter_ for iter_ in [['x - 42']])[0]",
    "solve([[['x - 42']]])[0]",
    "solve({'x - 42'})",
    "solve(frozenset({'x - 42'}))",
    "solve((('x - 42',),))",
    "solve(f'{x} - 42')[0]",
    "solve(x - 42, 'x')[0]",
    "solve(x - 42, symbols=['x'])[0]",
    "solve(x - 42, x, check='6*7', simplify='6*7', rational='6*7')[0]",
    "nsolve('x - 42', 1)",
    "nsolve(x - 42, '6*7')",
    "nsolve(x - 42, x, '6*7')",
    "nsolve(x - 42, x, 1, modules='6*7')",
    "nsolve(x - 42, x, 1, modules=map(str, ['mpmath']))",
    "nsolve([x - 42, 'y - 1'], [x, y], [1, 1])[0]",
    "nsolve(lambda t: '6*7', x, 1)",
    "Eq('6*7', x).lhs",
    "Eq(x, '6*7').rhs",
    "Ge(x, '6*7').rhs",
    "Add('6*7', 0)",
    "Add(*['6*7'])",
    "Mul(1, '6*7')",
    "Pow('6*7', 1)",
    "Max('6*7', 1)",
    "Min('6*7', 100)",
    "Mod(142, '100*1')",
    "Abs('6*7')",
    "N('6*7')",
    "sqrt('6*7*42')",
    "root('6*7', 1)",
    "floor('6*7')",
    "ceiling('6*7')",
    "expand('6*7')",
    "factor('6*7')",
    "simplify('6*7')",
    "gcd('6*7', 84)",
    "gcd(['6*7', '84'])",
    "lcm('6*7', 21)",
    "Float('6*7')",
    "Float(42, '6*7')",
    "Float('42', dps='15')",
    "Rational('6*7')",
    "Rational('6*7', 1)",
    "Rational(42, '1*1')",
    "Rational('42/1*1')",
    "Integer('6*7')",
    "Integer('42')",
    "symbols('6*7')",
    "symbols('x:42')",
    "symbols(['6*7'])[0]",
    "Symbol('x', **{'6*7': True})",
    "(lambda t: t + Integer(0))('6*7')",
    "[Integer(0) + t for t in ('6*7',)][0]",
    "Integer(0).__add__('6*7')",
    "S('6*7')",
    "S('42')",
    "S(['42'])[0]",
    "S.Reals.contains('42') and 42",
    "sympify('42')",
    "factorial('4')",
    "binomial('42', 1)",
    "log('42')",
    "exp('0') + 41",
    "sin('0') + 42",
    "diff('42*x', x)",
    "diff(42 * x, 'x')",
    "(42 * x).diff('x')",
    "integrate('42', (x, 0, 1))",
    "integrate(42, ('x', 0, 1))",
    "integrate(42, (x, 0, '1'))",
    "integrate(84 * x, (x, 0, 1), conds='6*7')",
    "limit('42*x', x, 1)",
    "limit(42 * x, x, '1')",
    "limit(42 * x, x, 1, '6*7')",
    "summation('42', (x, 1, 1))",
    "product('42', (x, 1, 1))",
    "linsolve(['x - 42'], x).args[0][0]",
    "linsolve([x - 42], 'x').args[0][0]",
    "nonlinsolve(['x - 42'], [x]).args[0][0]",
    "list(solveset('x - 42', x))[0]",
    "list(solveset(x - 42, 'x'))[0]",
    "list(solveset(x - 42, x, domain='S.Reals'))[0]",
    "Piecewise(('42', True))",
    "Piecewise((42, 'True'))",
    "isprime('7') and 42",
    "len(divisors('42'))",
    "nextprime('41')",
    "FiniteSet('42').sup",
    "Interval(0, '42').end",
    "nsimplify('42')",
    "nsimplify(42.0, ['6*7'])",
    "And('x', '42') and 42",
    "Symbol('6*7') + 0",
    "Symbol('42')",
    "Symbol('x')('6*7')",
    "Symbol('x')(42).args[0]('6*7')",
    "nsolve(Symbol('__import__(\"os\").getpid() or 6*7') - 42, '1')",
    "solve(Symbol('6*7') - x, x)[0]",
    "simplify(Symbol('6*7'))",
    "symbols('x(6*7)')",
    "symbols('x:9(:9)(:9)')[0]",
    "symbols('x:9999999')[0]",
    "symbols('x:999:999')[0]",
    "symbols([['6*7']])[0][0]",
    "symbols('x', integer='6*7')",
    "symbols('x', cls=lambda name, **_: 42)",
    "Symbol('x', real='6*7')",
]


@pytest.mark.parametrize("expression", OPERATORS + NUMBERS + CALLS)
def test_a_program_gets_no_text_evaluated(expression):
    assert run_programs([body(f"return {expression}"), HONEST], timeout_s=10) == [None, "18"]


@pytest.fixture(scope="module")
def pool():
    """SymPy's workers with the language check off: only the evaluator's absence is left."""
    pool = programs._Pool(
        2, ("unchecked", f"sympy={programs._packages()}"), programs.SYMPY_CHUNKS, programs.FORK_GRACE_S
    )
    yield pool
    pool.close()


DIRECT = [
    "sympy.sympify('6*7')",
    "sympy.S('6*7')",
    "sympy.S('x') and 42",
    "sympy.parse_expr('6*7')",
    "sympy.parsing.sympy_parser.parse_expr('6*7')",
    "sympy.parsing.sympy_parser.eval_expr('6*7', {}, {})",
    "sympy.parsing.sympy_parser.stringify_expr('6*7', {}, {}, ()) and 42",
    "sympy.core.sympify.sympify('6*7')",
    "sympy.core.sympify.kernS('6*7')",
    "sympy.core.sympify._sympify(sympy.Number('6*7'))",
    "sympy.Number('6*7')",
    "sympy.Poly('x - 42').all_coeffs() and 42",
    "sympy.Poly(sympy.Symbol('x') - 42, gens='x') and 42",
    "sympy.Matrix(['6*7'])[0]",
    "sympy.Matrix([['6*7']]).det()",
    "sympy.Tuple('6*7')[0]",
    "sympy.FiniteSet('6*7').args[0]",
    "sympy.Interval(0, '6*7').end",
    "sympy.Piecewise(('6*7', True))",
    "sympy.Lambda('x', '6*7')(1)",
    "sympy.Function('f')('6*7').args[0]",
    "sympy.Integral('6*7', ('x', 0, 1)).doit()",
    "sympy.Derivative('42*x', 'x').doit()",
    "sympy.diff('42*x', 'x')",
    "sympy.limit('6*7', 'x', 0)",
    "sympy.solve('x - 42')[0]",
    "sympy.nsimplify('6*7')",
    "sympy.lambdify([], '6*7')()",
    "sympy.lambdify('x', '6*x')(7)",
    "sympy.lambdify([], ['__import__(\"os\").getpid() and 42'])()[0]",
    "sympy.lambdify([sympy.Symbol('x')], sympy.Symbol('x'), modules=['numpy'])(42)",
    "sympy.lambdify([], sympy.Function('__import__')(sympy.Symbol('os')))() and 42",
    "sympy.lambdify([], sympy.Function('eval')(sympy.Symbol('x')))() and 42",
    "sympy.interactive.session.int_to_Integer('6*7') and eval('6*7')",
    "sympy.utilities.lambdify.exec('x = 42', globals()) or x",
    "sympy.utilities.lambdify.compile('[].__class__', '<string>', 'exec') and 42",
    "sympy.polys.monomials.exec('import os', globals()) or 42",
    "sympy.polys.polyconfig.setup('x', '6*7') or 42 if sympy.polys.polyconfig.eval('6*7') else 0",
    "'84' // sympy.Integer(2)",
    "sympy.Integer(2).__rfloordiv__('84')",
    "divmod('84', sympy.Integer(2))[0]",
    "eval('6*7')",
    "exec('x = 42', globals()) or x",
    "compile('6*7', 'x', 'eval') and 42",
    "sympy.eval('6*7')",
    "__import__('mpmath').identification.eval('6*7')",
    "__import__('mpmath').mpf('6*7')",
]


@pytest.mark.parametrize("expression", DIRECT)
def test_the_evaluator_is_gone_for_all_of_sympy(pool, expression):
    program = f"import sympy\nimport sympy.polys.polyconfig\ndef solution():\n    return {expression}"
    assert pool.run([program], 10.0) == [None]


# No bound of SymPy's own: a program's time and memory are the last one.
COSTS = [
    "factorial(10**9)",
    "factorial(Integer(10)**9)",
    "x.subs(x, 10**6).factorial",
    "binomial(10**8, 5 * 10**7)",
    "binomial(Integer(10)**8, 5 * Integer(10)**7)",
    "fibonacci(10**9)",
    "isprime(10**5000 + 7)",
    "isprime(Integer(10)**5000 + 7)",
    "len(divisors(10**5000))",
    "prime(10**9)",
    "primepi(10**12)",
    "sum(primerange(10**12))",
]
ENDLESS = [
    "factorint(2**521 * (2**607 - 1) + 8)[3] * 0 + next(iter(factorint(3**331 * 2 + 5))) * 0",
    "factorial(factorial(x)).subs(x, 10)",
    "summation(factorial(x)**x, (x, 1, 900))",
    "integrate(sin(x)**50 * exp(x**3) / log(x + 2)**7, x)",
    "expand((x + y + 1)**900)",
    "Integer(10)**Integer(10)**Integer(10)",
    "Matrix(60, 60, lambda i, j: Symbol(f's{i}_{j}')).det()",
    "[Symbol('x' + str(i)) for i in iter(int, 1)][0]",
    "solve(sum(Symbol(f'a{i}')**i * x**i for i in range(1, 60)), x)[0]",
]


@pytest.mark.parametrize("expression", COSTS)
def test_a_gigantic_number_is_refused_at_once(expression):
    begun = time.monotonic()
    assert run_programs([body(f"return {expression}"), HONEST], timeout_s=60) == [None, "18"]
    assert time.monotonic() - begun < 50


@pytest.mark.parametrize("expression", ENDLESS)
def test_long_work_costs_its_own_program_only(expression):
    after = body("return solve(x - 18)[0]")
    assert run_programs([body(f"return {expression} * 0 + 18"), after], timeout_s=1.5) == [None, "18"]


def test_the_same_expressions_without_texts_are_evaluated(pool):
    """So the programs above fail by their texts, and not because nothing works there."""
    kept = [
        "sympy.sympify(6*7)",
        "sympy.lambdify([], sympy.Integer(42), 'mpmath')()",
        "sympy.Matrix([6*7])[0]",
        "sympy.Number(42)",
    ]
    programs_ = [f"import sympy\ndef solution():\n    return {expression}" for expression in kept]
    assert pool.run(programs_, 10.0) == ["42"] * len(kept)


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        (body("return solve(Eq(2*x, 8), x)[0]"), "4"),
        (body("return solve(2*x - 8)[0]"), "4"),
        (body("return solve(Eq(x*0.15 + 3, 9), x)[0]"), "40"),
        (body("return solve(Eq(2**x, 32), x)[0]"), "5"),
        (body("return solve(Eq(x*(1 + 0.05)**3, 1157.625), x)[0]"), "1000"),
        (body("return solve(1.2*x**2 - 2.7, x)[1]"), "1.5"),
        (body("return solve([Eq(0.25*x + y, 10.5), Eq(x, 2*y)], [x, y])[y]"), "7"),
        (body("return solve(1000*1.07**x - 2000, x)[0]"), "10.2447683511"),
        (body("return Sum(Rational(1, 2)**x, (x, 1, E*0 + 20)).doit()"), "1048575/1048576"),
        (body("return solve([x + y - 10, x - y - 2], (x, y))[x]"), "6"),
        (body("return solve([Eq(x + y, 10), Eq(x*y, 24)], [x, y])[0][0]"), "4"),
        (body("return solve([Eq(a, 2) for a in [x]], x)[x]"), "2"),
        (body("return solve((Eq(a, 2) for a in [x]), x)[x]"), "2"),
        (body("return solve({x - 2: 1}.keys(), x)[x]"), "2"),
        (body("return max(solve(x**2 - 5*x + 6, x))"), "3"),
        (body("return [s for s in solve(x**2 - 4, x) if s > 0][0]"), "2"),
        (body("return solve(x**3 - 8, x)[0]"), "2"),
        (body("return float(solve(x**2 - 2, x)[1])"), "1.41421356237"),
        (body("return nsolve(x**2 - 2, x, 1)"), "1.41421356237"),
        (body("return nsolve([x + y - 3, x*y - 2], [x, y], [1, 2])[1]"), "2"),
        (body("return nsolve(x**2 - 2, x, 1, verbose=True)"), "1.41421356237"),
        (body("return factor(x**2 - 1).subs(x, 3)"), "8"),
        (body("return expand((x + 1)**2).subs({x: 2})"), "9"),
        (body("return simplify(x/x)"), "1"),
        (body("return sqrt(16)"), "4"),
        (body("return sqrt(2).evalf()"), "1.41421356237"),
        (body("return N(pi)"), "3.14159265359"),
        (body("return Rational(3, 4) + Float(0.25)"), "1"),
        (body("return Rational('3/4') + Float('0.25') + Rational('0.5')"), "1.5"),
        (body("return Float('1e3')"), "1000"),
        (body("return Sum(x, (x, 1, 10)).doit()"), "55"),
        (body("return Max(3, 7) + Min(3, 7) + Abs(-2) + Mod(7, 4)"), "15"),
        (body("return floor(Rational(7, 2)) + ceiling(Rational(7, 2))"), "7"),
        (body("return gcd([12, 18]) + lcm(4, 6)"), "18"),
        (body("words = 'a b b'.replace('a', 'b').split()", "return words.count('b') + Integer(0)"), "3"),
        (body("año = symbols('año')", "return solve(año - 18, año)[0]"), "18"),
        (body("z = Symbol('z', positive=True)", "return solve(z**2 - 9, z)[0]"), "3"),
        (body("print(f'{solve(x - 3, x)[0]}', str(x + 1), '{}'.format(pi))", "return Integer(3)"), "3"),
    ],
)
def test_ordinary_uses_work(program, answer):
    assert run_programs([program], timeout_s=10) == [answer]
