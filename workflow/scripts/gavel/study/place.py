"""A study's name and the folder of its results."""

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from gavel.common.paths import ROOT
from gavel.study.schema.base import Section

# Folders of the project that are no study's; whatever begins with a dot (.git, .venv) is none either.
PROJECT = ("benchmarks", "config", "docs", "envs", "profiles", "resources", "tests", "tools", "workflow")
# What the default study, whose folder is `results`, has in it; another study's folder may lie beside these.
DEFAULTS_OWN = (
    "README.md benchmarks comparisons.csv config.yaml data evaluation figures hub judge logs metrics.csv mlartifacts "
    "mlflow-unsent mlflow.db models report.html runs samples.parquet seeds.csv unfinished"
).split()


class Place(Section):
    """A study's name and the folder of its results."""

    study: str = Field(description="Short name; MLflow's experiment.", pattern=r"^[A-Za-z0-9_.-]+$")
    results_dir: str | None = Field(
        None,
        description="Where everything goes; `results/<study>` if not given. `~` is your home folder; a folder of the "
        "project itself is refused.",
    )

    @field_validator("study")
    @classmethod
    def a_name(cls, value):
        if not any(character.isalnum() for character in value):
            raise ValueError("expected a name with a letter or digit in it; it becomes a folder's name")
        return value

    @field_validator("results_dir")
    @classmethod
    def a_path(cls, value):
        if value is None:
            return None
        if not value.strip() or value != value.strip():
            raise ValueError("expected a folder's path without spaces around it; leave the key out for results/<study>")
        if any(character in "{}" or not character.isprintable() for character in value):
            raise ValueError("a folder with braces or control characters in its path cannot hold results; name another")
        if value.startswith("$"):
            raise ValueError("environment variables are not filled in here; write the path itself")
        try:
            return str(Path(value).expanduser())
        except RuntimeError:
            raise ValueError(f"there is no user {value.split('/')[0][1:]!r} here; write the path itself") from None

    @model_validator(mode="after")
    def placed(self):
        self.results_dir = self.results_dir or f"results/{self.study}"  # no study writes into another's
        try:
            problem = _problem(Path(self.results_dir))
        except OSError as error:
            problem = f"cannot be used ({error.strerror})"
        if problem:
            raise ValueError(f"results_dir: {self.results_dir} {problem}; name another folder, such as results/mine")
        return self


def _problem(path: Path) -> str | None:
    """Why a folder cannot be that of a study's results; None if it can."""
    for base in (ROOT, Path.cwd()):
        default, real = (base / "results").resolve(), path.resolve()
        if real != default and real.is_relative_to(default):
            first = real.relative_to(default).parts[0]
            if first in DEFAULTS_OWN:
                return f"lies among the default study's results ({default.name}/{first})"
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists() or folder.is_symlink())
    if not there.exists():
        return f"leads nowhere: the link {there} is broken"
    if not there.is_dir():
        return "is a file" if there == path else f"lies in {there}, which is a file"
    real = path.resolve()
    if real == ROOT or real in ROOT.parents:
        return "is the project's own folder" if real == ROOT else "holds the project itself"
    if real == Path.home().resolve():
        return "is your home folder"
    if real.is_relative_to(ROOT):
        first, *below = real.relative_to(ROOT).parts
        if first in PROJECT or first.startswith("."):
            return f"lies in the project's folder {first}"
    return None
