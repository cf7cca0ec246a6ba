"""What subcommands share: how they are registered and renamed, types of options, and tables on the console."""

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

# Old name of a subcommand -> its name. The old one still works, is not listed, and says the new one on stderr.
RENAMED = {"report": "compare", "track": "sync"}


def add_command(
    commands: Commands, name: str, *, help: str, description: str, examples: Sequence[str]
) -> argparse.ArgumentParser:
    """Register a subcommand.

    Args:
        help: its line in the list of commands.
        description: what `gavel NAME --help` begins with.
        examples: command lines that it ends with, without the leading `gavel`.
    """
    shown = "\n".join(["examples:", *(f"  gavel {example}" for example in examples)])
    return commands.add_parser(name, help=help, description=description, epilog=shown, formatter_class=_Formatter)


class _Formatter(argparse.HelpFormatter):
    """Wraps the description, but keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:\n") else super()._fill_text(text, width, indent)


def add_changes(parser: argparse.ArgumentParser) -> None:
    """Options that change a study's config, as `overlays` and `settings` (`gavel.study.config_files.read_changed`)."""
    parser.add_argument(
        "--with",
        dest="overlays",
        metavar="FILE.yaml",
        action="append",
        default=[],
        help="a file with keys to change, such as the paths on this machine; may be repeated",
    )
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a key, such as rl.steps=20; may be repeated",
    )


def changes(overlays: Sequence[str], settings: Sequence[str]) -> list[str]:
    """The same options on a command line."""
    return [*(f"--with={overlay}" for overlay in overlays), *(f"--set={setting}" for setting in settings)]


def program() -> str:
    """How to start `gavel` from the working directory."""
    if shutil.which("gavel"):
        return "gavel"
    place = Path(sys.executable).parent / "gavel"
    return str(place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place)


def current_name(arguments: Sequence[str]) -> list[str]:
    """The arguments of `gavel` with the subcommand's current name; a note on stderr if it was renamed."""
    if not arguments or arguments[0] not in RENAMED:
        return list(arguments)
    old, new = arguments[0], RENAMED[arguments[0]]
    print(f"gavel: `gavel {old}` is now `gavel {new}`; the old name still works", file=sys.stderr)
    return [new, *arguments[1:]]


def add_old_name(parser: argparse.ArgumentParser, old: str, new: str, **settings: Any) -> None:
    """Accept the old name of an option without listing it, with a note on stderr.

    Args:
        settings: `dest` and `type`, as of the new option.
    """
    parser.add_argument(old, action=_Renamed, const=new, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **settings)


class _Renamed(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        print(f"{parser.prog}: {option_string} is now {self.const}; the old name still works", file=sys.stderr)
        setattr(namespace, self.dest, values)


def fraction(text: str) -> float:
    """A number from 0 to 1, as the type of an option. Raises `argparse.ArgumentTypeError` for anything else."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def count(text: str) -> int:
    """A whole number of 1 or more, as the type of an option. Raises `argparse.ArgumentTypeError` for anything else."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return value


def aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; its columns are as wide as their widest cells."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
