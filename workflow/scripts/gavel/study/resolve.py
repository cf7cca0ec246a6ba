"""Resolving a study's config for the workflow: defaults and local paths filled in. Plain values in and out."""

import os
from pathlib import Path
from typing import Any

from gavel.common.errors import InputError
from gavel.study import checks, config_files, params
from gavel.study.schema.study import check_place, load

DATA_SUFFIXES = {".json", ".jsonl", ".parquet", ".xml"}


def read(name: str | Path, root: str | Path) -> dict[str, Any]:
    """Read and `resolve` a YAML file. Also raises `InputError` if it is missing, not a config, or a sweep."""
    raw = config_files.read(name)
    sweep = raw.get("sweep")
    if isinstance(sweep, dict) and isinstance(sweep.get("variants"), dict):
        _, folder = check_place(raw)
        raise InputError(
            f"{name}: expected a single study, found a sweep; once it has run, name a variant's "
            f"{folder}/<variant>/config.yaml (variants: {', '.join(map(str, sweep['variants']))})"
        )
    return resolve(raw, root)


def resolve(raw: dict[str, Any], root: str | Path) -> dict[str, Any]:
    """The config with its defaults, and with local paths found from the working directory or the project's root.

    Args:
        raw: the config as read.
        root: the project's folder; shipped files are named relative to it.

    Raises:
        InputError: the config is invalid, or a path that can only be local does not exist.
    """
    study = load(raw)
    sources = {"train": study["data"]["train"], "pretrain": study["data"]["pretrain"]}
    sources |= {f"tests.{name}": source for name, source in study["data"]["tests"].items()}
    for key, source in sources.items():
        if source and source["path"]:
            source["path"] = find(source["path"], root, f"config: data.{key}.path")
            _check_local_data(source, f"config: data.{key}")
    for key in ("student", "judge"):
        served = key == "judge" and study["judge"]["server"]  # then `model` is the server's name for the model
        if study[key]["model"] != "scratch" and not served:
            study[key]["model"] = find(study[key]["model"], root, f"config: {key}.model")
        _check_revision(study[key], f"config: {key}.revision")
    checks.check_prompts(params.judge(study), study["solution"])
    return study


def _check_local_data(source: dict[str, Any], key: str) -> None:
    """Raises `InputError` if a key that applies only to hub data sets is set for a local path."""
    path = Path(source["path"])
    if not path.exists():
        return
    saved = any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))  # by `save_to_disk`
    for name in ("revision", "name") if path.is_file() or saved else ("revision",):
        if source[name] is not None:
            raise InputError(f"{key}.{name}: has no effect on local data ({path}); leave it out")


def _check_revision(section: dict[str, Any], key: str) -> None:
    """Raises `InputError` if a model's `revision` would have no effect."""
    if section["revision"] is None:
        return
    server, local = section.get("server"), section["model"] == "scratch" or Path(section["model"]).exists()
    if server and (server["serve"] == "external" or "{model}" not in str(server["command"])):
        raise InputError(
            f"{key}: has no effect on a server's model; leave it out, or write it into the server's command"
        )
    if local:
        what = "a model made from scratch" if section["model"] == "scratch" else f"a local model ({section['model']})"
        raise InputError(f"{key}: has no effect on {what}; leave it out")


def find(name: str, root: str | Path, key: str) -> str:
    """A local path, from the working directory or from the root; a name that does not exist may be a hub name.

    Raises:
        InputError: the path does not exist, and it is not a hub name (`owner/name` or `name`), or its first part is a
            local folder, so a local path was probably meant.
    """
    expanded = os.path.expanduser(name)
    for base in (Path(), Path(root)):
        try:
            if (base / expanded).exists():
                return str(base / expanded)
        except OSError as error:
            raise InputError(f"{key}: {name[:80]} cannot be looked up ({error.strerror}); check the path") from None
    local = "/" in name and any((base / name.split("/")[0]).is_dir() for base in (Path(), Path(root)))
    if local or name[0] in "./~" or name.count("/") > 1 or Path(name).suffix in DATA_SUFFIXES:
        places = dict.fromkeys([str(Path.cwd()), str(root)])
        raise InputError(f"{key}: no such file or folder: {name} (looked from {' and '.join(places)})")
    return name
