"""Drawing takes most of a page's time, and most tests render a page whose figures another one has drawn already."""

import pickle

import pytest

from gavel.report.plots import style

DRAW = style.svg_text


@pytest.fixture(scope="session")
def figures():
    """(function, its arguments as bytes) -> SVG text."""
    return {}


@pytest.fixture(scope="module", autouse=True)
def draw_once(figures):
    """A figure is drawn once for each content of its arguments."""

    def remembered(draw, args, kwargs):
        key = f"{draw.__module__}.{draw.__qualname__}", pickle.dumps((args, kwargs))
        if key not in figures:
            figures[key] = DRAW(draw, args, kwargs)
        return figures[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "svg_text", remembered)
        yield


@pytest.fixture
def draw_anew(draw_once, monkeypatch):
    """For tests of the drawing itself."""
    monkeypatch.setattr(style, "svg_text", DRAW)
