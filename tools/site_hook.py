"""mkdocs hook: the site carries the files outside docs/ that its pages link to, so links work there as on GitHub.

A page of the project that is in `PAGES` is a page of the site. Any other file gets a page that shows its text, below
`files`. A link to a folder becomes plain text.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
# File of the project -> its page in the site.
PAGES = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "config/README.md": "reference/config-files.md",
    "results/README.md": "reference/results.md",
}
SOURCES = {uri: source for source, uri in PAGES.items()}
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")
LANGUAGES = {".py": "python", ".smk": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".ipynb": "json"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/, and those of other files that pages link to."""
    for source, uri in PAGES.items():
        files.append(File.generated(config, uri, content=(ROOT / source).read_text(encoding="utf-8")))
    linked = {target for file in files.documentation_pages() for target in _outside(file)}
    for target in sorted(linked):
        if (ROOT / target).is_file():
            files.append(File.generated(config, _shown(target), content=_page(target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of docs/ to the site's pages."""

    def inside(match: re.Match[str]) -> str:
        target = _target(page.file.src_uri, match["path"])
        if target.startswith("docs/"):
            uri = target.removeprefix("docs/")
        elif (ROOT / target).is_dir():
            return match["text"]
        else:
            uri = _shown(target)
        start = PurePosixPath(page.file.src_uri).parent
        return f"[{match['text']}]({relpath(uri, start)}{match['anchor'] or ''})"

    return LINK.sub(inside, markdown)


def _outside(file: File) -> Iterator[str]:
    """The files and folders outside docs/ that a page links to, relative to the project."""
    for match in LINK.finditer(file.content_string):
        target = _target(file.src_uri, match["path"])
        if not target.startswith("docs/") and target not in PAGES:
            yield target


def _target(uri: str, path: str) -> str:
    """What a page's link leads to, relative to the project."""
    source = SOURCES.get(uri, f"docs/{uri}")
    return normpath(str(PurePosixPath(source).parent / path))


def _shown(target: str) -> str:
    return PAGES.get(target, f"files/{target}.md")


def _page(target: str) -> str:
    """A file's text as a page, which the site's search leaves out."""
    text = (ROOT / target).read_text(encoding="utf-8")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    head = f"---\ntitle: {target}\nsearch: {{exclude: true}}\n---\n\n# {target}\n\n"
    return f"{head}{fence}{LANGUAGES.get(Path(target).suffix, 'text')}\n{text}\n{fence}\n"
