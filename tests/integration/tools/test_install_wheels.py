"""An environment from wheels alone: the parent's packages, the library, and what was brought along."""

import subprocess
import sys
import zipfile

import filelock

from gavel.common.paths import ROOT

WHEEL = {
    "brought_along.py": "answer = 42\n",
    "brought_along-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: brought-along\nVersion: 1.0\n",
    "brought_along-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "brought_along-1.0.dist-info/RECORD": "",
}
USES = "import brought_along, filelock, gavel; print(brought_along.answer, gavel.__file__, filelock.__version__)"


def installed(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "tools" / "install_wheels.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_an_environment_has_the_wheels_and_its_parents_packages(tmp_path):
    wheels, environment = tmp_path / "wheels", tmp_path / "environment"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "brought_along-1.0-py3-none-any.whl", "w", zipfile.ZIP_LZMA) as archive:
        for name, text in WHEEL.items():
            archive.writestr(name, text)
    (wheels / "requirements.txt").write_text("brought-along==1.0\n")
    done = installed(wheels, environment)
    assert done.returncode == 0, done.stderr
    assert f"make test-gpu ENVIRONMENT={environment}" in done.stdout
    found = subprocess.run([environment / "bin" / "python", "-c", USES], capture_output=True, text=True, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    answer, library, version = found.stdout.split()
    assert (answer, version) == ("42", filelock.__version__) and library.startswith(str(ROOT / "workflow" / "scripts"))


def test_a_folder_without_wheels_is_refused(tmp_path):
    done = installed(tmp_path, tmp_path / "environment")
    assert done.returncode == 1 and "no requirements.txt" in done.stderr
    assert not (tmp_path / "environment").exists()
