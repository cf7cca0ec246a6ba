"""A graph of rules in columns, each rule to the right of everything that it needs."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from gavel.plots.style import BLUE, GREY, INK, drawn


@drawn
def rulegraph(edges: Sequence[tuple[str, str]]) -> Figure:
    """Boxes with arrows.

    Args:
        edges: (rule, rule that needs it), without cycles.
    """
    columns = _columns(edges)
    tallest = max(map(len, columns))
    figure = Figure(figsize=(1.55 * len(columns), 0.55 * tallest + 0.3), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    places = {}
    for x, rules in enumerate(columns):
        for y, rule in enumerate(rules):
            places[rule] = (x, y - (len(rules) - 1) / 2)
    for a, b in edges:
        axes.annotate(
            "",
            xy=(places[b][0] - 0.42, places[b][1]),
            xytext=(places[a][0] + 0.42, places[a][1]),
            arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
        )
    for rule, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.35", "facecolor": "none", "edgecolor": BLUE, "linewidth": 1.1}
        axes.text(x, y, rule.replace("_", "\n", 1), ha="center", va="center", fontsize=7, color=INK, bbox=box)
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_ylim(tallest / 2, -tallest / 2)
    return figure


def as_table(edges: Sequence[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(edges, columns=["rule", "needed_by"])


def _columns(edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Rules by the longest way to them; in a column, beside the mean place of what they need."""
    needs: dict[str, list[str]] = {}
    for a, b in edges:
        needs.setdefault(a, [])
        needs.setdefault(b, []).append(a)

    def depth(rule: str) -> int:
        return 1 + max(map(depth, needs[rule]), default=-1)

    columns: list[list[str]] = [[] for _ in range(1 + max(map(depth, needs)))]
    for rule in sorted(needs):
        columns[depth(rule)].append(rule)
    height: dict[str, float] = {}
    for rules in columns:
        rules.sort(key=lambda rule: sum(height[need] for need in needs[rule]) / max(1, len(needs[rule])))
        height |= {rule: y - (len(rules) - 1) / 2 for y, rule in enumerate(rules)}
    return columns
