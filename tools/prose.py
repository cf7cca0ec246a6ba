"""Where the product's prose is: passages of Markdown, Python, Snakemake, YAML, Jinja templates and notebooks.

Code, inserted values and addresses are replaced by `PLACEHOLDER`. Left out are code blocks, and what other tools write
from sources that are read here too: parts of pages between `<!-- x: begin -->` and `<!-- x: end -->`, and files in
`LEFT_OUT`.
"""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from inspect import cleandoc
from pathlib import Path
from typing import NamedTuple

import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PATTERNS = (
    "*.md",
    "docs/**/*.md",
    "config/**/*",
    "results/README.md",
    "benchmarks/*",
    "examples/*",
    "profiles/**/*",
    "resources/study/*",
    "tools/*",
    "workflow/**/*",
)
# Three that are generated, and the terms to avoid with their bad examples.
LEFT_OUT = {"cost.md", "what-has-been-run.md", "config.schema.yaml", "config_examples.yaml", "prose_terms.yaml"}
PLACEHOLDER = "`x`"

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_INLINE = {"softbreak": "\n", "hardbreak": "\n", "code_inline": PLACEHOLDER, "html_inline": "", "image": ""}
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_WRITTEN = re.compile(r"<!-- (\w+): begin -->.*?<!-- \1: end -->", re.DOTALL)
_PROSE = re.compile(r"[a-z]{2,}[,;:]? [a-z]+[,;:]? [a-z]{2,}")  # three words in a row
_FIELD = re.compile(r"\{\w*(?:[:!][^{}]*)?\}")  # of `str.format`
_WORDS = re.compile(r"\s*(\w+\s+){12,}\w*\s*")  # a list of words, not a sentence
_SECTION = re.compile(r"^( *)(Args|Attributes|Columns|Raises|Returns|Yields):$")
_NAMES = re.compile(r"^[\w*]+(?: \(\w+\))?(?:, [\w*]+(?: \(\w+\))?)*(?=: )")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_QUOTED = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"")
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Passage(NamedTuple):
    """A paragraph, list item, table cell, comment or string.

    Attributes:
        line: number of its first line in the file.
        text: with the file's line breaks.
    """

    line: int
    text: str


def _blank(text: str) -> str:
    """The line breaks of a text."""
    return "\n" * text.count("\n")


def markdown(text: str, first: int = 1) -> Iterator[Passage]:
    """The blocks of a Markdown text that begins in line `first`."""
    text = _WRITTEN.sub(lambda found: _blank(found[0]), text)
    for block in _MARKDOWN.parse(text):
        if block.type == "inline" and block.map:
            content = _CODE.sub(lambda found: PLACEHOLDER + _blank(found[0]), block.content)
            (line,) = _MARKDOWN.parseInline(content)
            words = "".join(_INLINE.get(each.type, each.content) for each in line.children or [])
            yield Passage(first + block.map[0], words)


def docstring(text: str, first: int = 1) -> Iterator[Passage]:
    """The blocks of a docstring; entries of `Args:` and such sections become list items, their names code."""
    lines: list[str] = []
    inside = None  # the section that a line belongs to
    for line in cleandoc(text).splitlines():
        indent = len(line) - len(line.lstrip())
        if section := _SECTION.match(line):
            inside = section
        elif inside and line and indent <= len(inside[1]):
            inside = None
        elif inside and indent == len(inside[1]) + 4:
            if inside[2] not in ("Returns", "Yields"):
                line = f"{inside[1]}- {_NAMES.sub(PLACEHOLDER, line.lstrip(), count=1)}"
            elif lines[-1] == inside[0]:
                line = f"{inside[1]}- {line.lstrip()}"
        lines.append(line)
    return markdown("\n".join(lines), first)


def strings(node: ast.AST) -> Iterator[Passage]:
    """The strings below a node of Python's syntax tree that read as prose, a passage for each line; no docstrings."""
    text = _literal(node)
    if text and _WORDS.fullmatch(text):
        return
    for line in (text or "").splitlines():
        if _PROSE.search(line):
            blocks = markdown(_FIELD.sub(PLACEHOLDER, line.strip()))
            yield from (block._replace(line=node.lineno) for block in blocks)
    if text is None:
        below = [child for child in ast.iter_child_nodes(node) if not _is_docstring(child, node)]
    else:
        below = [part.value for part in ast.walk(node) if isinstance(part, ast.FormattedValue)]
    for child in below:
        yield from strings(child)


def _literal(node: ast.AST) -> str | None:
    """The text of a string, an f-string or a sum of those; None for any other node."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_literal(part) or PLACEHOLDER for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [_literal(left), _literal(right)]
            return None if None in parts else "".join(parts)
    return None


def _is_docstring(node: ast.AST, parent: ast.AST) -> bool:
    return isinstance(parent, _DOCUMENTED) and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class _Comment(NamedTuple):
    """A comment's place and text; `alone` if no code precedes it on its line."""

    line: int
    column: int
    text: str
    alone: bool

    def continues(self, other: "_Comment") -> bool:
        """Whether the other comment is the line above, and this one its continuation."""
        return self.alone and other.alone and (self.line - 1, self.column) == (other.line, other.column)


def _joined(comments: Iterable[_Comment]) -> Iterator[Passage]:
    groups: list[list[_Comment]] = []
    for comment in comments:
        if groups and comment.continues(groups[-1][-1]):
            groups[-1].append(comment)
        else:
            groups.append([comment])
    for group in groups:
        yield from markdown("\n".join(comment.text.strip() for comment in group), group[0].line)


