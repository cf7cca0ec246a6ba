"""What a sandboxed program finds by its names: builtins, stand-ins for modules, and placeholders for the rest.

Three things stand for what programs may not have:

- `UNKNOWN`, for what an unavailable library would compute, and for the current date and time. Its attributes, calls and
  operators are `UNKNOWN` again; whatever needs its value (a condition, a loop, an index, the answer) is refused. So
  `np.random.seed(0)` or an unused `now = datetime.now()` does no harm.
- `ABSENT`, for all other modules, builtins and classes. Any use of it is refused; a mere import does no harm.
- an exception, `Refused`, for a construct that the language does not allow, raised when it would be executed.

Standard library only: `gavel.solutions.sandbox.worker` imports this.
"""

import _strptime  # noqa: F401  (datetime.strptime imports it at first use, when no file can be opened any more)
import bisect
import builtins
import calendar
import collections
import datetime
import decimal
import fractions
import functools
import heapq
import itertools
import math
import operator
import re
import statistics
import string
import sys
import types
from collections.abc import Callable

POWER_BITS = 2**16  # larger integer powers are degenerate and could take forever: 10**10**10
FACTORIAL_ARGUMENT = 5_000
NO_ANSWER = object()

EXCEPTIONS = tuple(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException) and not issubclass(value, BaseExceptionGroup)
)
BUILTINS = """
abs all any bin bool callable chr complex dict divmod enumerate filter float format frozenset hex int isinstance iter
len list map max min next oct ord range repr reversed round set slice sorted str sum tuple zip
""".split()
CONSTANTS = ("True", "False", "None", "NotImplemented", "Ellipsis")
MODULES = {
    math: """
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh degrees dist e erf exp exp2 expm1 fabs floor fmod
    frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm lgamma log log10 log1p log2 modf nan pi pow
    prod radians remainder sin sinh sqrt tan tanh tau trunc
    """,
    fractions: "Fraction",
    decimal: """
    Decimal ROUND_CEILING ROUND_DOWN ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP getcontext
    """,
    datetime: "date datetime time timedelta timezone",
    statistics: """
    fmean geometric_mean harmonic_mean mean median median_high median_low mode multimode pstdev pvariance
    quantiles stdev variance
    """,
    calendar: "isleap leapdays monthrange weekday",
    collections: "Counter OrderedDict defaultdict deque",
    itertools: """
    accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse groupby
    islice pairwise permutations product repeat starmap takewhile zip_longest
    """,
    functools: "cache cmp_to_key lru_cache reduce",
    operator: "add floordiv itemgetter mod mul neg sub truediv",  # not `pow`, which needs a bound, nor `attrgetter`
    heapq: "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest",
    bisect: "bisect bisect_left bisect_right insort insort_left insort_right",
}
METHODS = """
add append appendleft args as_integer_ratio as_tuple bit_count bit_length capitalize casefold center clear combine
conjugate copy count date day days denominator difference difference_update discard elements endswith extend extendleft
find format from_iterable fromisoformat fromkeys fromordinal get hour imag index insert intersection
intersection_update is_integer isalnum isalpha isdigit isdisjoint isdecimal islower isnumeric isocalendar isoformat
isoweekday issubset issuperset isspace isupper items join keys limit_denominator ljust lower lstrip microsecond
microseconds minute month most_common move_to_end normalize numerator partition pop popitem popleft prec quantize real
remainder remove removeprefix removesuffix replace reverse rfind rindex rjust rotate rounding rpartition rsplit rstrip
second seconds setdefault sort split splitlines startswith strftime strip strptime subtract swapcase
symmetric_difference symmetric_difference_update title to_integral to_integral_exact to_integral_value toordinal total
total_seconds union update upper values weekday year zfill
"""
# Libraries whose functions compute, draw or measure something and do not change their arguments.
LIBRARIES = frozenset(
    """
    abc cmath copy dataclasses dateutil enum json locale logging matplotlib mpmath networkx numbers numpy pandas
    platform plotly pprint pytz random re scipy seaborn secrets sklearn statsmodels string tabulate textwrap time
    timeit torch traceback typing uuid warnings zoneinfo
    """.split()
)
CHANGERS = frozenset({"shuffle"})  # functions of these libraries that change their arguments
PRESENT = frozenset({"now", "today", "utcnow"})
MAY_BE_UNKNOWN = re.compile(r"\b(?:" + "|".join(sorted(LIBRARIES | PRESENT)) + r")\b")
# The types that `type(x)` may return: programs have them by name anyway. A metaclass could create any class.
NAMED_TYPES = frozenset(
    [bool, complex, dict, float, frozenset, int, list, range, set, str, tuple, type(None), collections.Counter]
    + [datetime.date, datetime.datetime, datetime.timedelta, decimal.Decimal, fractions.Fraction]
)
# Modules that C code of the standard library imports at first use; they are loaded already.
LOADED = frozenset({"_strptime", "time"})


