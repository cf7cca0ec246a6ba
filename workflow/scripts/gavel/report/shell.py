"""What every page has in common: templates, style, script, and the files beside it."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup

from gavel.files import write_text
from gavel.report.figures import Figure

# Part of the code digest: an edit of the page remakes the report.
DATA_FILES = ("report/page.*",)


def write_page(template: str, context: dict, out: str | Path) -> None:
    """Fill in a template of this folder; it gets `css` and `js` too."""
    folder = files("gavel.report")

    def read(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = {"css": Markup(read("page.css")), "js": Markup(read("page.js"))}
    write_text(out, environment.get_template(template).render(**style, **context))


def write_figures(drawn: Sequence[Figure], folder: Path) -> None:
    """Write every panel as an SVG file, and each figure's data as CSV."""
    for figure in drawn:
        for title, svg in figure.panels:
            suffix = "-".join("".join(char if char.isalnum() else " " for char in title).lower().split())
            # Alone, a figure has no page to take its colours from: black on white.
            svg = svg.replace("<svg", '<svg style="background: #fff"', 1)
            write_text(folder / f"{figure.name}-{suffix}.svg", svg + "\n")
        if figure.panels:
            write_text(folder / f"{figure.name}.csv", figure.data.to_csv(index=False, float_format="%.6g"))
