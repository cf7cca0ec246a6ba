"""The config of a study that has run, from its results folder."""

from pathlib import Path
from typing import Any

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import config_files, resolve
from gavel.study.layout import Layout
from gavel.study.results_version import check_version
from gavel.study.schema.study import fill_defaults


def read_config(results: str | Path, config: str | Path | None = None) -> dict[str, Any]:
    """The resolved config of the study in a results folder.

    A study writes its config with its report, also with that of a study that stopped early.

    Args:
        config: the study's YAML file, for a study that has no report yet.

    Raises:
        InputError: there is no such folder, no study has written its config there, it is malformed, or a newer version
            of Gavel has written it.
    """
    check_version(results)
    if config is not None:
        return resolve.read(config, ROOT)
    files = Layout(results)
    places = [Path(files.config), Path(files.unfinished.config)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise InputError(f"{places[0]}: no such file; {_what_to_name(Path(results))}")
    try:
        return fill_defaults(config_files.read(path))
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None


def _what_to_name(folder: Path) -> str:
    variants = sorted(path.parent.name for path in folder.glob("*/config.yaml")) if folder.is_dir() else []
    if variants:
        return f"name the results folder of a finished study, such as one of those in here: {', '.join(variants)}"
    return "name the results folder of a finished study, or finish this one with the command that started it"
