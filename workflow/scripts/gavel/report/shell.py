"""What every page has in common: templates, style, script, what it may load, and the files beside it.

A page may load nothing and run nothing but its own style and script, which its policy names by their digests: markup
that got into it by way of a name or a solution would stay without effect.
"""

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from html import unescape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from gavel.files import write_text
from gavel.report.figures import Figure

# Part of the code digest: an edit of the page remakes the report.
DATA_FILES = ("report/page.*",)
# Where policy and style belong, which are known once the page is filled in. No text of a page can look like these.
_POLICY, _STYLE = "<!-- policy -->", "<!-- style -->"
_FIGURE = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
_SHEET = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
_ATTRIBUTE = re.compile(r'(<[a-zA-Z][^<>]*?) style="([^"]*)"')


def write_page(template: str, context: dict, out: str | Path) -> None:
    """Fill in a template of this folder; it gets `policy`, `style` and `js` too."""
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
    js = f"\n{read('page.js')}\n"
    own = {"policy": Markup(_POLICY), "style": Markup(_STYLE), "js": Markup(js)}
    html, rules = _styled(environment.get_template(template).render(**own, **context))
    css = f"\n{read('page.css')}{rules}\n"
    html = html.replace(_POLICY, f'<meta http-equiv="Content-Security-Policy" content="{policy(css, js)}">', 1)
    write_text(out, html.replace(_STYLE, f"<style>{css}</style>", 1))


def policy(css: str, js: str) -> str:
    """A content security policy of a page with this style and script, which loads nothing (its icon is empty data)."""
    return (
        f"default-src 'none'; style-src {_digest(css)}; script-src {_digest(js)}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _styled(html: str) -> tuple[str, str]:
    """A page whose figures have classes in place of `style` attributes, which a policy would have to name one by one;
    and the rules of these classes."""
    rules: dict[str, None] = {}

    def marked(tag: re.Match) -> str:
        name = f"s{hashlib.sha256(tag[2].encode()).hexdigest()[:10]}"
        rules[f".{name} {{ {unescape(tag[2])} }}"] = None
        return f'{tag[1]} class="{name}"'

    def figure(svg: re.Match) -> str:
        for text in _SHEET.findall(svg[0]):
            rules[f"svg {text.strip()}"] = None  # of all its elements
        return _ATTRIBUTE.sub(marked, _SHEET.sub("", svg[0]))

    html = _FIGURE.sub(figure, html)
    return html, "\n".join(rules)


def address(path: Path, page: Path) -> str:
    """A file's address as a page links to it, whatever its folders are called."""
    return quote(os.fsencode(beside(path, page)))


def beside(path: Path, page: Path) -> str:
    """A file's path from the folder of a page."""
    return os.path.relpath(path, page.parent).replace(os.sep, "/")


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
