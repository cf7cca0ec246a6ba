"""Keys of the config that README and docs name exist, and the YAML that they show is taken."""

import re

import pytest

from gavel.common.paths import ROOT
from gavel.study.schema import study as schema
from helpers.fragments import KEYS, check_fragments, fragments

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
NAMED = re.compile(rf"(?<![\w./*@])(?:{'|'.join(KEYS)})(?:\.(?:\w+|<\w+>))+")  # a key, or a file
FILES = (".csv", ".json", ".jsonl", ".md", ".svg", ".webp", ".yaml", ".zip")


def exists(path: str) -> bool:
    """Whether a key is one of the config's; a name that the user chooses may be written `<name>`."""
    *section, key = path.split(".")
    return key in schema.siblings(section) or (section[-1:] == ["tests"] and exists(".".join(section)))


def test_pages_show_fragments():
    for name, section in (
        ("docs/how-to/score.md", "judge"),
        ("docs/how-to/sweeps.md", "sweep"),
        ("docs/how-to/mlflow.md", "tracking"),
    ):
        assert [section] in [list(found) for found in fragments((ROOT / name).read_text(encoding="utf-8"))]


# CONTRIBUTING's need the code of its worked examples: tests/integration/docs/test_contributing.py checks them.
@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.stem != "CONTRIBUTING"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_fragment_on_a_page_is_taken(path):
    check_fragments(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_key_that_a_page_names_exists(path):
    named = set(NAMED.findall(path.read_text(encoding="utf-8")))
    assert [name for name in sorted(named) if not name.endswith(FILES) and not exists(name)] == []


def test_named_keys_are_found():
    assert NAMED.findall("`rl.steps`, `judge.on_weak_judge: stop`, `x`") == ["rl.steps", "judge.on_weak_judge"]
    assert exists("rl.steps") and exists("data.tests.<name>") and not exists("rl.monitor")
