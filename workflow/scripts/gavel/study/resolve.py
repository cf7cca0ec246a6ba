"""A study's config made ready for the workflow: paths found, the grid spelled out. Plain values in and out."""

import os
from pathlib import Path
from typing import Any

from gavel.common.errors import InputError
from gavel.study import checks, config_files, params
from gavel.study.schema.study import check_place, load

DATA_SUFFIXES = {".json", ".jsonl", ".parquet", ".xml"}


def read(name: str | Path, root: str | Path) -> dict[str, Any]:
    """`resolve` of a YAML file. Raises `InputError` too where that is missing, no config, or several (a sweep)."""
    raw = config_files.read(name)
    sweep = raw.get("sweep")
    if isinstance(sweep, dict) and isinstance(sweep.get("variants"), dict):
        _, folder = check_place(raw)
        raise InputError(
            f"{name}: is a sweep of several studies; once it has run, name one of them: "
            f"{folder}/<variant>/config.yaml, of {', '.join(map(str, sweep['variants']))}"
        )
    return resolve(raw, root)


def resolve(raw: dict[str, Any], root: str | Path) -> dict[str, Any]:
    """The config with its defaults, and local paths as found from the working directory or from the project's root.

    Args:
        raw: the config as read.
        root: the project's folder; shipped files are named relative to it.

    Raises:
        InputError: the config is wrong, or a path that can only be local is not there.
    """
    study = load(raw)
    sources = {"train": study["data"]["train"], "pretrain": study["data"]["pretrain"]}
    sources |= {f"tests.{name}": source for name, source in study["data"]["tests"].items()}
    for key, source in sources.items():
        if source and source["path"]:
            source["path"] = find(source["path"], root, f"config: data.{key}.path")
            _check_local_data(source, f"config: data.{key}")
    for key in ("student", "judge"):
        served = key == "judge" and study["judge"]["server"]  # then it is the server's name for it
        if study[key]["model"] != "scratch" and not served:
            study[key]["model"] = find(study[key]["model"], root, f"config: {key}.model")
        _check_revision(study[key], f"config: {key}.revision")
    checks.check_prompts(params.judge(study), study["solution"])
    return study


def _check_local_data(source: dict[str, Any], key: str) -> None:
    """Raises `InputError` where a key of a hub data set stands beside a local path, on which it would do nothing."""
    path = Path(source["path"])
    if not path.exists():
        return
    saved = any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))  # as `save_to_disk` does
    for name in ("revision", "name") if path.is_file() or saved else ("revision",):
        if source[name] is not None:
            raise InputError(f"{key}.{name}: has no effect on what is local ({path}); leave it out")


def _check_revision(about: dict[str, Any], key: str) -> None:
    """Raises `InputError` where a model's `revision` would do nothing."""
    if about["revision"] is None:
        return
    server, local = about.get("server"), about["model"] == "scratch" or Path(about["model"]).exists()
    if server and (server["serve"] == "external" or "{model}" not in str(server["command"])):
        raise InputError(
            f"{key}: has no effect on a server's model; leave it out, or write it into the server's command"
        )
    if local:
        what = "a model made from scratch" if about["model"] == "scratch" else f"what is local ({about['model']})"
        raise InputError(f"{key}: has no effect on {what}; leave it out")


def find(name: str, root: str | Path, key: str) -> str:
    """A local path from here or from the root; a name that is not there is a hub name if it can be one.

    Raises:
        InputError: it is not there and cannot be a hub name (those are `owner/name` or `name`), or its first part is a
            folder here, so that it was hardly meant as one.
    """
    expanded = os.path.expanduser(name)
    for base in (Path(), Path(root)):
        try:
            if (base / expanded).exists():
                return str(base / expanded)
        except OSError as error:
            raise InputError(f"{key}: {name[:80]} cannot be looked for ({error.strerror}); check the path") from None
    local = "/" in name and any((base / name.split("/")[0]).is_dir() for base in (Path(), Path(root)))
    if local or name[0] in "./~" or name.count("/") > 1 or Path(name).suffix in DATA_SUFFIXES:
        places = dict.fromkeys([str(Path.cwd()), str(root)])
        raise InputError(f"{key}: no such file or folder: {name} (looked from {' and '.join(places)})")
    return name
