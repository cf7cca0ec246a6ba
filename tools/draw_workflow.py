"""Draw the rule graph of the default study for the report; `make docs` runs this.

Snakemake gives the graph; Graphviz is not needed. Writes two files into the report package, the drawing and its edges
as a table, and the drawing for docs/.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

from gavel.common.files import write_text

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "workflow" / "scripts" / "gavel" / "report"
DOCS = ROOT / "docs" / "assets"
NODE = re.compile(r'^\s*(\d+)\[label = "([^"]+)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\d+) -> (\d+)", re.MULTILINE)

STEP_X, STEP_Y, MARGIN = 100, 46, 6  # column spacing, row spacing, outer margin
WIDTH, HEIGHT = 76, 30  # of a box
# The colours of the report's figures (`gavel.report.plots.style`). The page replaces the blue by a lighter one in its
# dark theme, and text inherits the page's colour.
BLUE, GREY, INK = "#0072b2", "#8a8a8a", "currentColor"

Edge = tuple[str, str]  # a rule and one that uses its files
Node = tuple[str, int]  # a rule and its column, or an edge that passes through a column


def rulegraph() -> str:
    """The rules that the default study's report depends on, in the dot language."""
    command = [sys.executable, "-m", "snakemake", "--nolock", "--quiet", "all", "--rulegraph", "dot"]
    command += ["--configfile", "config/config.yaml", "--", "results/report.html"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def edges(dot: str) -> list[Edge]:
    """The edges of a graph's transitive reduction.

    Alternating rules, such as a self-taught judge's judgments and training, become one node with both names.
    """
    names = dict(NODE.findall(dot))
    found = {(names[a], names[b]) for a, b in EDGE.findall(dot)}
    after = _followers(found)
    turns = {
        rule: ", ".join(sorted({rule} | {other for other in after[rule] if rule in after[other]})) for rule in after
    }
    found = {(turns[a], turns[b]) for a, b in found if turns[a] != turns[b]}
    after = _followers(found)
    return sorted((a, b) for a, b in found if not any(b in after[other] for o, other in found if o == a and other != b))


def _followers(pairs: set[Edge]) -> dict[str, set[str]]:
    """Rule -> all rules that depend on it, including itself if it is in a cycle."""
    after: dict[str, set[str]] = {rule: set() for pair in pairs for rule in pair}
    for rule, known in after.items():
        waiting = [b for a, b in pairs if a == rule]
        while waiting:
            follower = waiting.pop()
            if follower not in known:
                known.add(follower)
                waiting += [b for a, b in pairs if a == follower]
    return after


def table(pairs: Sequence[Edge]) -> str:
    """The edges as CSV."""
    return "".join(f'"{a}","{b}"\n' if "," in a + b else f"{a},{b}\n" for a, b in [("rule", "needed_by"), *pairs])


def svg(pairs: Sequence[Edge]) -> str:
    """Draw boxes with arrows from left to right; each rule is to the right of all rules that it depends on.

    Args:
        pairs: edges without cycles.
    """
    columns, lines = _layers(pairs)
    rows = max(map(len, columns))
    places = {
        node: (MARGIN + WIDTH / 2 + x * STEP_X, MARGIN + HEIGHT / 2 + (_height(y, nodes) + (rows - 1) / 2) * STEP_Y)
        for x, nodes in enumerate(columns)
        for y, node in enumerate(nodes)
    }
    width = 2 * MARGIN + WIDTH + (len(columns) - 1) * STEP_X
    height = 2 * MARGIN + HEIGHT + (rows - 1) * STEP_Y
    said = "; ".join(f"{a} leads to {b}" for a, b in pairs)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<desc>{escape(said)}</desc>",
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 1 8 4 0 7z" fill="{GREY}"/></marker></defs>',
        f'<g fill="none" stroke="{GREY}" stroke-width="1.2">',
    ]
    for line in lines:
        # From the right side of the first box to the left side of the last one.
        sides = [(x + side * WIDTH / 2, y) for x, y in (places[node] for node in line) for side in (-1, 1)]
        way = " ".join(f"{x:g},{y:g}" for x, y in sides[1:-1])
        parts.append(f'<polyline points="{way}" marker-end="url(#tip)"/>')
    boxes = {rule: place for (rule, _), place in places.items() if rule in {end for pair in pairs for end in pair}}
    parts += ["</g>", f'<g fill="none" stroke="{BLUE}" stroke-width="1.5">']
    for x, y in boxes.values():
        parts.append(f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>')
    font = "'DejaVu Sans', Verdana, sans-serif"
    parts += ["</g>", f'<g fill="{INK}" font-family="{font}" font-size="10" text-anchor="middle">']
    for rule, (x, y) in boxes.items():
        words = rule.split(", ") if ", " in rule else rule.split("_", 1)
        for place, word in enumerate(words):
            baseline = y + 3.5 + (place - (len(words) - 1) / 2) * 11.5
            parts.append(f'<text x="{x:g}" y="{baseline:g}">{escape(word)}</text>')
    return "\n".join([*parts, "</g>", "</svg>"]) + "\n"


def on_a_page(drawing: str) -> str:
    """The drawing with a background and colours of its own, for a page that shows it as an image.

    An image does not get the page's colours, and its theme may differ from the page's.
    """
    style = (
        "<style>svg{color:#24292f}.ground{fill:#fff}"
        "@media(prefers-color-scheme:dark){svg{color:#e6e6e6}.ground{fill:#1c2128}}</style>\n"
        '<rect class="ground" width="100%" height="100%" rx="6"/>'
    )
    return drawing.replace("</desc>\n", f"</desc>\n{style}\n", 1)


def _layers(pairs: Sequence[Edge]) -> tuple[list[list[Node]], list[list[Node]]]:
    """The nodes of each column from top to bottom, and each edge's nodes from column to column."""
    needs: dict[str, list[str]] = {}
    for a, b in pairs:
        needs.setdefault(a, [])
        needs.setdefault(b, []).append(a)

    def depth(rule: str) -> int:
        return 1 + max(map(depth, needs[rule]), default=-1)

    depths = {rule: depth(rule) for rule in needs}
    columns: list[list[Node]] = [[] for _ in range(1 + max(depths.values()))]
    for rule in sorted(needs):
        columns[depths[rule]].append((rule, depths[rule]))
    lines, before = [], {}
    for a, b in pairs:
        passing = [(f"{a} to {b}", x) for x in range(depths[a] + 1, depths[b])]
        lines.append([(a, depths[a]), *passing, (b, depths[b])])
        for node in passing:
            columns[node[1]].append(node)
        for left, right in zip(lines[-1], lines[-1][1:], strict=False):
            before.setdefault(right, []).append(left)
    heights: dict[Node, float] = {}
    for nodes in columns:  # sort each node by the mean height of its predecessors
        nodes.sort(key=lambda node: sum(heights[left] for left in before.get(node, ())) / len(before.get(node, "x")))
        heights |= {node: _height(y, nodes) for y, node in enumerate(nodes)}
    return columns, lines


def _height(place: int, nodes: Sequence[Node]) -> float:
    return place - (len(nodes) - 1) / 2


if __name__ == "__main__":
    drawn = edges(rulegraph())
    write_text(REPORT / "workflow.svg", svg(drawn))
    write_text(REPORT / "workflow.csv", table(drawn))
    write_text(DOCS / "workflow.svg", on_a_page(svg(drawn)))
