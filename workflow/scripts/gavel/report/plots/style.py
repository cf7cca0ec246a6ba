"""The style of all figures: colours and sizes, and the conversion from a matplotlib figure to SVG text.

On all pages, a run's hue is its λ, and its line style and marker are its algorithm (`run_styles`). What is no run, such
as a judge, is drawn in the text's colour or in grey.
"""

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import matplotlib
from markupsafe import escape
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gavel.report.baseline import BASELINES

# Okabe and Ito's colours, which colour-blind readers can distinguish. Yellow and black are left out, because one is
# invisible on a white page and the other on a dark one.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
)
GREY = "#8A8A8A"
COLOUR_NAMES = {
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    VERMILION: "vermilion",
    PURPLE: "purple",
    SKY: "sky blue",
}
# Stands for the colour of the surrounding page in text and axes, so that figures are readable on a dark page.
INK = "#010203"
RC = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "errorbar.capsize": 2.5,
    "font.family": ["DejaVu Sans"],
    "font.size": 10,  # about 12 pixels where three panels are side by side
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.fontsize": 10,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "gavel",
    "text.color": INK,
    # Labels are names and kinds from files and configs, where `$x^2$` is not a formula.
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": INK,
    "ytick.color": INK,
}
MARKERS = "osD^vP"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # not allowed in XML, and so not in SVG
_UNHIDDEN = "\u200b"  # put before a leading `_`: matplotlib omits such labels from the legend
DASHES = ("-", "--", ":", "-.")
_MARK = re.compile(r'<g id="mark-([0-9a-f]*)-([0-9a-f]*)">')


def as_svg(draw: Callable[..., Figure]) -> Callable[..., str]:
    """Decorate a function that draws a figure to return SVG text: the same bytes for the same data."""

    @wraps(draw)
    def svg(*args: Any, **kwargs: Any) -> str:
        return svg_text(draw, args, kwargs)

    return svg


def svg_text(draw: Callable[..., Figure], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The figure that `draw` makes of its arguments, as SVG text in the style of this module."""
    with matplotlib.rc_context(RC):
        out = io.StringIO()
        draw(*args, **kwargs).savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    # A page cannot contain the XML prologue, and the metadata block is empty without date and creator.
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = _MARK.sub(_marked, text)
    # Fallback fonts that are as wide as the one that the layout was computed with.
    changes = {"'DejaVu Sans'": "'DejaVu Sans', Verdana, sans-serif", INK: "currentColor"}
    text = replace_in_tags(text, lambda tag: _replaced(tag, changes)).replace(f"{_UNHIDDEN}_", "_")
    return _CONTROL.sub("\ufffd", text).strip()


def mark(artist: Artist, run: str = "", hint: str = "") -> None:
    """Mark an artist of a figure on a page.

    Args:
        run: a run's or a kind of run's label. The page can highlight everything that has it.
        hint: a text that browsers show where the pointer is on the artist.
    """
    artist.set_gid(f"mark-{run.encode().hex()}-{hint.encode().hex()}")


def _marked(tag: re.Match[str]) -> str:
    run, hint = (escape(bytes.fromhex(part).decode()) for part in tag.groups())
    return (f'<g data-run="{run}">' if run else "<g>") + (f"<title>{hint}</title>" if hint else "")


def replace_in_tags(svg: str, change: Callable[[str], str]) -> str:
    """Apply a change to the tags of an SVG text, but not to the text between them."""
    return re.sub(r"<[^>]*>", lambda tag: change(tag[0]), svg)


def _replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def legend_label(text: str) -> str:
    """A label that matplotlib shows in the legend even if it begins with `_`."""
    return f"{_UNHIDDEN}{text}" if text.startswith("_") else text


def panel(width: float = 4.2, height: float = 2.7) -> tuple[Figure, Axes]:
    """A figure with one panel. Sizes are in inches; three of the default fit side by side on a page of 1,280 pixels."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def legend(figure: Figure, axes: Axes, columns: int) -> None:
    """Add a legend above the panel, where it hides no data and may be wider than the axes."""
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper left",
        ncols=columns,
        borderaxespad=0.0,
        columnspacing=1.2,
    )


def accuracy_axis(axes: Axes) -> None:
    """Label the y axis as accuracy in %, with ticks at round numbers."""
    axes.set_ylabel("accuracy, %")
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=True))


def lambda_colours(lambdas: Sequence[float]) -> dict[float, str]:
    """λ → colour: vermilion for judge only (0), blue for verifier only (1), other colours for mixtures."""
    mixed = (GREEN, PURPLE, ORANGE, SKY)
    inner = [lam for lam in sorted(set(lambdas)) if 0 < lam < 1]
    return {0.0: VERMILION, 1.0: BLUE} | {lam: mixed[index % len(mixed)] for index, lam in enumerate(inner)}


def run_styles(runs: Sequence[tuple[str, str, float | None]]) -> dict[str, dict[str, Any]]:
    """Line colour (λ), dash and marker (algorithm) of each (run, algorithm, λ); grey for the baseline."""
    colours = lambda_colours([lam for _, algorithm, lam in runs if algorithm not in BASELINES])
    algorithms = list(dict.fromkeys(algorithm for _, algorithm, _ in runs if algorithm not in BASELINES))
    styles = {}
    for run, algorithm, lam in runs:
        if algorithm in BASELINES:
            styles[run] = {"color": GREY, "linestyle": "-", "marker": "D"}
            continue
        place = algorithms.index(algorithm)
        style = {"color": colours[lam], "linestyle": DASHES[place % len(DASHES)]}
        styles[run] = style | {"marker": MARKERS[place % len(MARKERS)]}
    return styles


def label(run: str, algorithm: str, lam: float | None, seed: object = None) -> str:
    """A run's name in legends, tables and sentences, with its seed if one is given."""
    if algorithm in BASELINES:
        return BASELINES[algorithm].label
    return f"{algorithm.upper()} λ\u00a0=\u00a0{lam:g}" + ("" if seed is None else f", seed {seed}")
