"""Whether rows are what their TypedDict says."""

from collections.abc import Iterable
from types import UnionType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict


def assert_typed(rows: Iterable[dict], kind: type) -> None:
    """There are rows, and each has the keys of the TypedDict, no others, and values of their types."""
    number = -1
    for number, row in enumerate(rows):
        problem = mismatch(row, kind)
        assert problem is None, f"row {number} is no {kind.__name__}: {problem}"
    assert number >= 0, f"no rows to hold against {kind.__name__}"


def mismatch(value: object, kind: Any) -> str | None:
    """What keeps a value from being of a type, None where it is; as JSON has it, so a whole number may be a float."""
    if kind is Any:
        return None
    if is_typeddict(kind):
        return _row(value, kind)
    origin = get_origin(kind)
    if origin is NotRequired:
        return mismatch(value, get_args(kind)[0])
    if origin in (Union, UnionType):
        found = [mismatch(value, one) for one in get_args(kind)]
        return None if None in found else f"{value!r:.60} is none of {kind}"
    if origin is Literal:
        return None if value in get_args(kind) else f"{value!r:.60} is none of {get_args(kind)}"
    if origin is list:
        problems = [mismatch(one, get_args(kind)[0]) for one in value] if isinstance(value, list) else ["no list"]
        return next(filter(None, problems), None)
    if origin is dict:
        if not isinstance(value, dict):
            return f"{value!r:.60} is no object"
        pairs = [(part, hint) for item in value.items() for part, hint in zip(item, get_args(kind), strict=True)]
        return next(filter(None, (mismatch(part, hint) for part, hint in pairs)), None)
    if isinstance(value, bool) and kind is not bool:
        return f"{value!r} is no {kind.__name__}"
    fits = isinstance(value, int | float if kind is float else kind)
    return None if fits else f"{value!r:.60} is no {kind}"


def _row(row: object, kind: Any) -> str | None:
    if not isinstance(row, dict):
        return f"{row!r:.60} is no object"
    hints = get_type_hints(kind, include_extras=True)
    required = {key for key, hint in hints.items() if get_origin(hint) is not NotRequired}
    if lost := required - row.keys():
        return f"no {', '.join(sorted(lost))}"
    if strange := row.keys() - hints.keys():
        return f"{', '.join(sorted(strange))} besides"
    problems = {key: mismatch(value, hints[key]) for key, value in row.items()}
    return next((f"{key}: {problem}" for key, problem in problems.items() if problem), None)
