"""Numbers formatted for readers, and tables made of them."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from gavel.evaluation.metrics import SEED_RESAMPLES
from gavel.report.baseline import Baseline


@dataclass
class Cell:
    """A table cell: `text`, a smaller second line `sub`, the sort key `sort`, and the address `link`."""

    text: str
    sub: str = ""
    sort: float | str | None = None
    bold: bool = False
    number: bool = True
    link: str | None = None


@dataclass
class Table:
    """A table: `columns` are (title, tooltip); `groups` are (title, columns spanned) of a header row above, if any."""

    columns: list[tuple[str, str]]
    rows: list[list[Cell]]
    groups: list[tuple[str, int]] = ()
    caption: str = ""


MISSING = Cell("–", sort=float("-inf"))


def text(value: object, sub: str = "") -> Cell:
    return Cell(str(value), sub, sort=str(value), number=False)


def count(value: float | None) -> Cell:
    """An integer with thousands separators; a dash if missing."""
    return MISSING if value is None or pd.isna(value) else Cell(f"{value:,.0f}", sort=float(value))


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def points(value: float, digits: int = 1) -> str:
    """A difference of fractions in percentage points, signed; −0.0 becomes 0.0."""
    shown = f"{100 * value:+.{digits}f}"
    return shown[1:] if float(shown) == 0 else shown.replace("-", "−")


def estimate_cell(row: Any, bold: bool = False) -> Cell:
    """A fraction in %, such as an accuracy, with its interval below."""
    if row is None:
        return MISSING
    return Cell(percent(row.value), f"{percent(row.low)}–{percent(row.high)}", sort=row.value, bold=bold)


def difference_cell(row: Any, bold: bool = False) -> Cell:
    """A difference in percentage points with its interval below."""
    if row is None:
        return MISSING
    return Cell(points(row.difference), interval(row), sort=row.difference, bold=bold)


def interval(row: Any) -> str:
    return f"{points(row.low)} to {points(row.high)}"


def p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def p_cell(value: float | None, raw: float | None = None) -> Cell:
    """A p-value.

    Args:
        raw: a bootstrap's p-value before correction. If it is the smallest that the resamples allow, the true one may
            be smaller, and `value` is shown as an upper bound.
    """
    if value is None or pd.isna(value):
        return MISSING
    shown = p_value(value)
    at_floor = raw is not None and raw <= 2 / (SEED_RESAMPLES + 1) + 1e-12
    return Cell(f"≤ {shown}" if at_floor and not shown.startswith("<") else shown, sort=float(value))


def seconds(value: float | None) -> str:
    """A duration: 42 s, 12.5 min, 3.1 h."""
    if value is None or pd.isna(value):
        return "–"
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def join_words(parts: list[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else "none"


def flatten(value: Any, path: str = "") -> list[str]:
    """The leaves of nested counts and notes as 'removed, in test, main: 3'; None is left out."""
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in flatten(part, f"{path}, {key}" if path else str(key))]
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in flatten(part, path)]
    return [] if value is None else [f"{path.replace('_', ' ')}: {value}" if path else str(value)]


def is_significant(row: Any) -> bool:
    """Whether a difference is significant: by its interval if it is the primary one, else by its corrected p."""
    return (row.low > 0 or row.high < 0) if row.primary else row.p_adjusted < 0.05


def difference_hint(baseline: Baseline) -> str:
    """What a column of differences holds."""
    return f"greedy accuracy minus {baseline.name}'s on the same questions, in percentage points"


def difference_text(row: Any, over: str = "") -> str:
    """+7.1 percentage points (95 % interval +4.6 to +9.6), and over what the interval is."""
    return f"{points(row.difference)} percentage points (95 % interval{f' over {over}' * bool(over)} {interval(row)})"
