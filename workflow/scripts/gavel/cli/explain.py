"""`gavel explain`: what a config key means, which values it takes, and its default."""

import argparse
import shutil
import textwrap
from collections.abc import Sequence

from gavel.cli.commands import Commands, add_command
from gavel.study import key_info
from gavel.study.key_info import Key

WIDTH = 100  # of the text, at most
DEFAULT_WIDTH = 24  # of the column of defaults, at most


def add_explain(commands: Commands) -> None:
    parser = add_command(
        commands,
        "explain",
        help="what a config key means, which values it takes, and its default",
        description="For a section, lists its keys. All of them are in docs/reference/config.md.",
        examples=["explain rl.kl_coefficient", "explain rl", "explain judge.watch"],
    )
    parser.add_argument(
        "key", metavar="KEY", nargs="?", default="", help="dotted, such as rl.steps; without it, lists the sections"
    )
    parser.set_defaults(run=explain)


def explain(options: argparse.Namespace) -> None:
    """`gavel explain`: print what the schema says of a key."""
    print(page(key_info.find(options.key)))


def page(key: Key) -> str:
    """What is known of a key, and a section's keys with the first sentence of each."""
    width = min(WIDTH, shutil.get_terminal_size().columns)
    rows = [("type", key.type)]
    rows += [("values", ", ".join(key.values))] if key.values else []
    rows += [("default", _default(key))] if key.path else []
    label = max(len(name) for name, _ in rows) + 2
    lines = [key.path or "a study's config"]
    for name, text in rows:
        lines.append(
            textwrap.fill(text, width, initial_indent=f"  {name:<{label}}", subsequent_indent=" " * (label + 2))
        )
    lines += ["", textwrap.fill(key.meaning, width)]
    if key.keys:
        lines += ["", *_keys(key.keys, width)]
    return "\n".join(lines)


def _default(key: Key) -> str:
    if key.default is not None:
        return key.default
    return "none: the key is required" if key.required else "none: see its keys"


def _keys(keys: Sequence[Key], width: int) -> list[str]:
    """A line for each key: its name in the section, its default, and the first sentence of its meaning."""
    names = [key.path.rpartition(".")[2] for key in keys]
    defaults = [key.default if key.default is not None else "required" if key.required else "(section)" for key in keys]
    defaults = [text if len(text) <= DEFAULT_WIDTH else f"{text[: DEFAULT_WIDTH - 3]}..." for text in defaults]
    left, middle = max(map(len, names)) + 2, max(map(len, defaults)) + 2
    indent = " " * (2 + left + middle)
    return [
        textwrap.fill(
            key.meaning.partition(". ")[0].rstrip("."),
            width,
            initial_indent=f"  {name:<{left}}{default:<{middle}}",
            subsequent_indent=indent,
        )
        for name, default, key in zip(names, defaults, keys, strict=True)
    ]
