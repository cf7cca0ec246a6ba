"""The rollouts of a finished study, from its results folder."""

from pathlib import Path

from gavel.replay.study import StudyRollouts
from gavel.results.files import read_config


def read_study(results: str | Path) -> StudyRollouts:
    """Read a results folder.

    Raises:
        InputError: there is no finished study, or its config is malformed.
    """
    return StudyRollouts(read_config(results), str(results))
