"""Figures that hold judges against each other."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from gavel.plots.style import (
    BLUE,
    GREEN,
    GREY,
    MARKERS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    accuracy_axis,
    drawn,
    legend,
    panel,
)

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY)
ROOM = 2.0  # the axis goes on to so many times the largest cost, and as far below the smallest
BESIDE = 0.012  # of the axis, between judges that cost the same


@drawn
def accuracy_against_cost(rows: pd.DataFrame) -> Figure:
    """Accuracy of each judge against the tokens that it reads and writes for a pair, on a logarithmic axis.

    Args:
        rows: one per judge: label, tokens (above 0), accuracy, low, high.
    """
    figure, axes = panel(width=5.2, height=3.4)
    axes.axhline(50, color=GREY, linewidth=1, linestyle="--", label="chance")
    least, most = rows.tokens.min() / ROOM, rows.tokens.max() * ROOM
    for place, row in enumerate(rows.itertuples()):
        spread = 100 * np.array([[row.accuracy - row.low], [row.high - row.accuracy]]).clip(0)
        axes.errorbar(
            row.tokens * (most / least) ** (BESIDE * (place - (len(rows) - 1) / 2)),
            100 * row.accuracy,
            yerr=spread,
            fmt=MARKERS[place // len(COLOURS) % len(MARKERS)],
            color=COLOURS[place % len(COLOURS)],
            elinewidth=1.2,
            label=row.label,
        )
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.3g}" if value < 1000 else f"{value:,.0f}")
    axes.minorticks_off()
    axes.set_xlabel("tokens read and written, a pair")
    accuracy_axis(axes)
    legend(figure, axes, 3)
    return figure
