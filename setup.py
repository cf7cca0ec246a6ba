"""Puts the workflow, and what ships with it, into the wheel. pyproject.toml has everything else.

`gavel.common.paths` finds the copy. A clone, and so an editable installation, has no copy and uses its own folders.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PARTS = ("Snakefile", "config", "envs", "profiles", "resources", "workflow")
LIBRARY = Path("workflow", "scripts", "gavel")  # the package itself, which the wheel has already


class BuildProject(build_py):
    """Also builds `gavel/_project`."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        carried = Path(self.build_lib, "gavel", "_project")
        shutil.rmtree(carried, ignore_errors=True)  # an earlier build's files may be gone from the project
        for path in project_files():
            place = carried / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)

    def get_source_files(self) -> list[str]:
        """The files that a source distribution needs for the same wheel."""
        return [*super().get_source_files(), *map(str, project_files())]


def project_files() -> list[Path]:
    """The files of `PARTS`, without the library and without what Python, Snakemake and editors leave behind."""
    found = [path for part in PARTS for path in (Path(part), *Path(part).rglob("*"))]
    return sorted(path for path in found if path.is_file() and not _is_left_out(path))


def _is_left_out(path: Path) -> bool:
    hidden = any(part.startswith(".") or part.endswith(("~", ".egg-info")) for part in path.parts)
    return hidden or "__pycache__" in path.parts or path.is_relative_to(LIBRARY)


setup(cmdclass={"build_py": BuildProject})
