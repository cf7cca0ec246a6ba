"""Links between pages resolve, commands in the README exist, and the table of shipped studies is complete."""

import re
from pathlib import Path

import pytest

from gavel.cli.main import COMMANDS
from gavel.common.paths import ROOT

PAGES = [
    path
    for pattern in ("*.md", "config/*.md", "docs/**/*.md", "results/*.md", "benchmarks/*.md")
    for path in sorted(ROOT.glob(pattern))
]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text(path: Path) -> str:
    """A page without its diffs, in which brackets and parentheses are code."""
    return re.sub(r"^```diff\n.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(page):
    for link in LINK.findall(text(page)):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_make_targets_and_subcommands_exist():
    pages = "\n".join(text(page) for page in PAGES)
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)", pages)) <= set(rules)
    named = set(re.findall(r"(?:`|    )(?:\.venv/bin/)?gavel ([a-z]+)", pages))
    assert named <= {register.__name__.removeprefix("add_") for register in COMMANDS}


def test_the_table_of_shipped_studies_is_complete():
    listed = re.findall(r"^\| `([\w.-]+\.yaml)` \|", (ROOT / "config/README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "config").glob("*.yaml"))