def comments(text: str) -> Iterator[Passage]:
    """The comments of Python or of a Snakefile, those on consecutive lines as one."""
    return _joined(
        _Comment(*token.start, token.string[1:], not token.line[: token.start[1]].strip())
        for token in _tokens(text)
        if token.type == tokenize.COMMENT and not re.match(r"#!|# (type|noqa|fmt)\b", token.string)
    )


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(text).readline)


def snakefile(text: str) -> Iterator[Passage]:
    """Comments and docstrings."""
    yield from comments(text)
    for token in _tokens(text):
        if token.type == tokenize.STRING and token.string.startswith('"""'):
            yield from docstring(ast.literal_eval(token.string), token.start[0])


def python(text: str, first: int = 1) -> Iterator[Passage]:
    """Docstrings, comments, and strings that read as prose."""
    tree = ast.parse(text)
    found = [*comments(text), *strings(tree)]
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node, clean=False)):
            found += docstring(text, node.body[0].lineno)
    return (passage._replace(line=passage.line + first - 1) for passage in found)


def settings(text: str) -> Iterator[Passage]:
    """The comments of YAML, and values that read as prose."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        mark = re.match(r"((?:[^'\"]|'[^']*'|\"[^\"]*\")*?(?:^|(?<=\s)))#", line)
        if mark:
            found.append(_Comment(number, mark.end(), line[mark.end() :], not mark[1].strip()))
    yield from _joined(found)
    waiting = [yaml.compose(text, Loader=yaml.CSafeLoader)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode) and _PROSE.search(node.value):
            yield Passage(node.start_mark.line + 1, node.value)
        elif isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _without_jinja(text: str) -> str:
    """A template with placeholders for what it inserts. An alternative begins a new sentence."""

    def replaced(found: re.Match) -> str:
        if found[0].startswith("{{"):
            return PLACEHOLDER + _blank(found[0])
        return (". " if re.match(r"\{%-? *el", found[0]) else "") + _blank(found[0])

    return _JINJA.sub(replaced, text)


def _quoted(text: str) -> Iterator[Passage]:
    """The strings in a template's expressions that read as prose."""
    for tag in _JINJA.finditer(text):
        for string in _QUOTED.finditer(tag[0]):
            if _PROSE.search(words := string[1] or string[2] or ""):
                yield Passage(text.count("\n", 0, tag.start() + string.start()) + 1, words)


def markdown_template(text: str) -> Iterator[Passage]:
    yield from markdown(_without_jinja(text))
    yield from _quoted(text)


class _Page(HTMLParser):
    """The text between a page's block elements."""

    INLINE = frozenset("a abbr b em i q small span strong sub sup".split())
    CODE = frozenset("code kbd pre script style svg".split())

    def __init__(self) -> None:
        super().__init__()
        self.passages: list[Passage] = []
        self.open: list[Passage] = []
        self.code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.code += tag in self.CODE
        if tag in self.CODE:
            self.open.append(Passage(self.getpos()[0], PLACEHOLDER))
        elif tag not in self.INLINE:
            self.end()
        for name, value in attrs:
            if name in ("alt", "aria-label", "title") and value:
                self.passages.append(Passage(self.getpos()[0], value))

    def handle_endtag(self, tag: str) -> None:
        self.code -= tag in self.CODE
        if tag not in self.INLINE | self.CODE:
            self.end()

    def handle_data(self, data: str) -> None:
        if not self.code:
            self.open.append(Passage(self.getpos()[0], data))

    def end(self) -> None:
        text = "".join(part.text for part in self.open)
        if text.strip():
            line = self.open[0].line + text[: len(text) - len(text.lstrip())].count("\n")
            self.passages.append(Passage(line, text.strip()))
        self.open = []


def html_template(text: str) -> Iterator[Passage]:
    page = _Page()
    page.feed(_without_jinja(text))
    page.close()
    page.end()
    yield from page.passages
    yield from _quoted(text)


def notebook(text: str) -> Iterator[Passage]:
    """Markdown cells, and the code cells' comments and strings."""
    lines, line = text.splitlines(), 0
    for cell in json.loads(text)["cells"]:
        shown = json.dumps(cell["source"][0], ensure_ascii=False)
        line = next(place for place in range(line, len(lines)) if lines[place].strip().rstrip(",") == shown)
        yield from (markdown if cell["cell_type"] == "markdown" else python)("".join(cell["source"]), line + 1)


READERS = {
    ".md.j2": markdown_template,
    ".rst": markdown_template,
    ".j2": html_template,
    ".md": markdown,
    ".py": python,
    ".ipynb": notebook,
    ".smk": snakefile,
    "Snakefile": snakefile,
    ".yaml": settings,
}


def files() -> list[Path]:
    """The files that have prose of ours."""
    found = {path for pattern in PATTERNS for path in ROOT.glob(pattern) if path.name not in LEFT_OUT}
    return sorted(path for path in found if path.name.endswith(tuple(READERS)))


def passages(path: Path) -> list[Passage]:
    """A file's prose, from its first line to its last."""
    reader = next(reader for ending, reader in READERS.items() if path.name.endswith(ending))
    return sorted(reader(path.read_text(encoding="utf-8")))
