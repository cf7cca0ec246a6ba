"""Keys of the config that README and docs name exist, and the YAML that they show is taken."""

import re
import textwrap
from collections.abc import Iterator

import pytest
import yaml

from gavel.common.nested import merge
from gavel.common.paths import ROOT
from gavel.study.schema import study as schema
from helpers.configs import default

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "config/README.md", *sorted((ROOT / "docs").glob("*.md"))]
KEYS = schema.siblings([])  # of the top level
NAMED = re.compile(rf"(?<![\w./*@])(?:{'|'.join(KEYS)})(?:\.(?:\w+|<\w+>))+")  # a key, or a file
FILES = (".csv", ".json", ".jsonl", ".yaml", ".zip")
FENCED = re.compile(r"^```ya?ml\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}.*\n|\n(?= {4}))+")


def exists(path: str) -> bool:
    """Whether a key is one of the config's; a name that the user chooses may be written `<name>`."""
    *section, key = path.split(".")
    return key in schema.siblings(section) or (section[-1:] == ["tests"] and exists(".".join(section)))


def fragments(text: str) -> Iterator[dict]:
    """The YAML blocks of a page that are part of a study's config."""
    blocks = [match[1] for match in FENCED.finditer(text)] + [match[0] for match in INDENTED.finditer(text)]
    for block in blocks:
        try:
            found = yaml.safe_load(textwrap.dedent(block))
        except yaml.YAMLError:
            continue
        if isinstance(found, dict) and set(found) & set(KEYS):
            yield found


def test_pages_show_fragments():
    for name, section in (("README.md", "judge"), ("config/README.md", "sweep"), ("docs/tracking.md", "tracking")):
        assert [section] in [list(found) for found in fragments((ROOT / name).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_fragment_on_a_page_is_taken(path):
    for found in fragments(path.read_text(encoding="utf-8")):
        sweep = found.pop("sweep", None)
        schema.load(merge(whole(found), found))
        for overlay in schema.check_sweep(sweep)["variants"].values() if sweep else ():
            schema.load(merge(whole(overlay), overlay))


def whole(fragment: dict) -> dict:
    """The default study with what a fragment takes for granted: GPUs, no critic, a judge that compares."""
    raw = default() | {"study": "mine", "results_dir": "results/mine", "compute": {"gpus": 8}}
    raw["rl"] |= {"algorithms": ["grpo"]}
    if "best_of" in fragment.get("evaluation", {}):
        raw["judge"] |= {"kind": "pairwise"}
    return raw


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_key_that_a_page_names_exists(path):
    named = set(NAMED.findall(path.read_text(encoding="utf-8")))
    assert [name for name in sorted(named) if not name.endswith(FILES) and not exists(name)] == []


def test_named_keys_are_found():
    assert NAMED.findall("`rl.steps`, `judge.on_weak_judge: stop`, `x`") == ["rl.steps", "judge.on_weak_judge"]
    assert exists("rl.steps") and exists("data.tests.<name>") and not exists("rl.monitor")
