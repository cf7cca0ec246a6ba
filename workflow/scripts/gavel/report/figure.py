"""Figures of a page, and sentences that their captions share."""

import base64
import re
from dataclasses import dataclass, field

import pandas as pd
from markupsafe import Markup

from gavel.report.plots.style import BLUE, replace_in_tags
from gavel.report.results import Results

EMBEDDED = 100_000  # limit in bytes for a figure's data inside the page


@dataclass
class Figure:
    """A figure with its caption and the data behind it.

    Attributes:
        panels: (title, SVG text) of each; without panels, the page shows `missing` instead. The titles also name the
            SVG files.
        data: what the CSV link downloads.
        shown: number of panels that are not folded; None for all.
        data_file: address of a CSV file beside the page, for data that is too large to embed.
        wide, full: whether the panels are wider than the default, or as wide as the page.
    """

    name: str
    caption: str = ""
    data: pd.DataFrame = field(default_factory=pd.DataFrame)
    panels: list[tuple[str, str]] = field(default_factory=list)
    missing: str = ""
    wide: bool = False
    full: bool = False
    shown: int | None = None
    data_file: str | None = None

    def inline(self) -> list[tuple[str, Markup]]:
        """The panels for the page: with unique ids, a label for screen readers, and sizes left to the style sheet."""
        panels = []
        for place, (title, svg) in enumerate(self.panels):
            prefix = f"{self.name}-{place}-"
            # The dark theme needs a lighter blue; the other colours are visible in both themes.
            svg = replace_in_tags(
                svg,
                lambda tag, prefix=prefix: re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", tag).replace(
                    BLUE.lower(), "var(--blue)"
                ),
            )
            svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
            svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
            name = Markup.escape(
                f"{title}: {self.name.replace('-', ' ')}; see the caption and the linked CSV for the data"
            )
            svg = svg.replace("<svg", f'<svg role="img" aria-label="{name}"', 1)
            panels.append((title, Markup(svg)))
        return panels

    @property
    def link(self) -> str:
        """The data as a link: a data URL, or the file `data_file` beside the page for more than `EMBEDDED` bytes."""
        text = self.data.to_csv(index=False, float_format="%.6g").encode()
        if self.data_file and len(text) > EMBEDDED:
            return self.data_file
        return "data:text/csv;base64," + base64.b64encode(text).decode()


def rl_settings(results: Results) -> str:
    """The settings that all RL runs share."""
    rl = results.study["rl"]
    return (
        f"{rl['steps']} steps, {rl['prompts_per_step']} questions × {rl['num_generations']} completions per step, "
        f"learning rate {rl['learning_rate']:g}"
    )


def seeds_sentence(results: Results) -> str:
    """A sentence on what the intervals leave out: the variance between training seeds."""
    number = len({about.get("seed") for run, about in results.runs.items() if run != results.baseline.run})
    if number > 1:
        start = " All seeds start from one SFT checkpoint, whose own variance is left out."
        return (
            f"{number} seeds: intervals of single runs are over questions; the spread of the seeds shows the seed "
            f"variance.{start if results.baseline.run == 'sft' else ''}"
        )
    return "One seed: intervals cover the sampling of questions, not seed variance."
