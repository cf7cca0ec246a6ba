"""The wheel alone: in a new environment and an empty folder, a study is written, checked, run and published.

The environment has Gavel from the wheel, and its dependencies from the environment of the tests, so nothing is
downloaded. A hook in it notes every file of the clone that a process opens.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from gavel import __version__
from gavel.common.files import read_json
from gavel.common.paths import ROOT

pytestmark = pytest.mark.timeout(3600)

SOURCES = ("Snakefile", "config", "envs", "profiles", "resources", "workflow")
ABOUT = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
LIMIT = 60e6  # bytes
DEPENDENCIES = sysconfig.get_paths()["purelib"]
RESULTS = Path("results/mine-smoke")
RUN = "grpo-lambda0.5-seed0"

HOOK = """
import os, sys

def note(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, os.PathLike)):
        path = os.path.abspath(os.fspath(arguments[0]))
        if path.startswith({clone!r}) and not path.startswith({dependencies!r}):
            handle = os.open({notes!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(handle, (path + "\\n").encode())
            os.close(handle)

sys.addaudithook(note)
"""

MODULE = """
from gavel.common.paths import ROOT

configfile: "study.yaml"

module gavel:
    snakefile:
        f"{ROOT}/workflow/Snakefile"
    config:
        config

use rule * from gavel as gavel_*
"""


class Installed(NamedTuple):
    """A new environment, in which Gavel was installed from a wheel.

    Attributes:
        notes: the file that has what was opened of the clone.
    """

    wheel: Path
    environment: Path
    notes: Path

    @property
    def library(self) -> Path:
        (found,) = self.environment.glob("lib/python*/site-packages/gavel")
        return found

    def run(self, *command: str, folder: Path, status: int = 0) -> str:
        """Run a program of the environment; returns what it printed, stderr after stdout."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        done = subprocess.run(
            [str(self.environment / "bin" / command[0]), *command[1:]],
            cwd=folder,
            env=kept | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
        )
        said = done.stdout + done.stderr
        assert done.returncode == status and "Traceback" not in said, said[-5000:]
        return said


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def build(source: Path, folder: Path) -> Path:
    """The wheel of a source folder or archive."""
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what the wheel is built from, because a build writes into its folder."""
    folder = tmp_path_factory.mktemp("source")
    for part in SOURCES:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / part, folder)
    for name in ABOUT:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def installed(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    found = Installed(build(source, folder), folder / "environment", folder / "notes.txt")
    venv.create(found.environment, with_pip=False)
    pip("--python", str(found.environment), "install", "--quiet", "--no-deps", "--no-index", str(found.wheel))
    site = found.library.parent
    (site / "dependencies.pth").write_text(f"{DEPENDENCIES}\nimport hook\n")  # not that folder's own .pth files
    text = HOOK.format(clone=f"{ROOT}/", dependencies=f"{sys.prefix}/", notes=str(found.notes))
    (site / "hook.py").write_text(text)
    return found


@pytest.fixture(scope="module")
def project(installed, tmp_path_factory):
    """The folder of a new study, the environment and what `gavel run --smoke` printed there."""
    empty = tmp_path_factory.mktemp("empty")
    before = state(installed.library)
    assert "mine: a study with example data" in installed.run("gavel", "init", "mine", folder=empty)
    said = installed.run("gavel", "check", "study.yaml", folder=empty / "mine")
    assert "No problem found." in said
    said = installed.run("gavel", "run", "study.yaml", "--smoke", "--cores", "2", folder=empty / "mine")
    assert state(installed.library) == before  # the library may be read-only
    return empty / "mine", installed, said


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """File -> size and time of change, without compiled modules."""
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def contents(wheel: Path) -> dict[str, int]:
    """File -> checksum, without what describes the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info.CRC for info in archive.infolist() if ".dist-info/" not in info.filename}


def test_the_wheel_has_the_project_once(installed):
    names = set(contents(installed.wheel))
    for part in ("Snakefile", "workflow/Snakefile", "workflow/scripts/train_rl.py", "profiles/default/config.yaml"):
        assert f"gavel/_project/{part}" in names
    for pattern in ("config/*.yaml", "workflow/rules/*.smk", "resources/prompts/*.txt", "resources/models/*/*"):
        assert {f"gavel/_project/{path.relative_to(ROOT)}" for path in ROOT.glob(pattern)} <= names
    assert {f"gavel/{name}" for name in ("cli/main.py", "report/page.html.j2", "study/layout.py")} <= names
    assert not any(name.startswith("gavel/_project/workflow/scripts/gavel") for name in names)
    assert {name.split("/")[0] for name in names} == {"gavel"}
    assert installed.wheel.stat().st_size < LIMIT