class Refused(Exception):
    """The program uses something outside the allowed part of the language."""


class Unsure(Refused):
    """The program needs the value of something unknown."""


class Unknown:
    """An unknown value; what is computed from it is unknown too."""

    __slots__ = ()

    def __getattribute__(self, name: str):
        if name.startswith("__"):
            raise Unsure("the kind of an unknown value")
        if name in CHANGERS:
            raise Refused(f"{name} changes its argument")
        return UNKNOWN

    def __setitem__(self, *_):
        pass

    __delitem__ = __setitem__


class Absent:
    """Something that programs may not use."""

    __slots__ = ()

    def __getattribute__(self, name: str):
        raise Refused(f"{name} of something that is not available")


BINARY = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor".split()
UNKNOWN_AGAIN = [
    *BINARY,
    *("r" + name for name in BINARY),
    *"lt le eq ne gt ge neg pos abs invert round floor ceil trunc getitem call".split(),
]
VALUES = "bool int float complex index len iter next contains hash str repr format reversed".split()


def _special_methods() -> None:
    def unknown(self, *_, **__):
        return UNKNOWN

    def unsure(self, *_, **__):
        raise Unsure("the value of something unknown")

    def absent(self, *_, **__):
        raise Refused("something that is not available")

    for name in UNKNOWN_AGAIN:
        setattr(Unknown, f"__{name}__", unknown)
    for name in VALUES:
        setattr(Unknown, f"__{name}__", unsure)
    for name in [*UNKNOWN_AGAIN, *VALUES, "setitem", "delitem"]:
        setattr(Absent, f"__{name}__", absent)


_special_methods()
UNKNOWN, ABSENT = Unknown(), Absent()


def propagate_unknown(function):
    """A wrapper of a pure function whose value is unknown if an argument is; any other function as it is."""
    kind = type(function)
    if kind is types.BuiltinFunctionType:
        pure = type(function.__self__) in (str, types.ModuleType) and function.__module__ not in ("_heapq", "_bisect")
    elif kind is types.FunctionType:
        pure = function.__module__ != "program"
    else:
        pure = kind is type
    if not pure:
        return function

    def call(*arguments, **options):
        if any(value is UNKNOWN for value in (*arguments, *options.values())):
            return UNKNOWN
        try:
            return function(*arguments, **options)
        except Unsure:
            return UNKNOWN

    return call


def percent(left, right):
    """`left % right`, unknown if it formats a text with something unknown."""
    try:
        return left % right
    except Unsure:
        return UNKNOWN


def format_field(value, conversion: int, specification: str = "") -> str:
    """One field of an f-string."""
    return format({115: str, 114: repr, 97: ascii}.get(conversion, lambda same: same)(value), specification)


def join_parts(*parts: str) -> str:
    return "".join(parts)


def power(base, exponent, modulus=None):
    """`base ** exponent`; exact powers of more than `POWER_BITS` bits are refused before they are computed."""
    exact = isinstance(base, int | fractions.Fraction) and isinstance(exponent, int)
    if exact and modulus is None:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(exponent) > POWER_BITS:
            raise Refused("power too large")
    return base**exponent if modulus is None else pow(base, exponent, modulus)


def left_shift(number, places):
    """`number << places`, at most `POWER_BITS` bits."""
    if isinstance(number, int) and isinstance(places, int) and number.bit_length() + places > POWER_BITS:
        raise Refused("shift too large")
    return number << places


def factorial(number):
    if number > FACTORIAL_ARGUMENT:
        raise Refused("argument too large")
    return math.factorial(number)


def comb(n, k):
    check_choice(n, min(k, n - k))
    return math.comb(n, k)


def perm(n, k=None):
    check_choice(n, n if k is None else k)
    return math.perm(n, k)


def check_choice(n, k) -> None:
    """Refuse a product of `k` integers up to `n` that has more than `POWER_BITS` bits."""
    if int(n).bit_length() * int(k) > POWER_BITS:
        raise Refused("argument too large")


def formatter(text) -> Callable[..., str]:
    """`text.format` with plain fields only: no attribute and no element of an argument."""
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


