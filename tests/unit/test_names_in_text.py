"""What docstrings, comments and pages call by name exists: modules, their members, exceptions, files."""

import ast
import builtins
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from gavel.common.paths import ROOT

LIBRARY = ROOT / "workflow" / "scripts"
TEXTS = [
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "config/*.md",
        "benchmarks/*",
        "examples/*",
        "results/*.md",
        "workflow/**/*",
        "tests/**/*.py",
        "tools/*",
    )
    for path in sorted(ROOT.glob(pattern))
    if path.suffix in (".md", ".py", ".smk", ".j2") and path != Path(__file__).resolve()
]
# Names of MLflow's tags and of things in tests, which only look like modules.
OTHERS = {"gavel.digest", "gavel.json", "gavel.key", "gavel.yaml"}
CODE = [path for path in TEXTS if path.suffix == ".py"]
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
RAISES = re.compile(r"^( *)Raises:\n((?:\1 +.*\n?|\n)+)", re.MULTILINE)


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or a member of one."""
    words = name.split(".")
    for end in range(len(words), 0, -1):
        module = ".".join(words[:end])
        try:
            spec = find_spec(module)
        except ModuleNotFoundError:
            continue
        if spec is None:
            continue
        found = import_module(module)
        for word in words[end:]:
            found = getattr(found, word, None)
        return found is not None
    return False


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_text_names_exists(path):
    text = re.sub(r"^```diff\n.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    names = set(re.findall(r"`(gavel(?:\.\w+)+)`", text)) - OTHERS
    assert [name for name in sorted(names) if not exists(name)] == []
    files = set(re.findall(r"(?<![\w.])(gavel/(?:\w+/)*\w+\.(?:py|txt|j2|css|js))", text))
    files = {name for name in files if path.name != "test_code_digest.py"}
    assert [name for name in sorted(files) if not (LIBRARY / name).exists()] == []
    members = re.findall(r"`gavel/([\w/]+)\.py`: `([\w.]+)`", text)
    members += [(module, name) for name, module in re.findall(r"`(\w+)` in\s+`gavel/([\w/]+)\.py`", text)]
    dotted = {f"gavel.{module.replace('/', '.')}.{name}" for module, name in members}
    assert [name for name in sorted(dotted) if not exists(name)] == []
    tests = set(re.findall(r"(?<![\w./])tests/(?:\w+/)*\w+(?:\.(?:py|jsonl))?", text))
    assert [name for name in sorted(tests) if not (ROOT / name).exists()] == []


def test_contributing_says_where_the_key_steps_are():
    section = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Where the key steps are")[1].split("\n## ")[0]
    )
    questions = re.split(r"^- ", section, flags=re.MULTILINE)[1:]
    assert len(questions) == 6
    assert all(re.search(r"\?.*`gavel/[\w/]+\.py`: `[\w.]+`", text, re.DOTALL) for text in questions)


def raised(docstring: str) -> Iterator[str]:
    """The exceptions that a docstring names: under `Raises:`, and in sentences such as 'Raises `InputError` if'."""
    for section in RAISES.finditer(docstring):
        indent = min(len(line) - len(line.lstrip()) for line in section[2].splitlines() if line.strip())
        yield from re.findall(rf"^ {{{indent}}}(\w[\w.]*):", section[2], re.MULTILINE)
    yield from re.findall(r"\b[Rr]aises? `(\w+)`", docstring)


def test_the_exceptions_of_a_docstring_are_found():
    text = "Do.\n\nRaises:\n    InputError: bad, as in\n        this: line.\n    OSError: full.\n"
    assert [*raised(text)] == ["InputError", "OSError"]
    assert [*raised("Check. Raises `InputError` if it fails.")] == ["InputError"]


@pytest.fixture(scope="module")
def classes():
    """The names of all classes of library, tests and tools."""
    trees = [ast.parse(path.read_bytes()) for path in CODE]
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_docstring_says_is_raised_exists(path, classes):
    nodes = [*ast.walk(ast.parse(path.read_bytes()))]
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {alias.asname or alias.name for node in imports for alias in node.names}
    imported |= {(node.module or "").partition(".")[0] for node in imports if isinstance(node, ast.ImportFrom)}
    docstrings = [ast.get_docstring(node) or "" for node in nodes if isinstance(node, DOCUMENTED)]
    names = {name for text in docstrings for name in raised(text)}
    known = classes | imported | set(dir(builtins))
    assert [name for name in sorted(names) if name.partition(".")[0] not in known] == []
