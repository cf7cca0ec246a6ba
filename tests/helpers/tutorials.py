"""Tutorials as programs: the commands of a page, run in order in one shell, must print what the page shows below them.

A block ```console has commands (`$ make demo`), each with the lines that it prints; `...` stands for any lines. A block
with a file's name (```yaml title="study.yaml") is written into the working directory before the next command. A comment
above a block says why it is not run: `<!-- not run: downloads a model -->`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gavel.common.paths import ROOT
from helpers import small

FOLDER = ROOT / "docs" / "tutorials"
HOME = "/home/you"  # on a page, the folder in which the project was cloned
PARTS = (*small.PARTS, "examples", "Makefile", "requirements.lock")
BLOCK = re.compile(
    r'(?:^<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<kind>\w+)(?: title="(?P<file>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
REST = "..."
MARK = "\x1e"
ERROR = "gavel: "  # how the one line of an error begins


class Command(NamedTuple):
    """A command of a page, the lines below it, and the files that the page shows before it: name -> text."""

    text: str
    shown: list[str]
    files: dict[str, str]


class Block(NamedTuple):
    """A fenced block of a page; `reason` tells why it is not run."""

    kind: str
    file: str | None
    text: str
    reason: str | None


def blocks(page: str) -> list[Block]:
    text = (FOLDER / page).read_text(encoding="utf-8")
    return [Block(found["kind"], found["file"], found["text"], found["reason"]) for found in BLOCK.finditer(text)]


def commands(page: str) -> Iterator[Command]:
    """The commands that a test runs."""
    files: dict[str, str] = {}
    for block in blocks(page):
        if block.reason is not None:
            continue
        if block.file:
            files[block.file] = block.text
        elif block.kind == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                text, *shown = part.rstrip("\n").split("\n")
                yield Command(text, shown, files)
                files = {}


def project(folder: Path) -> Path:
    """The project as `git clone` and `make install` leave it, in a folder."""
    copy = folder / "gavel"
    copy.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / part, copy / part)
    _environment(copy / ".venv")
    for name in ("pyproject.toml", "requirements.lock"):
        os.utime(copy / name, (0, 0))  # older than .venv/installed, or make would install
    return copy


def _environment(folder: Path) -> None:
    """A virtual environment with this one's packages, whose `gavel` and `snakemake` start from its own folder."""
    bin_, own = folder / "bin", Path(sys.prefix)
    bin_.mkdir(parents=True)
    for part in [*own.iterdir(), *(own / "bin").iterdir()]:
        if part.name not in ("bin", "gavel", "snakemake", "installed"):
            (folder / part.relative_to(own)).symlink_to(part)
    for name in ("gavel", "snakemake"):
        _, _, script = (own / "bin" / name).read_text().partition("\n")
        (bin_ / name).write_text(f"#!{bin_ / 'python'}\n{script}")
        (bin_ / name).chmod(0o755)
    (folder / "installed").touch()


def run(
    page: str, folder: Path, changes: Mapping[str, str] | None = None, masks: Sequence[str] = (), timeout: float = 280
) -> None:
    """Run a page's commands in a folder, and compare what they print with the page.

    A command must succeed, unless the page shows its error or asks for its status (`echo $?`).

    Args:
        folder: has the project in `gavel`.
        changes: command of the page -> what the test runs in its place.
        masks: patterns of what differs between machines and runs; their matches are not compared.
    """
    changes = changes or {}
    found = list(commands(page))
    assert changes.keys() <= {command.text for command in found}, "changes of commands that are not on the page"
    results = _outputs([one._replace(text=changes.get(one.text, one.text)) for one in found], folder, timeout)
    for index, command in enumerate(found):
        printed, status = results[index]
        asked = index + 1 < len(found) and found[index + 1].text == "echo $?"
        failed = any(line.startswith(ERROR) for line in command.shown)
        assert status == 0 or asked or failed, f"$ {command.text}\nended with {status}:\n{printed[-4000:]}"
        assert not command.shown or agrees(command.shown, printed, masks), _difference(command, printed)


def agrees(shown: Sequence[str], printed: str, masks: Sequence[str]) -> bool:
    """Whether lines of a page are what was printed: line by line, except for `...` and for what the masks match."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == REST else re.escape(_masked(line, masks).rstrip()) + "\n" for line in shown
    )
    lines = [_masked(line, masks).rstrip() for line in printed.splitlines()]
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def _masked(line: str, masks: Sequence[str]) -> str:
    line = line.replace("\u00a0", " ")  # a terminal shows the same
    for mask in masks:
        line = re.sub(mask, "#", line)
    return line


def _difference(command: Command, printed: str) -> str:
    shown = "\n".join(command.shown)
    return f"$ {command.text}\n--- the page shows:\n{shown}\n--- it printed:\n{printed[-8000:]}"


def _outputs(found: Sequence[Command], folder: Path, timeout: float) -> list[tuple[str, int]]:
    """What each command prints, with its exit status; one shell runs all, so `cd` and `$?` work as on a terminal."""
    lines = ["exec 2>&1", f"mark() {{ local status=$?; printf '\\n{MARK}%d\\n' $status; return $status; }}"]
    for command in found:
        for name, text in command.files.items():
            lines += [f"cat > {name} <<'END OF FILE'\n{text}END OF FILE"]
        lines += [command.text, "mark"]
    places = [place for place in os.environ["PATH"].split(os.pathsep) if not Path(place, "gavel").exists()]
    environment = os.environ | {
        "PATH": os.pathsep.join(places),  # in an active environment, `gavel` would call itself that
        "PYTHONPATH": str(folder / "gavel" / "workflow" / "scripts"),
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "120",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=folder / "gavel",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout,
    )
    text = done.stdout.replace(str(folder.resolve()), HOME).replace(str(folder), HOME)
    parts = re.split(rf"\n{MARK}(\d+)\n", text)
    return [(printed, int(status)) for printed, status in zip(parts[0:-1:2], parts[1::2], strict=True)]
