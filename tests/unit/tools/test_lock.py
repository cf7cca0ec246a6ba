"""The lock files: what `make` installs is what pyproject.toml asks for, each package in one exact version."""

import sys
from fnmatch import fnmatch
from importlib import metadata

import pytest
from packaging.utils import canonicalize_name

import write_lock

LOCKS, SEPARATE = list(write_lock.LOCKS), list(write_lock.SEPARATE)


@pytest.mark.parametrize("name", [*LOCKS, *SEPARATE])
def test_each_range_has_a_version_in_the_lock(name):
    lines = write_lock.locked(name)
    for asked in write_lock.wanted(name):
        line = lines[canonicalize_name(asked.name)]
        assert asked.specifier.contains(str(line.specifier).removeprefix("==")), f"{line}: run `make lock`"
        assert line.marker == asked.marker


@pytest.mark.parametrize("name", [*LOCKS, *SEPARATE])
def test_each_line_is_one_version_for_any_build(name):
    for line in write_lock.pins(name).values():
        (only,) = line.specifier
        assert only.operator == "=="
        assert "+" not in only.version, "torch's CPU and CUDA builds differ in the local part"
        assert "*" not in only.version


def test_a_package_stands_in_one_lock_only():
    names = [package for name in LOCKS for package in write_lock.pins(name)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", SEPARATE)
def test_a_separate_environment_has_the_same_versions_but_for_what_vllm_forbids(name):
    first = write_lock.locked(LOCKS[-1])
    moved = {
        package
        for package, pin in write_lock.pins(name).items()
        if package in first and first[package].specifier != pin.specifier
    }
    assert moved == write_lock.SEPARATE[name].other
    omitted = write_lock.SEPARATE[name].left_out
    assert not [each for each in write_lock.pins(name) if any(fnmatch(each, pattern) for pattern in omitted)]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lock is made with Python 3.11")
def test_what_the_packages_need_is_locked_too():
    installed = {
        canonicalize_name(each.name): {"requires_dist": each.requires or []} for each in metadata.distributions()
    }
    known: set[str] = set()
    for name in LOCKS[:2]:
        known |= set(write_lock.pins(name))
        needed = write_lock.closure(write_lock.wanted(name), installed)
        assert len(needed) > 30
        assert needed <= known, "run `make lock`"


def test_pytorchs_cuda_packages_are_left_to_pytorch():
    cuda = "nvidia-cublas==13.1; platform_system == 'Linux'"
    found = {
        "torch": {"requires_dist": [cuda, "sympy>=1.13", "colorama; sys_platform == 'win32'", "opt; extra == 'opt'"]},
        "nvidia-cublas": {},
        "sympy": {"requires_dist": ["mpmath"]},
        "mpmath": {},
        "opt": {},
    }
    asked = [write_lock.Requirement("torch>=2")]
    assert write_lock.closure(asked, found) == {"torch", "sympy", "mpmath"}
    assert write_lock.closure([write_lock.Requirement("torch[opt]>=2")], found) == {"torch", "sympy", "mpmath", "opt"}
    assert write_lock.line("torch", {"torch": {"version": "2.13.0+cpu"}}, {}) == "torch==2.13.0"
