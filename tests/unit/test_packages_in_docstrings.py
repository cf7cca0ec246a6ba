"""A package's docstring lists its modules: a line for each, and no other."""

import ast
import re

import pytest

from gavel.common.paths import SCRIPTS

PACKAGES = sorted((SCRIPTS / "gavel").rglob("__init__.py"))


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.parent.relative_to(SCRIPTS)))
def test_a_package_names_its_modules(path):
    text = ast.get_docstring(ast.parse(path.read_bytes()))
    named = re.findall(r"^- `(\w+)`: \S", text, re.MULTILINE)
    modules = [file.stem for file in path.parent.glob("*.py") if file != path]
    packages = [inner.parent.name for inner in path.parent.glob("*/__init__.py")]
    assert sorted(named) == sorted(modules + packages)
