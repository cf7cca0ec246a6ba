"""envs/Dockerfile builds with Debian's Buildah, without a daemon, and a study runs in the image.

Where no registry can be reached, Debian's own Python takes the place of the base image. The build reads packages as pip
does on this machine.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gavel import __version__
from gavel.common.paths import ROOT

pytestmark = pytest.mark.timeout(3600)

BASE = next(
    line.split()[1] for line in (ROOT / "envs" / "Dockerfile").read_text().splitlines() if line.startswith("FROM")
)
PROGRAMS = ("buildah", "debootstrap")
IMAGE = "localhost/gavel"


class Buildah:
    """Buildah with a store of its own, which nothing else on the machine sees."""

    def __init__(self, folder: Path):
        self.options = ["--root", str(folder / "store"), "--runroot", str(folder / "run")]

    def __call__(self, *command: str) -> str:
        done = subprocess.run(["buildah", *self.options, *command], capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
        return done.stdout + done.stderr

    def can_pull(self, image: str) -> bool:
        command = ["buildah", *self.options, "pull", "--quiet", f"docker.io/library/{image}"]
        return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def buildah(tmp_path_factory):
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("needs root on Debian, to install buildah and debootstrap")
    if not all(map(shutil.which, PROGRAMS)):
        for command in (["update"], ["install", "-y", "--no-install-recommends", *PROGRAMS]):
            subprocess.run(["apt-get", "-qq", *command], check=False, stdout=subprocess.DEVNULL, timeout=600)
    if not all(map(shutil.which, PROGRAMS)):
        pytest.skip("buildah and debootstrap could not be installed")
    folder = tmp_path_factory.mktemp("buildah")
    yield Buildah(folder)
    shutil.rmtree(folder)  # several GB


@pytest.fixture(scope="module")
def image(buildah, tmp_path_factory):
    """The image, built from a clone of the committed files."""
    folder = tmp_path_factory.mktemp("image")
    if not buildah.can_pull(BASE):
        made = folder / "debian"
        release = re.sub(r".*-", "", BASE)
        packages = "--include=ca-certificates,python3,python3-venv"
        subprocess.run(["debootstrap", "--variant=minbase", packages, release, made], check=True, capture_output=True)
        container = buildah("from", "scratch").split()[-1]
        buildah("copy", container, str(made), "/")
        buildah("commit", "--rm", container, f"docker.io/library/{BASE}")
        shutil.rmtree(made)
    clone = folder / "gavel"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", clone], check=True)
    buildah("bud", "--isolation", "chroot", *network(), "-f", f"{clone}/envs/Dockerfile", "-t", IMAGE, str(clone))
    return IMAGE


def network() -> list[str]:
    """Buildah's options for the host's network, and for pip's settings with the files and folders that they name."""
    settings = subprocess.run(["pip", "config", "debug"], capture_output=True, text=True, check=True).stdout
    named = {Path(path) for path in re.findall(r"(?:file://)?(/[^\s',]+)", settings)}
    # Folders with what is next to them, because links lead there.
    shared = {path.parent if path.is_dir() else path for path in named if path.exists()}
    mounts = [f"--volume={path}:{path}:ro" for path in sorted(shared) if not shared & set(path.parents)]
    variables = [f"--env={key}={value}" for key, value in os.environ.items() if key.startswith("PIP_")]
    return ["--network", "host", *mounts, *variables]


@pytest.fixture
def run(buildah, image):
    """Runs a command in a new container of the image; returns what it printed."""
    container = buildah("from", image).split()[-1]
    yield lambda *command: buildah("run", "--isolation", "chroot", "--network", "host", container, "--", *command)
    buildah("rm", container)


def test_the_image_has_the_command_line(run):
    assert f"gavel {__version__}" in run("gavel", "--version")


def test_its_entry_point_finds_the_default_study(run):
    assert re.search(r"^report_html +1$", run("snakemake", "--cores", "all", "--dry-run", "results/report.html"), re.M)


def test_a_study_runs_in_it(run):
    run("gavel", "init", "mine")
    said = run("sh", "-c", "cd mine && gavel run study.yaml --smoke --cores 2")
    assert "open results/mine-smoke/report.html" in said, said[-3000:]
