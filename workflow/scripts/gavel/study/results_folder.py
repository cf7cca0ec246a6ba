"""A study's name and the folder of its results."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from pydantic import Field, field_validator, model_validator

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import config_files
from gavel.study.layout import Layout
from gavel.study.schema.base import Section

# Folders of the project that cannot be a study's; neither can any that begins with a dot (.git, .venv).
PROJECT = ("benchmarks", "config", "docs", "envs", "examples", "profiles", "resources", "tests", "tools", "workflow")
# Names in `results` that belong to the default study and to jobs on Slurm; other studies' folders may be beside them. A
# test compares this list with results/README.md, the rules and the files of a finished study.
RESERVED_NAMES = (
    "README.md benchmarks comparisons.csv config.yaml data evaluation figures hub judge live.html lm_eval logs "
    "metrics.csv mlartifacts mlflow.db mlflow.db-journal mlflow.db.lock models published questions.parquet replay "
    "report.html rollouts.csv runs samples.parquet seeds.csv slurm state unfinished version.json withheld"
).split()


class Place(Section):
    """A study's name and the folder of its results."""

    study: str = Field(
        description="Short name: letters, digits, '_', '.' and '-', not beginning with '.' or '-'; also the name of "
        "the MLflow experiment.",
        pattern=r"^[A-Za-z0-9_.-]+$",
    )
    results_dir: str | None = Field(
        None,
        description="Results folder; default `results/<study>`. `~` is your home folder. It cannot be one of the "
        "project's own folders, nor one that holds another study's results, nor, for another study, the default "
        "study's folder or one that it uses in there.",
    )

    @field_validator("study")
    @classmethod
    def check_name(cls, value: str) -> str:
        if not any(character.isalnum() for character in value):
            raise ValueError("expected a name with a letter or digit; it becomes a folder's name")
        if value[0] in "-.":
            sign = {"-": "dash, which programs take for an option", ".": "dot, which hides the folder"}[value[0]]
            raise ValueError(f"must not begin with a {sign}; begin with a letter, a digit or '_'")
        return value

    @field_validator("results_dir")
    @classmethod
    def check_path(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.strip() or value != value.strip():
            raise ValueError("expected a folder's path without spaces around it; leave the key out for results/<study>")
        if any(character in "{}" or not character.isprintable() for character in value):
            raise ValueError("the path must not contain braces or control characters; name another folder")
        if value.startswith("-"):
            raise ValueError("must not begin with a dash, which programs take for an option; name another folder")
        if value.startswith("$"):
            raise ValueError("environment variables are not expanded here; write the path itself")
        try:
            return str(Path(value).expanduser())
        except RuntimeError:
            raise ValueError(f"there is no user {value.split('/')[0][1:]!r} here; write the path itself") from None

    @model_validator(mode="after")
    def check_folder(self) -> Self:
        self.results_dir = self.results_dir or f"results/{self.study}"  # no study writes into another's folder
        try:
            folder = Path(self.results_dir)
            problem = _default_folder_problem(folder, self.study) or _problem(folder)
            problem = problem or _other_results_problem(folder, self.study)
        except OSError as error:
            problem = f"cannot be used ({error.strerror})"
        if problem:
            raise ValueError(f"results_dir: {self.results_dir} {problem}; name another folder, such as results/mine")
        return self


def check_writable(folder: str) -> None:
    """Check that a results folder can be made and written; a folder that is not there yet is removed again.

    Raises:
        InputError: it cannot.
    """
    path = Path(folder).absolute()
    missing = [place for place in (path, *path.parents) if not place.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"results_dir: {folder} cannot be written ({error.strerror}); name another folder, such as results/mine"
        ) from None
    finally:
        for place in missing:
            with suppress(OSError):
                place.rmdir()


def _default_folder_problem(path: Path, study: str) -> str | None:
    """An error if the folder is the default study's and the study is another one; otherwise None."""
    for base in dict.fromkeys((Path.cwd(), ROOT)):
        try:
            default = config_files.read(base / config_files.DEFAULT)
        except InputError:  # no default study here, or the workflow reports the error in it
            continue
        name, folder = default.get("study"), default.get("results_dir") or f"results/{default.get('study')}"
        same = isinstance(folder, str) and (base / Path(folder).expanduser()).resolve() == path.resolve()
        if same and name != study:
            return f"is the folder of the default study {name!r}, whose results {study!r} would overwrite"
    return None


def _other_results_problem(path: Path, study: str) -> str | None:
    """An error if another study has written its results into the folder; otherwise None."""
    files = Layout(path)
    for written in (files.config, files.unfinished.config):
        try:
            name = config_files.read(written).get("study")
        except InputError:  # no report yet, or something else's file
            continue
        if name not in (None, study):
            return f"holds the results of the study {name!r}, which {study!r} would overwrite"
    return None


def _problem(path: Path) -> str | None:
    """An error if the folder cannot hold a study's results; otherwise None."""
    for base in (ROOT, Path.cwd()):
        default, real = (base / "results").resolve(), path.resolve()
        if real != default and real.is_relative_to(default):
            first = real.relative_to(default).parts[0]
            if first in RESERVED_NAMES:
                return f"is among the default study's results ({default.name}/{first})"
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists() or folder.is_symlink())
    if not there.exists():
        return f"does not exist: the link {there} is broken"
    if not there.is_dir():
        return "is a file" if there == path else f"is inside {there}, which is a file"
    real = path.resolve()
    if real == ROOT or real in ROOT.parents:
        return "is the project's own folder" if real == ROOT else "contains the project itself"
    if real == Path.home().resolve():
        return "is your home folder"
    if real.is_relative_to(ROOT):
        first = real.relative_to(ROOT).parts[0]
        if first in PROJECT or first.startswith("."):
            return f"is in the project's folder {first}"
    return None
