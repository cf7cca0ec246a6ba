"""A figure of the page."""

import base64
import re
from dataclasses import dataclass, field

import pandas as pd
from markupsafe import Markup

from gavel.report.plots.style import BLUE, in_tags
from gavel.report.results import Results

EMBEDDED = 100_000  # bytes of a figure's data that the page itself holds


@dataclass
class Figure:
    """`panels` are (title, SVG text); without any, `missing` is shown. `data` may be downloaded; where it is large,
    from the file `beside` the page, if there is one."""

    name: str
    caption: str = ""
    data: pd.DataFrame = field(default_factory=pd.DataFrame)
    panels: list[tuple[str, str]] = field(default_factory=list)
    missing: str = ""
    wide: bool = False
    full: bool = False
    beside: str | None = None

    def inline(self) -> list[tuple[str, Markup]]:
        """Panels for the page: unique ids, a label for screen readers, the size left to the style sheet."""
        found = []
        for place, (title, svg) in enumerate(self.panels):
            prefix = f"{self.name}-{place}-"
            # The page has a lighter blue for its dark theme; the other colours stand out on both.
            svg = in_tags(
                svg,
                lambda tag, prefix=prefix: re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", tag).replace(
                    BLUE.lower(), "var(--blue)"
                ),
            )
            svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
            svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
            name = Markup.escape(
                f"{title}: {self.name.replace('-', ' ')}; the caption and the linked CSV have the data"
            )
            svg = svg.replace("<svg", f'<svg role="img" aria-label="{name}"', 1)
            found.append((title, Markup(svg)))
        return found

    @property
    def link(self) -> str:
        """The data as a link that works without a network, and up to `EMBEDDED` bytes without a second file."""
        text = self.data.to_csv(index=False, float_format="%.6g").encode()
        if self.beside and len(text) > EMBEDDED:
            return self.beside
        return "data:text/csv;base64," + base64.b64encode(text).decode()


def rl_settings(results: Results) -> str:
    """What all RL cells have in common, from the configuration."""
    rl = results.study["rl"]
    return (
        f"{rl['steps']} steps, {rl['prompts_per_step']} questions × {rl['num_generations']} completions a step, "
        f"learning rate {rl['learning_rate']:g}"
    )


def seeds_sentence(results: Results) -> str:
    """'One seed' where there is one: what the intervals do not cover."""
    number = len({about.get("seed") for run, about in results.runs.items() if run != "sft"})
    if number > 1:
        return f"{number} seeds: intervals are over questions, the spread of the seeds shows training's luck."
    return "One seed: the intervals cover the choice of questions, not the luck of training."
