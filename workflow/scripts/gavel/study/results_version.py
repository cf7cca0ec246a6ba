"""Which version of Gavel has written a results folder: `version.json` in it.

A newer version's folder is refused, because its files may have changed. An older version's is read; where it cannot
be, `gavel.study.schema.study.fill_defaults` says so. Versions differ if their first two numbers do.
"""

import re
from pathlib import Path

from gavel import __version__
from gavel.common.errors import InputError
from gavel.common.files import read_json, write_json
from gavel.study.layout import Layout

NUMBERS = re.compile(r"(\d+)\.(\d+)")
UPDATE = "update Gavel (`pip install --upgrade gavel-rl`, in a clone `git pull` and `make install`)"


def written_by(results: str | Path) -> str | None:
    """The version that last wrote into a results folder; None for a folder without version.json, such as an older one.

    Raises:
        InputError: the file is malformed.
    """
    path = Path(Layout(results).version)
    if not path.is_file():
        return None
    found = read_json(path)
    version = found.get("gavel") if isinstance(found, dict) else None
    if not isinstance(version, str) or not NUMBERS.match(version):
        raise InputError(f'{path}: expected {{"gavel": "<version>"}}, found {str(found)[:80]}; delete the file')
    return version


def check_version(results: str | Path) -> None:
    """Raises `InputError` if a newer version has written into a results folder, or its version.json is malformed."""
    version = written_by(results)
    if version and _numbers(version) > _numbers(__version__):
        raise InputError(f"{results}: written by Gavel {version}, newer than this one ({__version__}); {UPDATE}")


def record_version(results: str | Path) -> None:
    """Write this version into a results folder.

    Raises:
        InputError: as `check_version`, or the folder cannot be written.
    """
    check_version(results)
    try:
        write_json(Layout(results).version, {"gavel": __version__})
    except OSError as error:
        raise InputError(
            f"results_dir: {results} cannot be written ({error.strerror}); name another folder, such as results/mine"
        ) from None


def _numbers(version: str) -> tuple[int, int]:
    found = NUMBERS.match(version)
    assert found  # `written_by` has checked it
    return int(found[1]), int(found[2])