def test_the_source_distribution_builds_the_same_wheel(source, installed, tmp_path):
    command = [sys.executable, "-c", f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("gavel_rl-*.tar.gz")
    assert contents(build(archive, tmp_path / "wheel")) == contents(installed.wheel)


def test_an_editable_installation_uses_the_clone(source, tmp_path):
    venv.create(tmp_path, with_pip=False)
    (site,) = tmp_path.glob("lib/python*/site-packages")
    (site / "build.pth").write_text(DEPENDENCIES + "\n")
    pip("--python", str(tmp_path), "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(source))
    code = "from gavel.common.paths import LIBRARY, ROOT; print(ROOT, LIBRARY)"
    done = subprocess.run([tmp_path / "bin" / "python", "-Ic", code], capture_output=True, text=True)
    assert done.stdout.split() == [str(source), str(source / "workflow" / "scripts" / "gavel")], done.stderr


def test_the_command_is_the_wheel_s(installed, tmp_path):
    assert installed.run("gavel", "--version", folder=tmp_path) == f"gavel {__version__}\n"
    code = "import gavel.common.paths as paths; print(paths.LIBRARY, paths.ROOT)"
    said = installed.run("python", "-c", code, folder=tmp_path).split()
    assert said == [str(installed.library), str(installed.library / "_project")]


def test_a_study_runs_to_its_report(project):
    folder, _, said = project
    assert f"open {RESULTS}/report.html" in said
    assert read_json(folder / RESULTS / "version.json") == {"gavel": __version__}
    study = yaml.safe_load((folder / RESULTS / "config.yaml").read_text())
    assert study["results_dir"] == str(RESULTS)
    assert (folder / RESULTS / "runs" / RUN / "run.json").is_file()


def test_a_second_run_has_nothing_to_do(project):
    folder, installed, _ = project
    said = installed.run("gavel", "run", "study.yaml", "--smoke", "--dry-run", folder=folder)
    assert "Nothing to be done" in said


def test_its_results_are_compared_judged_scored_and_published(project):
    folder, installed, _ = project
    assert "open comparison.html" in installed.run("gavel", "compare", str(RESULTS), folder=folder)
    calibration = str(RESULTS / "judge" / "calibration.jsonl")
    said = installed.run("gavel", "judge", calibration, "--judge", "resources/models/judge", folder=folder)
    assert "AUC" in said
    samples = str(RESULTS / "evaluation" / RUN / "own" / "samples.jsonl")
    options = ["--format", "program", "--layout", "greedy"]
    assert "accuracy" in installed.run("gavel", "score", samples, *options, folder=folder)
    assert "nothing was uploaded" in installed.run("gavel", "publish", str(RESULTS), folder=folder)
    assert (folder / RESULTS / "published" / RUN / "model" / "README.md").is_file()
    assert "100% of the estimated work" in installed.run("gavel", "status", folder=folder)
    assert "set-resources:" in installed.run("gavel", "resources", str(RESULTS), folder=folder)
    assert "replay.svg" in installed.run("gavel", "replay", str(RESULTS), folder=folder)


def test_nothing_of_the_clone_was_opened(project):
    folder, installed, _ = project
    assert not installed.notes.exists(), installed.notes.read_text()
    logs = [path.read_text() for path in (folder / RESULTS / "logs").rglob("*.log")]
    assert logs and not any(f"{ROOT}/workflow" in text for text in logs)


def test_the_hook_notes_what_is_opened(installed, tmp_path):
    """Without it the test above would pass for any reason."""
    noted = installed.notes.read_text() if installed.notes.exists() else None
    installed.run("python", "-c", f"open({str(ROOT / 'LICENSE')!r})", folder=tmp_path)
    assert installed.notes.read_text() == f"{noted or ''}{ROOT / 'LICENSE'}\n"
    if noted is None:
        installed.notes.unlink()
    else:
        installed.notes.write_text(noted)


def test_shipped_studies_run_from_an_empty_folder(installed, tmp_path):
    said = installed.run("gavel", "run", "config/demo.yaml", "--dry-run", folder=tmp_path)
    assert re.search(r"^report_html +1$", said, re.MULTILINE)
    assert "No problem found." in installed.run("gavel", "check", "config/demo.yaml", folder=tmp_path)
    assert "# What a study costs" in installed.run("gavel", "cost", "config/minimal.yaml", folder=tmp_path)


def test_the_workflow_is_a_module_of_another(installed, tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE)
    shutil.copy(ROOT / "config" / "demo.yaml", tmp_path / "study.yaml")
    said = installed.run("python", "-m", "snakemake", "--dry-run", "gavel_data", folder=tmp_path)
    assert re.search(r"^gavel_prepare_data +1$", said, re.MULTILINE)


@pytest.mark.parametrize(
    "command",
    [
        "check none.yaml", "run none.yaml", "status", "status results", "watch --once", "explain none", "sync results",
        "score none.jsonl --format text", "judge none.jsonl --judge resources/models/judge", "replay results",
        "compare results", "publish results", "cost none.yaml", "resources results", "ui results",
    ],
)  # fmt: skip
def test_outside_the_clone_an_error_is_one_line(command, installed, tmp_path):
    said = installed.run("gavel", *command.split(), folder=tmp_path, status=2)
    assert re.fullmatch(r"gavel: .+\n", said), said
