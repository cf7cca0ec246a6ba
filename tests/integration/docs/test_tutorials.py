"""Tutorials are short, and their commands run or say why they are not run.

They run in tests/system/tutorials, and the one about Slurm in tests/system/slurm.
"""

import pytest

from helpers import tutorials
from helpers.tutorials import FOLDER, agrees, blocks, commands

WORDS = 900
PICTURES = ("report-answer.webp", "report-judge.webp", "report-training.webp")  # by tools/picture_report.py
# Page -> how many of its blocks are not run. A new one needs a reason on the page, and a larger number here.
NOT_RUN = {
    "first-study.md": 3,
    "judge.md": 0,
    "laptop-to-slurm.md": 2,
    "own-data-and-model.md": 1,
    "read-the-report.md": 0,
}


@pytest.mark.parametrize("page", sorted(path.name for path in FOLDER.glob("*.md")))
def test_a_page_is_short_and_says_what_is_not_run(page):
    text = (FOLDER / page).read_text(encoding="utf-8")
    assert len(text.split()) <= WORDS
    found = blocks(page)
    assert sum(block.reason is not None for block in found) == NOT_RUN[page]
    assert text.count("<!-- not run:") == NOT_RUN[page], "such a comment stands directly above a block"
    assert {block.kind for block in found} <= {"console", "yaml", "json"}
    assert all(block.text.startswith("$ ") for block in found if block.kind == "console")
    assert all(block.file for block in found if block.kind == "yaml")
    assert text.count("\n    $ ") == text.count("\n    ../.venv") == text.count("\n    .venv") == 0
    assert list(commands(page))


def test_pictures_are_small():
    for name in PICTURES:
        assert (FOLDER / name).stat().st_size < 120_000


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a", "b"], "a\nb\n", True),
        (["a", "b"], "a\nx\nb\n", False),
        (["a", "...", "b"], "a\nx\ny\nb\n", True),
        (["a", "...", "b"], "a\nb\n", True),
        (["...", "b"], "a\nb\nc\n", False),
        (["...", "b", "..."], "a\nb\nc\n", True),
        (["a"], "a\nb\n", False),
        (["in 3.5 s"], "in 12.0 s\n", True),
        (["in 3.5 s"], "in 12.0 h\n", False),
        (["a.c"], "abc\n", False),
        (["a", "", "b"], "a  \n\nb\n", True),
    ],
)
def test_shown_lines_are_compared_with_the_printed_ones(shown, printed, same):
    assert agrees(shown, printed, masks=[r"\d+\.\d+"]) == same


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Writes a page, and runs it in a folder with no project in it."""
    monkeypatch.setattr(tutorials, "FOLDER", tmp_path)
    (tmp_path / "gavel").mkdir()

    def run(text, **changes):
        (tmp_path / "page.md").write_text(text)
        tutorials.run("page.md", tmp_path, **changes)

    return run


PAGE = """\
```console
$ mkdir new && cd new
```

```yaml title="a.yaml"
x: 'y'
```

<!-- not run: ends the shell -->
```console
$ exit 1
```

```console
$ cat a.yaml
x: 'y'
$ pwd
/home/you/gavel/new
$ (exit 3)
$ echo $?
3
$ (echo 'gavel: wrong' >&2; exit 2)
gavel: wrong
```
"""


def test_commands_share_a_shell_and_files_are_written(page, tmp_path):
    page(PAGE)
    assert (tmp_path / "gavel/new/a.yaml").read_text() == "x: 'y'\n"


def test_another_output_or_a_failure_is_an_error(page):
    with pytest.raises(AssertionError, match="the page shows"):
        page("```console\n$ echo a\nb\n```\n")
    with pytest.raises(AssertionError, match="ended with 1"):
        page("```console\n$ false\n```\n")


def test_changes_replace_whole_commands_and_must_be_used(page):
    page("```console\n$ echo a\nb\n```\n", changes={"echo a": "echo b"})
    with pytest.raises(AssertionError, match="not on the page"):
        page("```console\n$ echo a\na\n```\n", changes={"echo": "echo b"})
