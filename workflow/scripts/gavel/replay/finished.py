"""The rollouts of a finished study, from its results folder."""

from pathlib import Path

from gavel.common.errors import InputError
from gavel.replay.study import StudyRollouts
from gavel.study import config_files
from gavel.study.layout import Layout
from gavel.study.schema.study import fill_defaults


def read_study(results: str | Path) -> StudyRollouts:
    """Read a results folder.

    Raises:
        InputError: there is no finished study, or its config is malformed.
    """
    path = Path(Layout(str(results)).config)
    if not path.is_file():
        raise InputError(f"{path}: no such file; name the results folder of a finished study")
    try:
        config = fill_defaults(config_files.read(path))
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None
    return StudyRollouts(config, str(results))
