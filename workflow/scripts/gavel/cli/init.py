"""`gavel init`: write a study to start from, with a few rows of example data."""

import argparse
import json
import shlex
from pathlib import Path

import yaml

from gavel.cli.commands import Commands, add_command, program
from gavel.common.errors import InputError
from gavel.common.files import write_text
from gavel.common.paths import ROOT
from gavel.study.schema.study import check_place

TEMPLATE = ROOT / "resources" / "study"
NAMED = "study: my-study\n"  # the line of the template that gets the study's name
SLURM = Path("profiles", "slurm", "config.yaml")  # copied, because clusters need their own lines in it


def add_init(commands: Commands) -> None:
    parser = add_command(
        commands,
        "init",
        help="write a folder with a study to start from: its config, and a few rows of example data",
        description="The study runs as it is, without a GPU. Nothing is overwritten.",
        examples=["init mine"],
    )
    parser.add_argument("folder", metavar="NAME", help="new folder; its last part becomes the study's name")
    parser.set_defaults(run=init)


def init(options: argparse.Namespace) -> None:
    """`gavel init`: write the folder, and print what to do next."""
    folder = Path(options.folder)
    try:
        check_place({"study": folder.name})
    except InputError as error:
        raise InputError(f"NAME {options.folder}: {str(error).removeprefix('config: study: ')}") from None
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder}: is already there, and nothing is overwritten; give another name")
        for name, text in files(folder.name).items():
            write_text(folder / name, text)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); give another name") from None
    print("\n".join([f"{folder}: a study with example data. Next:", *_next(folder)]))


def files(name: str) -> dict[str, str]:
    """The files of a new study: path in its folder -> text."""
    template = {path: path.read_text(encoding="utf-8") for path in sorted(TEMPLATE.rglob("*")) if path.is_file()}
    texts = {str(path.relative_to(TEMPLATE)): text for path, text in template.items()}
    plain = isinstance(yaml.safe_load(name), str)  # not 2026 or true, for example
    texts["study.yaml"] = texts["study.yaml"].replace(NAMED, f"study: {name if plain else json.dumps(name)}\n")
    texts[".gitignore"] = texts.pop("gitignore")
    return texts | {str(SLURM): (ROOT / SLURM).read_text(encoding="utf-8")}


def _next(folder: Path) -> list[str]:
    """The commands that check the study and try every part of it."""
    gavel = shlex.quote(str(Path(program()).absolute()) if "/" in program() else program())
    return [f"    cd {shlex.quote(str(folder))} && {gavel} check study.yaml", f"    {gavel} run study.yaml --smoke"]
