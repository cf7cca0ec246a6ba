"""Whether RL had anything to learn from before its first step."""

from typing import Any

from gavel.report.cells import Cell, Table, percent, text
from gavel.report.results import Results


def signal_table(results: Results) -> Table | None:
    """The figures of `judge/signal.json` with their meaning; None without the file."""
    found = results.signal
    if not found:
        return None
    per_step, size = results.study["rl"]["prompts_per_step"], found["group_size"]
    named = results.study["primary"]["test_set"]
    rows: list[tuple[str, str, float | None, str]] = [
        (
            "groups with correct and incorrect responses, %",
            _percent(found, "mixed"),
            found["mixed"],
            f"of {size} responses each; in any other group, all that a reward tells apart is equally correct",
        ),
        (
            "such groups in a step",
            f"{found['effective_groups']:.1f}",
            found["effective_groups"],
            f"expected, of {per_step}",
        ),
        ("truncated responses, %", _percent(found, "truncated"), found["truncated"], "cut at the limit of tokens"),
        (
            "correlation with correctness",
            _correlation(found),
            found["correlation"],
            "of the advantages that the judge's scores give with those of a reward for correctness",
        ),
        (
            "spread of the judge's scores",
            _number(found["spread"]),
            found["spread"],
            f"standard deviation within a question; the part that does not go along with correctness is "
            f"{_number(found['noise'])}",
        ),
        (
            "smallest detectable difference, points",
            _number(found["detectable"], 100, 1),
            found["detectable"],
            f"of the primary comparison on {named}, with a probability of 80 % at the 5 % level; the variance between "
            "training runs comes on top",
        ),
    ]
    table = Table([("figure", ""), ("value", "95 % interval"), ("meaning", "")], [])
    for title, shown, value, meaning in rows:
        if value is not None:
            table.rows.append([text(title), Cell(shown, sort=value), text(meaning)])
    return table


def _percent(found: dict[str, Any], name: str) -> str:
    low, high = found[f"{name}_ci95"]
    return f"{percent(found[name])} [{percent(low)}–{percent(high)}]"


def _correlation(found: dict[str, Any]) -> str:
    return (
        ""
        if found["correlation"] is None
        else "{:.2f} [{:.2f}, {:.2f}]".format(found["correlation"], *found["correlation_ci95"])
    )


def _number(value: float | None, scale: float = 1, digits: int = 3) -> str:
    return "unknown" if value is None else f"{scale * value:.{digits}f}"
