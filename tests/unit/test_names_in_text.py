"""What docstrings, comments and pages call by name exists: modules, their members, files of library and tests."""

import re
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
    tests = set(re.findall(r"(?<![\w./])tests/(?:\w+/)*\w+(?:\.(?:py|jsonl))?", text))
    assert [name for name in sorted(tests) if not (ROOT / name).exists()] == []
