"""Where the project's folders are: in a clone, and in an environment into which a wheel was installed."""

from pathlib import Path

import gavel
from gavel.common import paths


def test_in_a_clone_the_library_is_in_the_project():
    assert Path(gavel.__file__).parent == paths.LIBRARY == paths.SCRIPTS / "gavel"
    assert (paths.ROOT / "pyproject.toml").is_file() and (paths.ROOT / "workflow" / "Snakefile").is_file()


def test_a_wheel_s_library_carries_the_project(tmp_path):
    library = tmp_path / "lib" / "python3.11" / "site-packages" / "gavel"
    (library / "_project").mkdir(parents=True)
    assert paths.project(library) == library / "_project"
    clone = tmp_path / "clone"
    assert paths.project(clone / "workflow" / "scripts" / "gavel") == clone
