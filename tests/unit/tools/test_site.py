"""The documentation site builds without a warning, and its links lead to files of the site."""

import re
from urllib.parse import unquote

import pytest

from gavel.common.paths import ROOT
from helpers import docs_site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return docs_site.build(tmp_path_factory.mktemp("site"))


def links(page):
    return re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8"))


def test_every_page_of_docs_is_in_the_navigation(site):
    home = {unquote(link) for link in links(site / "index.html")}
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert pages <= home


def test_links_lead_to_files_of_the_site(site):
    for page in site.glob("**/*.html"):
        if page.name == "404.html":
            continue  # its links are those of a server's root
        for link in links(page):
            if not re.match(r"[a-z]+:", link):
                assert (page.parent / unquote(link)).exists(), f"{page}: {link}"


def test_nothing_is_loaded_from_a_network(site):
    for page in site.glob("**/*.html"):
        loaded = re.findall(r'<(?:script|img|iframe|link)[^>]+(?:src|href)="([^"]+)', page.read_text(encoding="utf-8"))
        assert loaded and not [link for link in loaded if re.match(r"(https?:)?//", link)], page


def test_files_outside_docs_are_pages_of_the_site(site):
    contributing = (site / "project" / "contributing.html").read_text(encoding="utf-8")
    assert "Where the key steps are" in contributing
    shown = (site / "files" / "config" / "own-model.yaml.html").read_text(encoding="utf-8")
    assert "models/SmolLM2-135M-Instruct.Q4_1.gguf" in shown
