"""A graph of rules in columns, each rule to the right of everything that it needs."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from gavel.report.plots.style import BLUE, GREY, INK, drawn

WIDTH, HEIGHT = 0.74, 0.62  # of a box, where columns and rows are 1 apart

Node = tuple[str, int]  # a rule in its column, or a line's way through a column between its ends


@drawn
def rulegraph(edges: Sequence[tuple[str, str]]) -> Figure:
    """Boxes with arrows.

    Args:
        edges: (rule, rule that needs it), without cycles.
    """
    columns, lines = _layers(edges)
    tallest = max(map(len, columns))
    places = {node: (x, _height(y, nodes)) for x, nodes in enumerate(columns) for y, node in enumerate(nodes)}
    figure = Figure(figsize=(1.35 * len(columns), 0.62 * tallest + 0.2), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    for line in lines:
        # From the first one's right side to the last one's left, past the boxes of the columns between.
        sides = [(x + side * WIDTH / 2, y) for x, y in (places[node] for node in line) for side in (-1, 1)]
        way = sides[1:-1]
        axes.plot(*zip(*way[:-1], way[-1], strict=True), color=GREY, linewidth=0.9)
        tip = {"arrowstyle": "-|>", "color": GREY, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", xy=way[-1], xytext=way[-2], arrowprops=tip)
    rules = {end for edge in edges for end in edge}
    for (rule, _), (x, y) in places.items():
        if rule in rules:
            corner = (x - WIDTH / 2, y - HEIGHT / 2)
            style = {"boxstyle": "round,pad=0,rounding_size=0.08", "facecolor": "none", "edgecolor": BLUE}
            axes.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, linewidth=1.1, **style))
            shown = rule.replace(", ", ",\n") if ", " in rule else rule.replace("_", "\n", 1)
            axes.text(x, y, shown, ha="center", va="center", fontsize=9, color=INK)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(tallest / 2, -tallest / 2)
    return figure


def as_table(edges: Sequence[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(edges, columns=["rule", "needed_by"])


def _layers(edges: Sequence[tuple[str, str]]) -> tuple[list[list[Node]], list[list[Node]]]:
    """The nodes of each column from top to bottom, and each line's nodes from column to column."""
    needs: dict[str, list[str]] = {}
    for a, b in edges:
        needs.setdefault(a, [])
        needs.setdefault(b, []).append(a)

    def depth(rule: str) -> int:
        return 1 + max(map(depth, needs[rule]), default=-1)

    depths = {rule: depth(rule) for rule in needs}
    columns: list[list[Node]] = [[] for _ in range(1 + max(depths.values()))]
    for rule in sorted(needs):
        columns[depths[rule]].append((rule, depths[rule]))
    lines, before = [], {}
    for a, b in edges:
        passing = [(f"{a} to {b}", x) for x in range(depths[a] + 1, depths[b])]
        lines.append([(a, depths[a]), *passing, (b, depths[b])])
        for node in passing:
            columns[node[1]].append(node)
        for left, right in zip(lines[-1], lines[-1][1:], strict=False):
            before.setdefault(right, []).append(left)
    heights: dict[Node, float] = {}
    for nodes in columns:  # each beside the mean place of what leads to it
        nodes.sort(key=lambda node: sum(heights[left] for left in before.get(node, ())) / len(before.get(node, "x")))
        heights |= {node: _height(y, nodes) for y, node in enumerate(nodes)}
    return columns, lines


def _height(place: int, nodes: Sequence[Node]) -> float:
    return place - (len(nodes) - 1) / 2
