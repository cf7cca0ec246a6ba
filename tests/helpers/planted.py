"""A secret to look for, and where it is looked for."""

from pathlib import Path

SECRET = "hunter2hush"


def contents(folder: Path) -> str:
    return "".join(path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file())