def kind(value):
    """`type(value)` if it is one of `NAMED_TYPES`, else unknown."""
    return type(value) if type(value) in NAMED_TYPES else UNKNOWN


def attribute(value, name: str):
    """`value.name`, where the syntax alone does not show whether it is allowed."""
    if value is UNKNOWN:
        return getattr(value, name)
    if name == "format":
        return formatter(value)
    if name in ATTRIBUTES:
        found = getattr(value, name)
        for guard in ATTRIBUTE_GUARDS:
            found = guard(value, found)
        return found
    if name in PRESENT and (value is datetime.date or value is datetime.datetime):
        return UNKNOWN
    if name == "__name__" and type(value) in (type, types.FunctionType, types.BuiltinFunctionType):
        return value.__name__
    raise Refused(f"attribute {name} is not allowed")


class Place:
    """The target of an assignment such as `getcontext().prec = 50`."""

    __slots__ = ("name", "owner")

    def __init__(self, owner, name: str):
        self.owner, self.name = owner, name

    def __getitem__(self, _):
        return getattr(self.owner, self.name)

    def __setitem__(self, _, value):
        setattr(self.owner, self.name, value)


def place(owner, name: str):
    """The target of `owner.name = value`: a program's own decimal context, or nothing if the owner is unknown."""
    if owner is UNKNOWN:
        return getattr(owner, name)
    if type(owner) is decimal.Context and name in ("prec", "rounding"):
        return Place(owner, name)
    raise Refused(f"an assignment to attribute {name}")


def refuse(what: str):
    raise Refused(f"{what} is not allowed")


def stand_ins() -> dict[str, types.SimpleNamespace]:
    """Stand-ins for the modules, with the listed names and nothing else (no `statistics.sys`)."""
    result = {
        module.__name__: types.SimpleNamespace(**{name: getattr(module, name) for name in names.split()})
        for module, names in MODULES.items()
    }
    vars(result["math"]).update(factorial=factorial, comb=comb, perm=perm)
    result["sys"] = types.SimpleNamespace(maxsize=sys.maxsize, setrecursionlimit=lambda limit: None)
    return result


STAND_INS = stand_ins()
ATTRIBUTES = set(METHODS.split()).union(*(vars(module) for module in STAND_INS.values()))
ATTRIBUTE_GUARDS: list[Callable[..., object]] = []  # applied to an attribute's value, if SymPy is loaded


def stand_in(module: str) -> types.SimpleNamespace | None:
    """The stand-in from which `from module import ...` takes names; SymPy's for its parts."""
    if module not in STAND_INS and module.startswith("sympy."):
        module = "sympy"
    return STAND_INS.get(module)


def import_stand_in(module: str):
    """What `import module` binds."""
    return stand_in(module) or (UNKNOWN if module.partition(".")[0] in LIBRARIES else ABSENT)


def import_stand_in_name(module: str, name: str):
    """What `from module import name` binds."""
    if (found := stand_in(module)) is not None:
        return getattr(found, name, ABSENT)
    return UNKNOWN if module.partition(".")[0] in LIBRARIES and name not in CHANGERS else ABSENT


def import_loaded(name: str, *_, **__) -> None:
    """The import function for C code of the standard library; a program's own imports are calls of
    `import_stand_in`."""
    if name not in LOADED:
        raise Refused(f"an import of {name}")


BUILTIN_NAMES: dict[str, object] = {
    name: ABSENT for name in (*vars(builtins), "exit", "quit") if not name.startswith("_")
}
BUILTIN_NAMES |= {name: getattr(builtins, name) for name in (*BUILTINS, *EXCEPTIONS, *CONSTANTS)}
BUILTIN_NAMES |= {
    "__import__": import_loaded,
    "pow": power,
    "print": lambda *values, **options: NO_ANSWER,
    "type": kind,
}

# What the rewritten tree of a program calls (`gavel.solutions.sandbox.language`).
HELPERS: dict[str, object] = {
    "__absent__": ABSENT,
    "__attribute__": attribute,
    "__formatted__": format_field,
    "__formatter__": formatter,
    "__imported__": import_stand_in,
    "__imported_name__": import_stand_in_name,
    "__joined__": join_parts,
    "__known__": propagate_unknown,
    "__left_shift__": left_shift,
    "__limits__": (Refused, MemoryError, RecursionError),
    "__no_answer__": NO_ANSWER,
    "__percent__": percent,
    "__place__": place,
    "__power__": power,
    "__refuse__": refuse,
}
