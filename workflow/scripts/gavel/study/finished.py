"""The config of a finished study, from its results folder."""

from pathlib import Path
from typing import Any

from gavel.common.errors import InputError
from gavel.study import config_files
from gavel.study.layout import Layout
from gavel.study.schema.study import fill_defaults


def read_config(results: str | Path) -> dict[str, Any]:
    """The resolved config in a results folder, with the defaults of this version.

    Raises:
        InputError: there is no finished study, or its config is malformed.
    """
    path = Path(Layout(str(results)).config)
    if not path.is_file():
        raise InputError(f"{path}: no such file; name the results folder of a finished study")
    try:
        return fill_defaults(config_files.read(path))
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None
