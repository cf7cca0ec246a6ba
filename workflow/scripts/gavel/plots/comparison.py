"""Figures over several studies."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gavel.plots.style import accuracy_axis, drawn, legend, named, panel, run_styles

CROWDED = 4  # more names than this are written aslant
WIDE = 8.0  # a largest place so many times the smallest is drawn on a logarithmic axis


@drawn
def accuracy_against(rows: pd.DataFrame, text: str) -> Figure:
    """Accuracy of every kind of run on one test set against what the studies differ in.

    Args:
        rows: one per study and run: study, x, run, label, algorithm, lambda, value, low, high.
        text: axis label; empty where x only numbers the studies.
    """
    figure, axes = panel(width=5.2, height=3.4)
    once = rows.drop_duplicates("run")  # not by lambda, of which SFT has none
    runs = list(zip(once.run, once.algorithm, once["lambda"], strict=True))
    styles = run_styles(runs)
    spots = rows.groupby("study", sort=False).x.first()
    logarithmic = bool(text) and spots.min() > 0 and spots.max() / spots.min() > WIDE
    scale, back = (np.log, np.exp) if logarithmic else (lambda x: x, lambda x: x)
    width = np.ptp(scale(spots)) or 1.0
    for place, (run, _, _) in enumerate(runs):
        own = rows[rows.run == run].sort_values("x")
        x = back(scale(own.x) + 0.012 * width * (place - (len(runs) - 1) / 2))
        spread = 100 * np.array([own.value - own.low, own.high - own.value]).clip(0)
        style = styles[run] if text else styles[run] | {"linestyle": "none"}
        axes.errorbar(x, 100 * own.value, yerr=spread, label=named(own.label.iloc[0]), elinewidth=1.2, **style)
    if logarithmic:
        axes.set_xscale("log")
    ticks = [name if not text else f"{x:,.3g}\n{name}" for name, x in spots.items()]
    slanted = {} if text or len(spots) <= CROWDED else {"rotation": 35, "ha": "right"}
    axes.set_xticks(list(spots), ticks, fontsize=8, **slanted)
    axes.minorticks_off()
    axes.set_xlabel(text)
    accuracy_axis(axes)
    legend(figure, axes, 3)
    return figure
