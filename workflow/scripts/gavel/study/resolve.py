"""Resolving a study's config for the workflow: defaults and local paths filled in. Plain values in and out."""

import os
from pathlib import Path
from typing import Any

from gavel.common.errors import InputError
from gavel.common.paths import is_gguf
from gavel.data import tables
from gavel.study import checks, config_files, params
from gavel.study.schema.study import check_place, load


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
        if study[key]["model"] is None:
            continue
        served = key == "judge" and study["judge"]["server"]  # then `model` is the server's name for the model
        if study[key]["model"] != "scratch" and not served:
            study[key]["model"] = find(study[key]["model"], root, f"config: {key}.model")
        _find_gguf(study[key], f"config: {key}", bool(served))
        _check_revision(study[key], f"config: {key}.revision")
    for place, term in enumerate(study["rl"]["reward_terms"]):
        term["file"] = _find_term(term["file"], root, f"config: rl.reward_terms[{place}].file")
    named = {"replay.judges": study["replay"]["judges"], "judge.watch": study["judge"]["watch"]}
    named |= {"judge.panel.judges": (study["judge"]["panel"] or {"judges": {}})["judges"]}
    for key, judges in named.items():
        for name, judge in judges.items():
            judges[name] = _find_judge(judge, root, f"config: {key}.{name}")
    reference = {"reference_prompt": study["judge"]["reference_prompt"]}
    checks.check_prompts(params.judge(study) | reference, study["solution"])
    return study


def _find_term(name: str, root: str | Path, key: str) -> str:
    """A reward term's file and function. Raises `InputError` if there is no such file."""
    file, _, function = name.rpartition(":")
    for base in (Path(), Path(root)):
        if (path := base / Path(file).expanduser()).is_file():
            return f"{path}:{function}"
    raise InputError(f"{key}: no such file: {file} (looked from {Path.cwd()} and {root})")


def _find_judge(name: str, root: str | Path, key: str) -> str:
    """A model folder, or a study's YAML file. Raises `InputError` if it does not exist, which a hub name never does."""
    path = Path(find(name, root, key))
    if path.is_dir() or (path.suffix in (".yaml", ".yml") and path.is_file()):
        return str(path)
    raise InputError(
        f"{key}: {name} is neither a model folder nor a YAML file; for a model on the hub, download it first "
        "(`hf download owner/name --local-dir folder`)"
    )


def _check_local_data(source: dict[str, Any], key: str) -> None:
    """Raises `InputError` if a key that applies only to hub data sets is set for a local path."""
    path = Path(source["path"])
    if not path.exists():
        return
    saved = any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))  # by `save_to_disk`
    for name in ("revision", "name") if path.is_file() or saved else ("revision",):
        if source[name] is not None:
            raise InputError(f"{key}.{name}: has no effect on local data ({path}); leave it out")


def _find_gguf(section: dict[str, Any], key: str, served: bool) -> None:
    """Give a local GGUF file as `model`, also where `gguf_file` names it in a folder.

    Raises:
        InputError: `gguf_file` would have no effect, or a file is missing or not GGUF.
    """
    name, file = section["model"], section["gguf_file"]
    if file is None:
        if served or name == "scratch":
            return
        if Path(name).is_file() and not is_gguf(name):
            raise InputError(f"{key}.model: {name} is a file; name the model's folder, or a file that ends in .gguf")
        if is_gguf(name) and not Path(name).exists():
            raise InputError(
                f"{key}.model: no such file: {name}; name a local file, or for one on the hub write "
                f"`model: owner/name` and `gguf_file: {Path(name).name}`"
            )
        return
    if served:
        raise InputError(f"{key}.gguf_file: has no effect on a server's model; leave it out")
    if name == "scratch" or is_gguf(name):
        what = "a model made from scratch" if name == "scratch" else f"{name}, which is such a file itself"
        raise InputError(f"{key}.gguf_file: has no effect on {what}; leave it out")
    if not is_gguf(file):
        raise InputError(f"{key}.gguf_file: expected a name that ends in .gguf (found {file!r})")
    if Path(name).exists():
        if not Path(name, file).is_file():
            there = ", ".join(sorted(path.name for path in Path(name).glob("*.gguf"))) or "none"
            raise InputError(f"{key}.gguf_file: {name} has no file {file} (GGUF files there: {there})")
        section["model"], section["gguf_file"] = str(Path(name, file)), None


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
    if local or name[0] in "./~" or name.count("/") > 1 or Path(name).suffix in tables.SUFFIXES:
        places = dict.fromkeys([str(Path.cwd()), str(root)])
        raise InputError(f"{key}: no such file or folder: {name} (looked from {' and '.join(places)})")
    return name
