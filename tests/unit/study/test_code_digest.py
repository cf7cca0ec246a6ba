"""Digests: what must change them, and what must not."""

import shutil
from pathlib import Path

import pytest

from gavel.study.code_digest import closure, code_digest

FILES = {
    "gavel/__init__.py": '__version__ = "1"\n',
    "gavel/base.py": '"""Base."""\nRATE = 2\n',
    "gavel/plain.py": "def half(x):\n    'Halves.'\n    # why\n    return x / 2\n",
    "gavel/late.py": "def f():\n    from gavel import base\n    return base.RATE\n",
    "gavel/unused.py": "X = 1\n",
    "gavel/records.py": "from typing import TypedDict\n\n\nclass Row(TypedDict):\n    id: str\n",
    "gavel/tracking/__init__.py": "",
    "gavel/tracking/store.py": "from gavel.unused import X\n",
    "gavel/page/__init__.py": '"""The page."""\n',
    "gavel/page/render.py": "def render():\n    return 1\n",
    "gavel/page/page.html": "<p>",
    "script.py": (
        "import gavel.plain\nfrom gavel import late, records\n"
        "from gavel.tracking import store\nfrom gavel.page import render\n"
    ),
}


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def digest(project: Path) -> str:
    return code_digest(project / "script.py", project / "gavel")


def test_closure_is_transitive_and_leaves_observers_out(project):
    assert closure(project / "script.py", project / "gavel") == [
        "gavel",
        "gavel.base",
        "gavel.late",
        "gavel.page",
        "gavel.page.render",
        "gavel.plain",
    ]


@pytest.mark.parametrize(
    "name, text",
    [
        (
            "gavel/plain.py",
            '"""A module docstring."""\n\n\ndef half(x):\n    """Half."""\n    return x / 2  # new\n',
        ),
        ("gavel/__init__.py", '__version__ = "2"\n'),
        ("gavel/unused.py", "X = 2\n"),
        ("gavel/tracking/store.py", "from gavel.unused import X\nX += 1\n"),
        ("gavel/records.py", FILES["gavel/records.py"] + "    name: str\n"),
        ("gavel/page/.page.html.swp", "an editor's"),
        ("script.py", "# comment\n" + FILES["script.py"]),
    ],
)
def test_what_cannot_change_a_result_keeps_the_digest(project, name, text):
    before = digest(project)
    (project / name).write_text(text)
    assert digest(project) == before
    assert len(before) == 16


@pytest.mark.parametrize(
    "name, text",
    [
        ("gavel/plain.py", "def half(x):\n    return x / 3\n"),
        ("gavel/base.py", "RATE = 3\n"),
        ("gavel/page/render.py", "def render():\n    return 2\n"),
        ("gavel/page/page.html", "<b>"),
        ("gavel/page/second.html", ""),
        ("script.py", FILES["script.py"] + "print(1)\n"),
        ("script.py", FILES["script.py"] + "import gavel.unused\n"),
    ],
)
def test_what_can_change_a_result_changes_the_digest(project, name, text):
    before = digest(project)
    (project / name).write_text(text)
    assert digest(project) != before


def test_a_moved_statement_counts_and_true_is_not_one(project):
    seen = set()
    for text in (
        "x = 1\nif x:\n    y = 2\nz = 3\n",
        "x = 1\nif x:\n    y = 2\n    z = 3\n",
        "x = True\n",
        "x = 1\n",
    ):
        (project / "gavel/plain.py").write_text(text)
        seen.add(digest(project))
    assert len(seen) == 4


def test_docstrings_count_where_a_module_reads_them(project):
    (project / "gavel/plain.py").write_text('"""Help."""\nTEXT = __doc__\n')
    before = digest(project)
    (project / "gavel/plain.py").write_text('"""More help."""\nTEXT = __doc__\n')
    assert digest(project) != before


def test_module_names_in_strings_and_cycles(project):
    (project / "script.py").write_text('COMMAND = ["-m", "gavel.late"]\nOTHER = "gavel.no such"\n')
    (project / "gavel/base.py").write_text("import gavel.late\n")
    assert closure(project / "script.py", project / "gavel") == ["gavel", "gavel.base", "gavel.late"]


def test_an_edit_of_what_a_study_does_not_use_changes_nothing(project):
    def both() -> tuple[str, str]:
        return digest(project), code_digest(project / "script.py", project / "gavel", unused={"gavel.late"})

    with_late, without_late = both()
    assert with_late != without_late
    assert "gavel.late" not in closure(project / "script.py", project / "gavel", unused={"gavel.late"})
    assert "gavel.base" not in closure(project / "script.py", project / "gavel", unused={"gavel.late"})
    (project / "gavel/late.py").write_text("def f():\n    return 3\n")
    assert both()[0] != with_late and both()[1] == without_late
    (project / "gavel/plain.py").write_text("def half(x):\n    return x / 4\n")
    assert both()[1] != without_late


def test_digest_does_not_depend_on_where_the_project_lies(project, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(project, other)
    assert digest(other) == digest(project)
