"""The rollouts of a finished study, from its results folder."""

from pathlib import Path

from gavel.replay.study import StudyRollouts
from gavel.study.finished import read_config


def read_study(results: str | Path) -> StudyRollouts:
    """Read a results folder. Raises `InputError` as `gavel.study.finished.read_config`."""
    return StudyRollouts(read_config(results), str(results))
